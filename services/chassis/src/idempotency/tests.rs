use super::*;
use serde_json::json;

fn command(if_match: Option<&str>) -> Command<()> {
    Command { caller: Caller::test(), body: (), if_match: if_match.map(str::to_owned), key: None }
}

#[test]
fn if_match_names_the_version_that_the_client_has_seen() {
    for (if_match, holds) in [
        (None, true),
        (Some("\"7\""), true),
        (Some("*"), true),
        (Some("\"6\", \"7\""), true),
        (Some("\"6\""), false),
        (Some("W/\"7\""), false),
        (Some("7"), false),
        (Some("\"77\""), false),
        (Some(""), false),
    ] {
        assert_eq!(command(if_match).expects(7).is_ok(), holds, "{if_match:?}");
    }
}

#[test]
fn a_body_is_a_json_object_or_nothing() {
    let sent = |content_type: Option<&'static str>, body: &[u8]| {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        fields(&headers, body).map_err(|problem| problem.status().as_u16())
    };
    let read = json!({"a": 1}).as_object().cloned().expect("an object");
    for (content_type, body, expected) in [
        (Some("application/json"), &b"{\"a\":1}"[..], Ok(read.clone())),
        (Some("Application/JSON ; charset=UTF-8"), b" {\"a\":1}\n", Ok(read.clone())),
        (Some("application/merge-patch+json"), b"{\"a\":1}", Ok(read.clone())),
        (Some("application/json"), b"{\"a\":2,\"a\":1}", Ok(read)),
        (None, b"", Ok(Map::new())),
        (Some("text/plain"), b"", Ok(Map::new())),
        (None, b"{}", Err(415)),
        (Some("text/json"), b"{}", Err(415)),
        (Some("multipart/form-data; boundary=+json"), b"{}", Err(415)),
        (Some("application/json"), b"{", Err(400)),
        (Some("application/json"), b"[{}]", Err(400)),
        (Some("application/json"), b"\"\xff\"", Err(400)),
        (Some("application/json"), b" ", Err(400)),
    ] {
        assert_eq!(
            sent(content_type, body),
            expected,
            "{content_type:?} {:?}",
            body.escape_ascii().to_string()
        );
    }
}

#[derive(Debug, PartialEq, Deserr)]
#[deserr(error = Faults, rename_all = camelCase)]
struct Offered {
    offer_id: wire::Id,
}

impl CommandBody for Offered {
    const ALIASES: &'static [(&'static str, &'static str)] = &[("offeredId", "offerId")];
}

#[test]
fn an_alias_stands_for_its_field_and_may_not_contradict_it() {
    let read = |body: Value| match body {
        Value::Object(fields) => {
            read_fields::<Offered>(fields).map_err(|faults| Problem::from(faults).status().as_u16())
        }
        _ => panic!("not an object"),
    };
    let five = Offered { offer_id: wire::Id(5) };
    for (body, expected) in [
        (json!({"offerId": 5}), Ok(five)),
        (json!({"offeredId": "5"}), Ok(Offered { offer_id: wire::Id(5) })),
        (json!({"offeredId": 5, "offerId": 5}), Ok(Offered { offer_id: wire::Id(5) })),
        (json!({"offeredId": 6, "offerId": 5}), Err(422)),
        (json!({"offeredId": "x"}), Err(400)),
        (json!({}), Err(400)),
    ] {
        assert_eq!(read(body.clone()), expected, "{body}");
    }
}

#[test]
fn an_answer_becomes_its_response() {
    let answer = Answer {
        status: StatusCode::CREATED,
        location: Some("http://market.kr/posts/1".to_owned()),
        etag: Some(3),
        body: Some("{}".to_owned()),
    };
    let response = answer.into_response();
    let headers = response.headers();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(headers[header::CONTENT_TYPE], "application/hal+json");
    assert_eq!(headers[header::LOCATION], "http://market.kr/posts/1");
    assert_eq!(headers[header::ETAG], "\"3\"");

    let nothing =
        Answer { status: StatusCode::NO_CONTENT, location: None, etag: None, body: None }.into_response();
    assert!(nothing.headers().is_empty(), "{:?}", nothing.headers());
}
