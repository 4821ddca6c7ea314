use super::*;
use futures::FutureExt;
use proptest::prelude::*;

#[derive(Debug, Deserr)]
#[deserr(error = Faults, rename_all = camelCase)]
struct Things {
    #[deserr(default)]
    max_price: Option<wire::Won>,
}

impl Filter for Things {
    const SORTABLE: &'static [(&'static str, &'static str)] =
        &[("price", "price"), ("createDt", "create_dt")];
    const DEFAULT_ORDER: &'static str = "id desc";
}

fn listing(query: &str) -> Result<Listing<Things>, Problem> {
    let uri: Uri = format!("/things?{query}").parse().expect("an address");
    let (mut parts, ()) = axum::http::Request::builder().uri(uri).body(()).expect("a request").into_parts();
    Listing::from_request_parts(&mut parts, &Verifier::open()).now_or_never().expect("nothing to wait for")
}

fn read(query: &str) -> (i64, i64, String) {
    let Listing { paging, .. } = listing(query).unwrap_or_else(|problem| panic!("{query}: {problem:?}"));
    (paging.number, paging.size, paging.order)
}

#[test]
fn a_query_string_pages_and_sorts_as_spring_does() {
    for (query, page, size, order) in [
        ("", 0, 20, "id desc"),
        ("page=3&size=50", 3, 50, "id desc"),
        ("page=&size=&sort=", 0, 20, "id desc"),
        ("size=0", 0, 20, "id desc"),
        ("size=1000", 0, 1000, "id desc"),
        ("size=1001", 0, 1000, "id desc"),
        ("size=9223372036854775807", 0, 1000, "id desc"),
        ("sort=price", 0, 20, "price asc, id desc"),
        ("sort=price,", 0, 20, "price asc, id desc"),
        ("sort=price,Desc", 0, 20, "price desc, id desc"),
        ("sort=createDt,desc&sort=price", 0, 20, "create_dt desc, price asc, id desc"),
        ("sort=createDt%2Cdesc", 0, 20, "create_dt desc, id desc"),
    ] {
        assert_eq!(read(query), (page, size, order.to_owned()), "{query}");
    }
    assert_eq!(listing("maxPrice=5").ok().and_then(|listing| listing.filter.max_price), Some(wire::Won(5)));
    assert!(listing("maxPrice=").ok().is_some_and(|listing| listing.filter.max_price.is_none()));
}

#[test]
fn whatever_is_wrong_with_a_query_string_is_told_at_once_and_a_400() {
    for (query, detail) in [
        ("size=-1", "size must be between 0 and 9223372036854775807."),
        ("sort=secret", "sort must be one of price createDt."),
        ("sort=price,up", "sort must be field,asc or field,desc."),
        ("sort=price;--", "sort must be one of price createDt."),
        (
            "page=x&maxPrice=-1&sort=y",
            "page must be a number; sort must be one of price createDt; maxPrice must be between 0 and 1000000000000.",
        ),
        ("q=%00", "q must not contain control characters."),
    ] {
        let problem = listing(query).err().unwrap_or_else(|| panic!("{query} was taken"));
        assert_eq!((problem.status().as_u16(), problem.detail()), (400, detail), "{query}");
    }
}

#[test]
fn a_link_to_another_page_keeps_the_rest_of_the_query() {
    for (query, link) in [
        ("", "/things?page=2&size=20"),
        ("q=%EC%95%84&sort=price,desc", "/things?q=%EC%95%84&sort=price,desc&page=2&size=20"),
        ("page=1&q=a&size=5", "/things?q=a&page=2&size=5"),
        ("size=5000&pages=1", "/things?pages=1&page=2&size=1000"),
    ] {
        let Ok(listing) = listing(query) else { panic!("{query}") };
        assert_eq!(listing.paging.query_of(&listing.uri, 2), link);
    }
}

#[test]
fn a_pattern_takes_every_character_for_itself() {
    for (text, pattern) in
        [("폰", "%폰%"), ("100%", r"%100\%%"), ("1_2", r"%1\_2%"), (r"\", r"%\\%"), ("", "%%")]
    {
        assert_eq!(containing(text), pattern);
    }
}

proptest! {
    #[test]
    fn any_query_string_is_read_within_bounds_or_a_400(
        pairs in prop::collection::vec(
            (
                prop_oneof!["page|size|sort|maxPrice", "[a-zA-Z%&=]{0,5}"],
                prop_oneof![
                    "-?[0-9]{0,25}",
                    "(price|createDt)(,(asc|desc|ASC|up)?)?",
                    "[!-\"$-~]{0,20}",
                    // Bytes of any kind, UTF-8 or not.
                    prop::collection::vec(any::<u8>(), 0..12)
                        .prop_map(|bytes| bytes.iter().map(|byte| format!("%{byte:02x}")).collect()),
                ],
            ),
            0..5,
        ),
    ) {
        let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        prop_assume!(format!("/things?{query}").parse::<Uri>().is_ok());
        match listing(&query) {
            Ok(Listing { paging, filter, uri, .. }) => {
                prop_assert!(paging.number >= 0 && (1..=Paging::MAX_SIZE).contains(&paging.size));
                prop_assert!(paging.order.ends_with("id desc"));
                prop_assert!(filter.max_price.is_none_or(|won| (0..=wire::MAX_WON).contains(&won.0)));
                // The link to this very page asks for the same.
                let link = paging.query_of(&uri, paging.number);
                let (_, again) = link.split_once('?').expect("a query");
                let again = listing(again).map_err(|problem| TestCaseError::fail(format!("{problem:?}")))?.paging;
                prop_assert_eq!((again.number, again.size, again.order), (paging.number, paging.size, paging.order));
            }
            Err(problem) => prop_assert_eq!(problem.status(), 400),
        }
    }
}
