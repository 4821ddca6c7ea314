//! Those who wish for a post hear of it, in whatever order the wishes and the news arrive.

use crate::support::{event, told};
use chassis::testing::TestService;
use serde_json::json;
use shared_events::{Envelope, PostEdited, StatusUpdated, WishlistAdded, WishlistDeleted};
use std::collections::VecDeque;

fn added(second: i64, wish: i64, user: &str, post: i64) -> Envelope {
    event::<WishlistAdded>(second, json!({"wishlistId": wish, "userId": user, "postId": post}))
}

fn deleted(second: i64, wish: i64, user: &str, post: i64) -> Envelope {
    event::<WishlistDeleted>(second, json!({"wishlistId": wish, "userId": user, "postId": post}))
}

fn became(second: i64, status: &str, post: i64) -> Envelope {
    event::<StatusUpdated>(second, json!({"userId": "seller01", "status": status, "postId": post}))
}

fn repriced(second: i64, from: i64, to: i64, post: i64) -> Envelope {
    let fields = json!({"userId": "seller01", "previousPrice": from, "price": to, "postId": post});
    event::<PostEdited>(second, fields)
}

#[tokio::test]
async fn those_who_wish_for_a_post_hear_of_it() {
    let notification = TestService::start(notification::service()).await;
    notification
        .deliver_envelopes(&[
            added(0, 1, "buyer01", 1),
            added(0, 2, "buyer02", 1),
            added(0, 3, "seller01", 1),
            added(0, 4, "buyer03", 2),
            repriced(1, 600_000, 550_000, 1),
            repriced(2, 550_000, 560_000, 1),
            became(3, "dealReserved", 1),
            deleted(4, 2, "buyer02", 1),
            became(5, "created", 1),
            became(6, "dealEnded", 1),
        ])
        .await;
    let fell = "찜한 상품의 가격이 600,000원에서 550,000원으로 내렸습니다: 아이폰13 공기계";
    let heard =
        async |user: &str| told(&notification, &format!("/notices?userId={user}&sort=createDt")).await;
    assert_eq!(
        heard("buyer01").await,
        [
            format!("buyer01: {fell}"),
            "buyer01: 찜한 상품이 예약되었습니다.".to_owned(),
            "buyer01: 찜한 상품이 다시 판매 중입니다.".to_owned(),
            "buyer01: 찜한 상품이 판매되었습니다.".to_owned(),
        ],
    );
    assert_eq!(
        heard("buyer02").await,
        [format!("buyer02: {fell}"), "buyer02: 찜한 상품이 예약되었습니다.".to_owned()],
    );
    assert_eq!(
        told(&notification, "/notices").await.len(),
        6,
        "neither the seller nor buyer03 hears anything"
    );
    let list = notification.client.get("/notices?kind=priceFell&userId=buyer01").await.expect(200);
    let row = &list["_embedded"]["notifications"][0];
    assert_eq!((&row["postId"], &row["offerId"], &row["dealId"]), (&json!(1), &json!(null), &json!(null)));
}

/// What offer and post tell of post `n`, each in its own order: a wish, its end, and another wish.
fn story(n: i64) -> [Vec<Envelope>; 2] {
    let wish = |second, wish| added(second, 10 * n + wish, "buyer01", n);
    [
        vec![
            wish(1, 1),
            added(2, 10 * n + 2, "buyer02", n),
            deleted(5, 10 * n + 1, "buyer01", n),
            wish(7, 3),
        ],
        vec![
            repriced(0, 600_000, 590_000, n),
            became(1, "dealReserved", n),
            became(3, "created", n),
            became(5, "dealReserved", n),
            became(6, "created", n),
            repriced(8, 590_000, 580_000, n),
        ],
    ]
}

/// Every way in which so many events of two publishers can mix.
fn merges(left: [usize; 2]) -> Vec<VecDeque<usize>> {
    if left == [0; 2] {
        return vec![VecDeque::new()];
    }
    let mut all = Vec::new();
    for next in (0..2).filter(|publisher| left[*publisher] > 0) {
        let mut rest = left;
        rest[next] -= 1;
        all.extend(merges(rest).into_iter().map(|mut merge| {
            merge.push_front(next);
            merge
        }));
    }
    all
}

/// Who heard of post `n`, and in which second it happened.
async fn heard(notification: &TestService, n: i64) -> Vec<String> {
    let path = format!("/notifications?postId={n}&sort=createDt&sort=userId");
    let body = notification.client.get(&path).await.expect(200);
    let rows = body["_embedded"]["notifications"].as_array().expect("a list").clone();
    rows.iter()
        .map(|row| {
            let (user, at) =
                (row["userId"].as_str().expect("a user"), row["createDt"].as_str().expect("a date"));
            format!("{user} {}", &at[18..19])
        })
        .collect()
}

/// A wish holds from its own millisecond until the one in which it ends.
const END: [&str; 7] =
    ["buyer01 1", "buyer01 3", "buyer02 3", "buyer02 5", "buyer02 6", "buyer01 8", "buyer02 8"];

#[tokio::test]
async fn wishes_and_news_end_the_same_however_they_mix() {
    let notification = TestService::start(notification::service()).await;
    let all = merges(story(0).map(|events| events.len()));
    assert_eq!(all.len(), 210);
    for (n, merge) in (1..).zip(&all) {
        let mut publishers = story(n).map(VecDeque::from);
        let order: Vec<_> =
            merge.iter().map(|publisher| publishers[*publisher].pop_front().expect("so many")).collect();
        notification.deliver_envelopes(&order).await;
        assert_eq!(heard(&notification, n).await, END, "{merge:?}");
    }
    assert_eq!(notification.client.get("/dead-letters").await.expect(200)["page"]["totalElements"], 0);
}

#[tokio::test]
async fn wishes_and_news_that_come_at_once_do_not_miss_each_other() {
    const POSTS: i64 = 40;
    let notification = TestService::start(notification::service()).await;
    let [offers, posts]: [Vec<_>; 2] =
        [0, 1].map(|publisher| (1..=POSTS).flat_map(|n| story(n)[publisher].clone()).collect());
    // Small batches, so that they meet often.
    let deliver = async |events: Vec<Envelope>| {
        for batch in events.chunks(3) {
            notification.deliver_envelopes(batch).await;
        }
    };
    tokio::join!(deliver(offers), deliver(posts));
    for n in 1..=POSTS {
        assert_eq!(heard(&notification, n).await, END, "post {n}");
    }
}

#[tokio::test]
async fn a_wish_whose_beginning_was_a_dead_letter_is_no_trouble() {
    let notification = TestService::start(notification::service()).await;
    let [offers, posts] = story(1);
    let mut order: Vec<_> = posts.into_iter().chain(offers).collect();
    order.reverse();
    notification.deliver_envelopes(&order).await;
    assert_eq!(heard(&notification, 1).await, END);
}
