use super::*;
use axum::http::HeaderValue;

#[derive(Serialize)]
struct Thing {
    id: i64,
    name: Option<&'static str>,
}

impl Resource for Thing {
    const NAME: &'static str = "thing";
    const COLLECTION: &'static str = "things";
    fn id(&self) -> i64 {
        self.id
    }
    fn version(&self) -> Option<i64> {
        Some(7)
    }
}

fn base(headers: &[(&'static str, &str)]) -> Base {
    let header = |value: &str| HeaderValue::from_bytes(value.as_bytes()).expect("a header");
    Base::of(&headers.iter().map(|(name, value)| (name.parse().expect("a name"), header(value))).collect())
}

fn json(answer: Answer) -> Value {
    serde_json::from_str(&answer.body.expect("a body")).expect("JSON")
}

#[test]
fn links_carry_the_address_that_the_client_used() {
    for (headers, href) in [
        (&[("host", "localhost:8082")][..], "http://localhost:8082/things/1"),
        (&[("host", "inner:1"), ("x-forwarded-host", "market.kr")], "http://market.kr/things/1"),
        (&[("host", "inner:1"), ("x-forwarded-proto", "https")], "https://inner:1/things/1"),
        (
            &[("x-forwarded-host", "[::1]:8088"), ("x-forwarded-proto", "https,http")],
            "https://[::1]:8088/things/1",
        ),
        (&[("x-forwarded-host", "market.kr , inner:1")], "http://market.kr/things/1"),
        // Who makes an address up gets links without one.
        (&[("host", "inner:1"), ("x-forwarded-host", "a/b?c")], "/things/1"),
        (&[("host", "user:password@market.kr")], "/things/1"),
        (&[("host", "<script>")], "/things/1"),
        (&[("host", "아이폰")], "/things/1"),
        (&[("x-forwarded-proto", "javascript"), ("host", "market.kr")], "http://market.kr/things/1"),
        (&[], "/things/1"),
    ] {
        assert_eq!(base(headers).href("/things/1"), href, "{headers:?}");
    }
}

#[test]
fn an_item_has_its_fields_its_links_and_its_version() {
    let base = base(&[("host", "market.kr")]);
    let thing = Thing { id: 3, name: None };
    let created = created(&base, &thing);
    assert_eq!((created.status, created.etag), (StatusCode::CREATED, Some(7)));
    assert_eq!(created.location.as_deref(), Some("http://market.kr/things/3"));
    let href = json!({"href": "http://market.kr/things/3"});
    assert_eq!(json(created), json!({"id": 3, "name": null, "_links": {"self": href, "thing": href}}));
    let item = item(&base, &thing);
    assert_eq!((item.status, item.etag, item.location), (StatusCode::OK, Some(7), None));
}

#[test]
fn a_page_links_to_its_neighbours() {
    let base = base(&[("host", "market.kr")]);
    // Total and page, then what stands before the number of the page in each link.
    for (total, number, links) in [
        (0, 0, &[][..]),
        (2, 0, &[]),
        (3, 0, &[("first", 0), ("last", 1), ("next", 1)]),
        (5, 1, &[("first", 0), ("last", 2), ("next", 2), ("prev", 0)]),
        (5, 2, &[("first", 0), ("last", 2), ("prev", 1)]),
        (5, 99, &[("first", 0), ("last", 2), ("prev", 2)]),
        (i64::MAX, i64::MAX, &[("first", 0), ("last", i64::MAX / 2), ("prev", i64::MAX / 2)]),
    ] {
        let uri: Uri = "/things?q=a&size=2".parse().expect("an address");
        let paging = Paging::of(number, 2);
        let page = json(collection(&base, &uri, &paging, &Page::<Thing> { items: vec![], total }));
        assert_eq!(page["_embedded"], json!({"things": []}));
        let total_pages = total / 2 + total % 2;
        assert_eq!(
            page["page"],
            json!({"size": 2, "totalElements": total, "totalPages": total_pages, "number": number})
        );
        let mut expected: Map<_, _> = links
            .iter()
            .map(|(name, page)| {
                let href = format!("http://market.kr/things?q=a&page={page}&size=2");
                ((*name).to_owned(), json!({"href": href}))
            })
            .collect();
        expected.insert("self".to_owned(), json!({"href": "http://market.kr/things?q=a&size=2"}));
        assert_eq!(page["_links"], Value::Object(expected), "page {number} of {total}");
    }
}
