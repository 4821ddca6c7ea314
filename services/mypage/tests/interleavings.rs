//! Events of one publisher keep their order, those of different publishers do not: whatever way they mix, and
//! however often they come, the lists end the same.

mod events;

use chassis::testing::TestService;
use events::{at, event};
use serde_json::{Value, json};
use shared_events::{
    DealCanceled, DealEnded, DealReserved, Envelope, OfferAccepted, OfferCanceled, OfferPlaced, PostWrote,
    StatusUpdated,
};
use std::collections::VecDeque;

/// What post, offer and deal tell, each in its own order.
type Story = [Vec<Envelope>; 3];

/// The seeds' walk of post 1: two offers, one of them negotiated, reserved and ended, the other canceled by itself.
fn walk(n: i64) -> Story {
    let (post, loser, winner) = (n, 2 * n, 2 * n + 1);
    let placed = |second, offer, user, price| {
        event::<OfferPlaced>(
            second,
            json!({"offerId": offer, "postId": post, "userId": user, "offeredPrice": price, "agreedPrice": price,
                "offerStatus": "offerPlaced"}),
        )
    };
    let deal = json!({"dealId": n, "postId": post, "offerId": winner, "userId": "buyer03", "price": 510_000,
        "status": "dealReserved", "reserveDt": "2024-09-30"});
    let ended = {
        let mut ended = deal.clone();
        ended["status"] = json!("dealEnded");
        ended
    };
    let answer = |offer, user, price, status, reason: Option<&str>| {
        json!({"offerId": offer, "postId": post, "userId": user, "offeredPrice": price, "agreedPrice": price,
            "offerStatus": status, "reason": reason})
    };
    [
        vec![
            event::<PostWrote>(0, json!({"postId": post, "status": "created"})),
            event::<StatusUpdated>(5, json!({"postId": post, "status": "dealReserved"})),
            event::<StatusUpdated>(7, json!({"postId": post, "status": "dealEnded"})),
        ],
        vec![
            placed(1, loser, "buyer02", 500_000),
            placed(2, winner, "buyer03", 510_000),
            event::<OfferAccepted>(3, answer(winner, "buyer03", 510_000, "offerAccepted", None)),
            event::<OfferCanceled>(8, answer(loser, "buyer02", 500_000, "offerCanceled", Some("post-ended"))),
        ],
        vec![event::<DealReserved>(4, deal), event::<DealEnded>(6, ended)],
    ]
}

/// A deal that is called off: its post is for sale again, and finds another buyer.
fn second_try(n: i64) -> Story {
    let (post, first, second) = (n, 2 * n, 2 * n + 1);
    let offer = |offer, user, price, status, reason: Option<&str>| {
        json!({"offerId": offer, "postId": post, "userId": user, "agreedPrice": price, "price": price,
            "offerType": "dealOffered", "offerStatus": status, "reason": reason})
    };
    let deal = |deal, offer, user, price, status| json!({"dealId": deal, "postId": post, "offerId": offer, "userId": user, "price": price, "status": status});
    [
        vec![
            event::<PostWrote>(0, json!({"postId": post, "status": "created"})),
            event::<StatusUpdated>(4, json!({"postId": post, "status": "dealReserved"})),
            event::<StatusUpdated>(6, json!({"postId": post, "status": "created"})),
        ],
        vec![
            event::<OfferPlaced>(1, offer(first, "buyer01", 600_000, "offerPlaced", None)),
            event::<OfferCanceled>(
                6,
                offer(first, "buyer01", 600_000, "offerCanceled", Some("deal-canceled")),
            ),
            event::<OfferPlaced>(8, offer(second, "buyer02", 590_000, "offerPlaced", None)),
        ],
        vec![
            event::<DealReserved>(3, deal(2 * n, first, "buyer01", 600_000, "dealReserved")),
            event::<DealCanceled>(5, deal(2 * n, first, "buyer01", 600_000, "dealCanceled")),
        ],
    ]
}

/// Every order of `[0, 0, 1, …]` that takes `left[publisher]` from each publisher.
fn merges(left: [usize; 3]) -> Vec<VecDeque<usize>> {
    if left == [0; 3] {
        return vec![VecDeque::new()];
    }
    let mut all = Vec::new();
    for next in (0..3).filter(|publisher| left[*publisher] > 0) {
        let mut rest = left;
        rest[next] -= 1;
        all.extend(merges(rest).into_iter().map(|mut merge| {
            merge.push_front(next);
            merge
        }));
    }
    all
}

