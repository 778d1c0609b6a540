//! A Redis that speaks TLS, and knows its clients by their certificates.

use super::server::{Server, subject};
use crate::store::{
    Kind,
    contract::every_rule,
    redis::{Redis, Tls},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use std::{fs, path::PathBuf};
use tempfile::{TempDir, tempdir};

struct Papers {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_reached_with_certificates_and_in_no_other_way() {
    let papers = Papers::new();
    let server = papers.server().await;
    let mut settings = server.settings();
    let plain = Redis::connect(&settings).await.unwrap_err();
    assert_eq!(plain.kind(), Kind::Unavailable, "without TLS: {plain:?}");

    let (certificate, key) = papers.certify("client.example");
    let own = Some((certificate.clone().into_bytes(), key.clone().into_bytes().into()));
    let authorities = Some(papers.authority.pem().into_bytes());
    settings.tls = Some(Tls { authorities: authorities.clone(), own: None });
    assert!(Redis::connect(&settings).await.is_err(), "without a certificate of our own");
    let others = Papers::new().authority.pem().into_bytes();
    settings.tls = Some(Tls { authorities: Some(others), own: own.clone() });
    assert!(Redis::connect(&settings).await.is_err(), "with another authority");

    settings.tls = Some(Tls { authorities, own });
    every_rule!(subject(&settings));
}

impl Papers {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Example Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { folder: tempdir().unwrap(), authority }
    }

    /// A certificate and its key.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    async fn server(&self) -> Server {
        let (certificate, key) = self.certify("127.0.0.1");
        let files =
            [("server.pem", certificate), ("server.key", key), ("authority.pem", self.authority.pem())];
        for (name, text) in files {
            fs::write(self.path(name), text).unwrap();
        }
        let [certificate, key, authority] =
            ["server.pem", "server.key", "authority.pem"].map(|name| self.path(name).display().to_string());
        Server::start(&[
            "--port",
            "0",
            "--tls-port",
            "{port}",
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &authority,
        ])
        .await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
