//! Addresses, methods and requests that make no sense, and a database that is away.

use crate::{Deal, iphone, start, written};
use axum::http::Method;
use chassis::testing::Client;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn addresses_that_lead_nowhere() {
    let service = start().await;
    for (path, status, code) in [
        ("/posts/abc", 400, "malformed-request"),
        ("/posts/1e999", 400, "malformed-request"),
        ("/posts/%FF", 400, "malformed-request"),
        ("/posts/%00", 400, "malformed-request"),
        ("/posts/1;drop", 400, "malformed-request"),
        ("/posts/0", 404, "not-found"),
        ("/posts/-1", 404, "not-found"),
        ("/posts/1", 404, "not-found"),
        ("/posts/9223372036854775807", 404, "not-found"),
        ("/posts/9223372036854775808", 404, "not-found"),
        ("/posts/99999999999999999999999999999999999999999999", 404, "not-found"),
    ] {
        let body = || Some(iphone());
        for (method, path, body) in [
            (Method::GET, path.to_owned(), None),
            (Method::GET, format!("{path}/availability"), None),
            (Method::PATCH, path.to_owned(), body()),
            (Method::PUT, path.to_owned(), body()),
            (Method::DELETE, path.to_owned(), None),
        ] {
            let reply = service.client.send(method.clone(), &path, &[], body).await;
            assert_eq!(reply.status.as_u16(), status, "{method} {path}");
            assert_eq!(reply.body["instance"], path);
            reply.expect_problem(status, code);
        }
    }
    for path in ["/", "/post", "/posts/1/availability/x", "/postsx"] {
        service.client.get(path).await.expect_problem(404, "no-such-path");
    }
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    let service = start().await;
    for (method, path, allowed) in [
        (Method::PATCH, "/posts", "GET,HEAD,POST"),
        (Method::DELETE, "/posts", "GET,HEAD,POST"),
        (Method::PUT, "/posts", "GET,HEAD,POST"),
        (Method::POST, "/posts/1", "DELETE,GET,HEAD,PATCH,PUT"),
        (Method::POST, "/posts/1/availability", "GET,HEAD"),
        (Method::DELETE, "/livez", "GET,HEAD"),
    ] {
        let reply = service.client.send(method.clone(), path, &[], Some(json!({}))).await;
        let mut allow: Vec<_> = reply.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
        reply.expect_problem(405, "method-not-allowed");
    }
}

#[tokio::test]
async fn a_query_that_means_nothing_is_a_400_that_names_the_parameter() {
    let service = start().await;
    for (query, faults) in [
        ("size=-1", &["size"][..]),
        ("size=abc", &["size"]),
        ("size=1.5", &["size"]),
        ("size=9223372036854775808", &["size"]),
        ("page=-1", &["page"]),
        ("page=first", &["page"]),
        ("sort=nonsense", &["sort"]),
        ("sort=price,sideways", &["sort"]),
        ("sort=price;drop table post", &["sort"]),
        ("sort=price&sort=searchable", &["sort"]),
        ("q=%00", &["q"]),
        ("userId=a%00b", &["userId"]),
        ("sort=%00", &["sort"]),
        ("q=%20", &["q"]),
        ("status=sold", &["status"]),
        ("minPrice=cheap", &["minPrice"]),
        ("maxPrice=-1", &["maxPrice"]),
        ("hidden=perhaps", &["hidden"]),
        (
            "size=x&page=y&sort=z&status=s&minPrice=m&q=%07",
            &["minPrice", "page", "q", "size", "sort", "status"],
        ),
    ] {
        let reply = service.client.get(&format!("/posts?{query}")).await;
        assert_eq!(reply.status.as_u16(), 400, "{query}: {:#}", reply.body);
        let mut named = reply.expect_problem(400, "malformed-request");
        named.sort();
        assert_eq!(named, faults, "{query}");
    }
    let long = "가".repeat(201);
    assert_eq!(
        service.client.get(&format!("/posts?q={long}")).await.expect_problem(400, "malformed-request"),
        ["q"]
    );
    // What is not UTF-8 is read as well as it can be, and an & too many is none.
    for query in ["q=%FF", "q=%ED%A0%80", "q=100%", "&&", "=", "q=a&q=b", "size=100000"] {
        service.client.get(&format!("/posts?{query}")).await.expect(200);
    }
    let named = service.client.get("/posts/1?userId=%00").await.expect_problem(400, "malformed-request");
    assert_eq!(named, ["userId"]);
}

/// Sends bytes that no well-behaved client would, and reads the answer.
async fn raw(client: &Client, request: &[u8]) -> String {
    let mut stream =
        TcpStream::connect(client.base().trim_start_matches("http://")).await.expect("it answers");
    stream.write_all(request).await.expect("it answers");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn odd_requests_are_answered_too() {
    let service = start().await;
    let head = "POST /posts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let without_type = format!("{head}content-length: 2\r\n\r\n{{}}");
    let chunk = "10000\r\n".to_owned() + &"x".repeat(0x10000) + "\r\n";
    let endless = format!("{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        + &chunk.repeat(80)
        + "0\r\n\r\n";
    let key = format!("{head}idempotency-key: 열쇠\r\ncontent-length: 0\r\n\r\n");
    for (request, status, code) in [
        (without_type, "415 Unsupported Media Type", "unsupported-media-type"),
        (endless, "413 Payload Too Large", "payload-too-large"),
        (key, "400 Bad Request", "malformed-request"),
    ] {
        let answer = raw(&service.client, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("application/problem+json") && answer.contains(code), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_never_tells_of_the_database() {
    let service = start().await;
    written(&service, iphone()).await;
    // An event nobody should have sent: more units than an integer of PostgreSQL holds beside those reserved.
    service.deliver(&Deal { id: 1, post: 1, qty: i32::MAX }.reserved()).await;
    assert_eq!(service.published_types().await, ["PostUnavailable"]);
    let close = service.prepared.app.db.close();
    close.await;
    for reply in [service.client.get("/posts/1").await, service.client.post("/posts", iphone()).await] {
        assert_eq!(reply.header("retry-after"), "1");
        reply.expect_problem(503, "database-unavailable");
    }
}
