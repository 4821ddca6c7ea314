use crate::{Deal, iphone, start, with, written};
use axum::http::Method;
use chassis::testing::TestService;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn goods(service: &TestService, query: &str) -> Vec<String> {
    let list = service.client.get(&format!("/posts{query}")).await.expect(200);
    let posts = list["_embedded"]["posts"].as_array().expect("always there");
    assert_eq!(list["page"]["totalElements"], posts.len(), "{query}");
    posts.iter().map(|post| post["goods"].as_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn lists_are_narrowed_by_every_filter() {
    let service = start().await;
    for post in [
        json!({"userId": "seller01", "goods": "아이폰13", "price": 600_000, "address": "서울 방배동",
               "category": "디지털"}),
        json!({"userId": "seller02", "goods": "갤럭시 S24", "price": 700_000, "address": "서초동",
               "category": "디지털", "description": "아이폰과 교환 가능"}),
        json!({"userId": "seller01", "goods": "원목 100%", "price": 50_000, "address": "방배동 1_2"}),
        json!({"userId": "seller01", "goods": "자전거", "price": 90_000, "hidden": true}),
        json!({"userId": "seller02", "goods": "유모차", "price": 90_000, "hidden": true}),
        json!({"userId": "seller02", "goods": "지운 것", "price": 1}),
    ] {
        written(&service, post).await;
    }
    service.client.delete("/posts/6").await.expect(204);
    service.deliver(&Deal { id: 1, post: 2, qty: 1 }.reserved_at(None)).await;

    let (iphone, galaxy, wood, bike) = ("아이폰13", "갤럭시 S24", "원목 100%", "자전거");
    for (query, expected) in [
        ("", &[wood, galaxy, iphone][..]),
        ("?unheardOf=x", &[wood, galaxy, iphone]),
        // Who asks for one's own sees what one hid.
        ("?userId=seller01", &[bike, wood, iphone]),
        ("?userId=seller01&hidden=true", &[bike]),
        ("?userId=seller01&hidden=false", &[wood, iphone]),
        ("?userId=nobody", &[]),
        ("?hidden=true", &[]),
        ("?status=created", &[wood, iphone]),
        ("?status=dealReserved", &[galaxy]),
        ("?status=dealEnded", &[]),
        ("?category=디지털", &[galaxy, iphone]),
        ("?category=디지", &[]),
        ("?minPrice=600000", &[galaxy, iphone]),
        ("?maxPrice=600000", &[wood, iphone]),
        ("?minPrice=600000&maxPrice=600000", &[iphone]),
        ("?minPrice=2&maxPrice=1", &[]),
        ("?address=방배", &[wood, iphone]),
        ("?address=1_2", &[wood]),
        ("?address=서_동", &[]),
        // In goods and description, of words as short as Korean ones are.
        ("?q=아이폰", &[galaxy, iphone]),
        ("?q=교환", &[galaxy]),
        ("?q=폰", &[galaxy, iphone]),
        ("?q=갤럭시 S", &[galaxy]),
        ("?q=갤럭시%20s24", &[galaxy]),
        // Nothing of LIKE's is special.
        ("?q=%25", &[wood]),
        ("?q=100%25", &[wood]),
        ("?q=_", &[]),
        ("?q=%5C", &[]),
        ("?q='%22;--", &[]),
        // A form's empty field is no filter.
        ("?q=&category=&minPrice=&status=&sort=", &[wood, galaxy, iphone]),
        ("?q=아이폰&status=created&category=디지털&address=방배&userId=seller01", &[iphone]),
    ] {
        assert_eq!(goods(&service, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn lists_are_sorted_newest_first_or_as_asked() {
    let service = start().await;
    for (name, price, day) in [("b", 2, "2024-01-02"), ("a", 2, "2024-01-03"), ("c", 1, "2024-01-01")] {
        let post = json!({"userId": "seller01", "goods": name, "price": price, "createDt": day});
        written(&service, post).await;
    }
    for (query, expected) in [
        ("", "abc"),
        ("?sort=goods", "abc"),
        ("?sort=goods,desc", "cba"),
        ("?sort=goods,DESC", "cba"),
        ("?sort=price,asc", "cab"),
        ("?sort=price,asc&sort=goods,desc", "cba"),
        ("?sort=price,desc&sort=goods,asc", "abc"),
        ("?sort=createDt", "cba"),
        ("?sort=createDt,asc", "cba"),
        ("?sort=postId,desc", "cab"),
        ("?sort=userId&sort=qty&sort=likeCnt&sort=status&sort=updateDt,asc", "cba"),
    ] {
        assert_eq!(goods(&service, query).await.concat(), expected, "{query}");
    }
}

#[tokio::test]
async fn lists_are_paged_as_spring_pages() {
    let service = start().await;
    for number in 1..=5 {
        written(&service, with(iphone(), json!({"goods": format!("{number}")}))).await;
    }
    for (query, page, names, links) in [
        ("?sort=postId", [20, 5, 1, 0], "12345", "self"),
        ("?sort=postId&size=2", [2, 5, 3, 0], "12", "first self next last"),
        ("?sort=postId&size=2&page=1", [2, 5, 3, 1], "34", "first prev self next last"),
        ("?sort=postId&size=2&page=2", [2, 5, 3, 2], "5", "first prev self last"),
        ("?sort=postId&size=2&page=9", [2, 5, 3, 9], "", "first prev self last"),
        ("?sort=postId&size=5", [5, 5, 1, 0], "12345", "self"),
        ("?sort=postId&size=0", [20, 5, 1, 0], "12345", "self"),
        ("?sort=postId&size=100000", [1000, 5, 1, 0], "12345", "self"),
        ("?q=nothing", [20, 0, 0, 0], "", "self"),
        ("?page=9223372036854775807&size=9223372036854775807", [1000, 5, 1, i64::MAX], "", "self"),
    ] {
        let list = service.client.get(&format!("/posts{query}")).await.expect(200);
        let [size, total, pages, number] = page;
        let expected = json!({"size": size, "totalElements": total, "totalPages": pages, "number": number});
        assert_eq!(list["page"], expected, "{query}");
        let posts = list["_embedded"]["posts"].as_array().expect("posts are always there");
        let goods: String = posts.iter().filter_map(|post| post["goods"].as_str()).collect();
        assert_eq!(goods, names, "{query}");
        let links_there: BTreeSet<_> =
            list["_links"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(links_there, links.split(' ').collect(), "{query}");
    }
}

#[tokio::test]
async fn the_links_of_a_page_lead_through_the_whole_list() {
    let service = start().await;
    for number in 1..=5 {
        written(&service, with(iphone(), json!({"goods": format!("아이폰{number}")}))).await;
    }
    let path = |href: &Value| href["href"].as_str().map(|href| href.replace(service.client.base(), ""));
    let mut seen = Vec::new();
    let mut next = Some("/posts?q=아이폰&sort=postId,asc&size=2".to_owned());
    let mut last = None;
    while let Some(page) = next {
        let list = service.client.get(&page).await.expect(200);
        let posts = list["_embedded"]["posts"].as_array().unwrap().clone();
        seen.extend(posts.into_iter().map(|post| post["postId"].as_i64().unwrap()));
        next = path(&list["_links"]["next"]);
        last = path(&list["_links"]["last"]);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    let last = service.client.get(&last.unwrap()).await.expect(200);
    assert_eq!(last["_embedded"]["posts"][0]["postId"], 5);
    let first = service.client.get(&path(&last["_links"]["first"]).unwrap()).await.expect(200);
    assert_eq!(first["_embedded"]["posts"][0]["postId"], 1);
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let service = start().await;
    let list = service.client.get("/posts").await.expect(200);
    assert_eq!(
        list,
        json!({
            "_embedded": {"posts": []},
            "_links": {"self": {"href": format!("{}/posts", service.client.base())}},
            "page": {"size": 20, "totalElements": 0, "totalPages": 0, "number": 0},
        })
    );
    let head = service.client.send(Method::HEAD, "/posts", &[], None).await;
    assert_eq!(head.header("content-type"), "application/hal+json");
    assert_eq!(head.expect(200), Value::Null);
}