/// Plays the story once for each way its events can mix, each time about another post, and compares all lists.
async fn ends_the_same(story: fn(i64) -> Story, posts: usize, page: Value, purchases: &[Value]) {
    let mypage = TestService::start(mypage::service()).await;
    let all = merges(story(1).map(|events| events.len()));
    assert_eq!(all.len(), posts);
    let mut envelopes = Vec::new();
    for (n, merge) in (1..).zip(&all) {
        let mut publishers = story(n).map(VecDeque::from);
        for publisher in merge {
            let envelope = publishers[*publisher].pop_front().expect("as many as the merge takes");
            // Once more under another id: not even the inbox knows it.
            let forgotten = Envelope { id: uuid(), ..envelope.clone() };
            envelopes.extend([envelope, forgotten]);
        }
    }
    mypage.deliver_envelopes(&envelopes).await;
    let dead = mypage.client.get("/dead-letters").await.expect(200);
    assert_eq!(dead["page"]["totalElements"], 0, "{dead:#}");

    let pages = rows(&mypage, "myPages").await;
    let orders = rows(&mypage, "purchases").await;
    assert_eq!((pages.len(), orders.len()), (all.len(), all.len() * purchases.len()));
    for ((n, merge), found) in (1..).zip(&all).zip(&pages) {
        let mut expected = page.clone();
        (expected["id"], expected["postId"]) = (json!(n), json!(n));
        assert_eq!(*found, expected, "{merge:?}");
    }
    for ((id, expected), found) in (2..).zip(purchases.iter().cycle()).zip(&orders) {
        assert_eq!(found["id"], id);
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(found[name], *value, "{name} of offer {id}: {:?}", all[id / 2 - 1]);
        }
    }
}

/// All rows of a list by id, without their links.
async fn rows(mypage: &TestService, collection: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for page in 0.. {
        let path = format!("/{collection}?sort=id&size=1000&page={page}");
        let mut body = mypage.client.get(&path).await.expect(200);
        let items = body["_embedded"][collection].as_array_mut().expect("a list");
        if items.is_empty() {
            break;
        }
        rows.append(items);
    }
    for row in &mut rows {
        row.as_object_mut().expect("an object").remove("_links");
    }
    rows
}

fn uuid() -> sqlx::types::Uuid {
    event::<PostWrote>(0, json!({"postId": 1, "status": "created"})).id
}

#[tokio::test]
async fn the_walk_ends_the_same() {
    let page = json!({
        "userId": "seller01", "status": "dealEnded", "createDt": at(0), "updateDt": at(6), "price": 510_000,
        "goods": "아이폰13 공기계", "offerCnt": 2, "bestOffer": 510_000, "likeCnt": 0,
    });
    let loser = json!({
        "goods": "아이폰13 공기계", "userId": "buyer02", "sellerId": "seller01", "price": 600_000,
        "offeredPrice": 500_000, "offerStatus": "offerCanceled", "dealId": null, "dealStatus": null,
        "orderStatus": "canceled", "orderStatusText": "주문취소", "createDt": at(1), "updateDt": at(8),
    });
    let winner = json!({
        "userId": "buyer03", "agreedPrice": 510_000, "offerStatus": "dealEnded", "dealStatus": "dealEnded",
        "orderStatus": "ended", "orderStatusText": "거래완료", "reserveDt": "2024-09-30T00:00:00.000+00:00",
        "createDt": at(2), "updateDt": at(6),
    });
    ends_the_same(walk, 1260, page, &[loser, winner]).await;
}

#[tokio::test]
async fn a_canceled_deal_ends_the_same() {
    let page = json!({
        "userId": "seller01", "status": "created", "createDt": at(0), "updateDt": at(6), "price": 600_000,
        "goods": "아이폰13 공기계", "offerCnt": 2, "bestOffer": 590_000, "likeCnt": 0,
    });
    let first = json!({
        "userId": "buyer01", "offeredPrice": null, "agreedPrice": 600_000, "offerStatus": "offerCanceled",
        "dealStatus": "dealCanceled", "orderStatus": "canceled", "updateDt": at(6),
    });
    let second = json!({
        "goods": "아이폰13 공기계", "userId": "buyer02", "offerStatus": "offerPlaced", "dealId": null,
        "orderStatus": "placed", "orderStatusText": "주문접수",
    });
    ends_the_same(second_try, 560, page, &[first, second]).await;
}
