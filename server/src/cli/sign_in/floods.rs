//! Strangers who want very much of something, from one address or from behind a proxy.

use super::{Answer, House, Plain, SITE};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

/// A request that came through the proxies that wrote `forwarded`; straight from this machine where that is empty.
async fn send(request: http::request::Builder, forwarded: &str, body: String) -> Answer {
    let request = match forwarded {
        "" => request,
        forwarded => request.header("x-forwarded-for", forwarded),
    };
    Plain::default().send(request.body(Full::from(body)).unwrap()).await.unwrap()
}

#[tokio::test]
async fn sign_ins_that_begin_at_one_address_are_counted_and_told_to_wait() {
    let house = House::new().await;
    let app = house.register(SITE).await;
    let begin = async |from: &str| send(Request::get(house.asking(&app, &[])), from, String::new()).await;
    for nth in 0..120 {
        // What the caller wrote itself counts for nothing.
        let page = begin(&format!("192.0.2.{nth}, 198.51.100.7")).await;
        assert_eq!(page.status, StatusCode::OK, "{nth}: {}", page.text());
    }
    let page = begin("198.51.100.7").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.header("retry-after"), "60");
    assert!(page.text().contains("Wait for a minute") && page.header("set-cookie").is_empty());
    for others in ["198.51.100.8", ""] {
        assert_eq!(begin(others).await.status, StatusCode::OK, "{others}");
    }
}

#[tokio::test]
async fn registrations_are_counted_by_who_is_behind_the_proxy() {
    let house = House::new().await;
    let wish = json!({"redirect_uris": [SITE]}).to_string();
    let register = async |from: &str| {
        let request = Request::post(house.at("/oauth/register")).header("content-type", "application/json");
        send(request, from, wish.clone()).await.status
    };
    for _ in 0..50 {
        assert_eq!(register("2001:db8::1").await, StatusCode::CREATED);
    }
    assert_eq!(register("2001:db8::2").await, StatusCode::TOO_MANY_REQUESTS, "of the same network");
    assert_eq!(register("2001:db8:0:1::1").await, StatusCode::CREATED);
}
