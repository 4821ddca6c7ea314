use super::*;

#[test]
fn dot_segments_are_seen_however_they_are_written() {
    for bad in ["/posts/..", "/posts/../x", "/posts/./1", "/posts/%2e%2E/x", "/posts/.%2e", "/posts/..\\x"] {
        assert!(has_dot_segment(bad), "{bad}");
    }
    for good in
        ["/posts", "/posts/", "/posts/1.2", "/posts/...", "/posts/.well-known", "/posts/%ED%95%9C", "//"]
    {
        assert!(!has_dot_segment(good), "{good}");
    }
}

#[test]
fn what_connection_names_is_not_passed_on() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Secret"));
    headers.insert("x-secret", HeaderValue::from_static("1"));
    headers.insert("upgrade", HeaderValue::from_static("h2c"));
    headers.insert("x-kept", HeaderValue::from_static("1"));
    remove_hop_by_hop(&mut headers);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
}
