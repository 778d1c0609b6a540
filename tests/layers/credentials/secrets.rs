//! No secret in whatever is printed, logged or told.

use super::*;
use crate::log::Log;
use countersign::sts::{Ambient, AssumeRoleLayer, Hop, ServiceCredentialsLayer, ServiceIdentity, StaticKeys};
use countersign_fixtures::{
    idp::MintFault,
    sts::{Code, Fault},
};
use secrecy::ExposeSecret;

#[tokio::test]
async fn no_secret_is_ever_emitted() {
    let log = Log::record();
    let scene = Scene::new().await;
    let sts = scene.sts().with_timeouts(SECOND / 2, SECOND / 2).build().unwrap();
    let cache = scene.cache(sts.clone());
    let hop = Hop::to(world::USER.parse().unwrap());
    let service = ServiceIdentity::from(StaticKeys::new("AKIDEXAMPLE", "the-services-own-secret".into()));
    let assumed = service.assuming(&sts, hop.clone()).unwrap();
    let sessions = [
        Session::default(),
        Session::caller().then(hop).build().unwrap(),
        Session::brokered(assumed.clone()).build().unwrap(),
    ];
    let mut printed = String::new();
    let mut secrets = vec!["the-services-own-secret".to_owned()];
    for (number, session) in sessions.iter().enumerate() {
        let layer = AssumeRoleLayer::sharing(&cache).with_session(session.clone());
        printed.push_str(&format!("{layer:?} {session:?} {cache:?}"));
        let stack = stack(&cache, world::USER, session.clone());
        for fault in [
            None,
            Some(Fault::Error(Code::AccessDenied)),
            Some(Fault::Error(Code::ValidationError)),
            Some(Fault::Throttling(None)),
            Some(Fault::Garbage),
            Some(Fault::Reset),
        ] {
            if let Some(fault) = fault.clone() {
                scene.world.sts.faults().add("*", fault, Some(8));
            }
            for token in [
                scene.token(&format!("{number}-{fault:?}")),
                scene.mint(&format!("{number}-{fault:?}-bad")).fault(MintFault::BadSignature).token(),
            ] {
                secrets.extend(token.split('.').skip(1).map(str::to_owned));
                let caller = caller(&token).await;
                printed.push_str(&format!("{caller:?}"));
                match ask(&stack, &caller).await {
                    Ok(credentials) => {
                        printed.push_str(&format!("{credentials:?}"));
                        secrets.push(credentials.secret_access_key().expose_secret().to_owned());
                        secrets.push(credentials.session_token().unwrap().expose_secret().to_owned());
                    }
                    Err(error) => printed.push_str(&format!("{error} {error:?} {}", chain(&error))),
                }
            }
            scene.world.sts.faults().clear();
        }
    }
    let layers = [service, assumed].map(ServiceCredentialsLayer::new);
    printed.push_str(&format!("{layers:?} {:?} {sts:?}", Ambient::new()));
    printed.push_str(&scene.recorder.audit().join("\n"));
    let logged = log.text();
    assert!(logged.contains("called STS") && printed.contains("AKIDEXAMPLE"), "something was emitted");
    assert!(secrets.len() > 40, "{}", secrets.len());
    // What the doubles log is their affair.
    let logged: Vec<&str> = logged.lines().filter(|line| !line.contains("countersign_fixtures")).collect();
    for secret in secrets {
        assert!(!printed.contains(&secret), "{secret} is printed");
        let line = logged.iter().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret} is logged: {}", line.unwrap());
    }
}
