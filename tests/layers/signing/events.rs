//! Event streams: every message's signature, recomputed from what AWS writes about them.

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use bytes::Bytes;
use countersign::{
    Kind,
    sign::{Keys, Signer, SigningTarget},
};
use http::Request;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// One frame, taken apart by the format's own rules.
struct Frame {
    date: [u8; 8],
    signature: [u8; 32],
    payload: Vec<u8>,
}

impl Frame {
    fn parse(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = |at| usize::try_from(number(at)).unwrap();
        let (total, headers) = (length(0), length(4));
        assert_eq!(total, bytes.len());
        assert_eq!(number(8), crc(&bytes[..8]));
        assert_eq!(number(total - 4), crc(&bytes[..total - 4]));
        let (mut date, mut signature) = (None, None);
        let mut rest = &bytes[12..12 + headers];
        while let [length, more @ ..] = rest {
            let (name, more) = more.split_at(usize::from(*length));
            rest = match more {
                // A timestamp, in milliseconds.
                [8, more @ ..] => {
                    assert_eq!(name, b":date");
                    date = more.first_chunk().copied();
                    &more[8..]
                }
                // Bytes, with their length.
                [6, 0, 32, more @ ..] => {
                    assert_eq!(name, b":chunk-signature");
                    signature = more.first_chunk().copied();
                    &more[32..]
                }
                other => panic!("no such header here: {other:?}"),
            };
        }
        let payload = bytes[12 + headers..total - 4].to_vec();
        Self { date: date.unwrap(), signature: signature.unwrap(), payload }
    }
}

/// CRC-32 as in zlib, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// The signature of a message that follows one with the signature `before`.
fn expected(frame: &Frame, before: &str, at: &str) -> String {
    let (day, _) = at.split_at(8);
    let header = [b"\x05:date\x08".as_slice(), &frame.date].concat();
    let scope = format!("{day}/eu-west-1/transcribe/aws4_request");
    let hash = |bytes: &[u8]| hex(digest(&SHA256, bytes).as_ref());
    let text = format!(
        "AWS4-HMAC-SHA256-PAYLOAD\n{at}\n{scope}\n{before}\n{}\n{}",
        hash(&header),
        hash(&frame.payload)
    );
    let key = ["eu-west-1", "transcribe", "aws4_request"]
        .iter()
        .fold(mac(format!("AWS4{SECRET}").as_bytes(), day), |key, part| mac(&key, part));
    hex(&mac(&key, &text))
}

fn signer() -> Signer {
    Signer::new(SigningTarget::new("transcribe", "eu-west-1").unwrap())
}

fn stream() -> Request<()> {
    Request::post("https://transcribestreaming.eu-west-1.amazonaws.com/stream-transcription")
        .header("content-type", "application/vnd.amazon.eventstream")
        .body(())
        .unwrap()
}

#[test]
fn each_message_is_signed_after_the_one_before() {
    let keys = Keys::of_session("AKIDEXAMPLE", SECRET.into(), "the-token".into());
    let noon: SystemTime = UNIX_EPOCH + Duration::from_millis(1_795_262_400_900);
    let mut request = stream();
    let mut events = signer().sign_events(&mut request, &keys, noon).unwrap();
    assert_eq!(request.headers()["x-amz-content-sha256"], "STREAMING-AWS4-HMAC-SHA256-EVENTS");
    let authorization = request.headers()["authorization"].to_str().unwrap();
    assert!(authorization.contains("x-amz-content-sha256"), "{authorization}");
    let mut before = authorization.rsplit_once("Signature=").unwrap().1.to_owned();

    let headers = [(":message-type", "event"), (":event-type", "AudioEvent")];
    let first = events.sign(&headers, Bytes::from_static(b"one"), noon).unwrap();
    let second = events.sign(&headers, Bytes::new(), noon + Duration::from_secs(1)).unwrap();
    let last = events.end(noon + Duration::from_secs(2)).unwrap();
    for (message, at, seconds) in
        [(&first, "20261121T120000Z", 0), (&second, "20261121T120001Z", 1), (&last, "20261121T120002Z", 2)]
    {
        let frame = Frame::parse(message);
        // To the second, as the text that is signed says it.
        assert_eq!(i64::from_be_bytes(frame.date), 1_795_262_400_000 + seconds * 1_000);
        let signature = expected(&frame, &before, at);
        assert_eq!(hex(&frame.signature), signature, "{at}");
        before = signature;
    }
    assert!(Frame::parse(&last).payload.is_empty());
    let inner = Frame::parse(&first).payload;
    assert!(
        inner.windows(10).any(|window| window == b"AudioEvent")
            && inner.ends_with(&crc(&inner[..inner.len() - 4]).to_be_bytes())
    );
}

#[test]
fn no_stream_is_signed_for_several_regions() {
    let keys = Keys::new("AKIDEXAMPLE", SECRET.into());
    let signer = Signer::new(SigningTarget::across("transcribe", ["*"]).unwrap());
    let mut request = stream();
    let refused = signer.sign_events(&mut request, &keys, UNIX_EPOCH).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsignable);
    assert!(request.headers().get("authorization").is_none());
}

#[test]
fn nothing_secret_is_shown() {
    let keys = Keys::of_session("AKIDEXAMPLE", SECRET.into(), "the-token".into());
    let events = signer().sign_events(&mut stream(), &keys, UNIX_EPOCH).unwrap();
    let shown = format!("{events:?}");
    assert!(
        shown.contains("transcribe") && !shown.contains(SECRET) && !shown.contains("the-token"),
        "{shown}"
    );
}
