//! Events of one publisher keep their order, those of different publishers do not: whatever way they mix, and
//! however often they come, the lists end the same.

mod events;

use chassis::testing::TestService;
use events::{at, event};
use serde_json::{Value, json};
use shared_events::{
    CancelDeclined, CancelRequested, DealCanceled, DealEnded, DealRescheduled, DealReserved, DealReviewed,
    DeliveryStarted, Envelope, LikeCntUpdated, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused,
    PaymentHeld, PaymentPlaced, PaymentRefunded, PaymentReleased, PostWrote, StatusUpdated,
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

/// A parcel, paid by bank transfer, asked back in vain and reviewed; another buyer's payment was refunded.
fn parcel(n: i64) -> Story {
    let (post, refused, winner) = (n, 2 * n, 2 * n + 1);
    let offer = |offer, user, method, status| {
        json!({"offerId": offer, "postId": post, "userId": user, "agreedPrice": 600_000, "offerType": "dealOffered",
            "payMethod": method, "offerStatus": status})
    };
    let payment = |id, offer, user, method, state| {
        json!({"paymentId": id, "offerId": offer, "postId": post, "userId": user, "amount": 600_000,
            "payMethod": method, "state": state})
    };
    let wallet = |state| payment(2 * n, refused, "buyer01", "wallet", state);
    let transfer = |state| payment(2 * n + 1, winner, "buyer02", "bankTransfer", state);
    let deal = |status| {
        json!({"dealId": n, "postId": post, "offerId": winner, "userId": "buyer02", "status": status,
            "fulfilment": "delivery", "reserveDt": "2024-09-30", "meetPlace": "방배역", "address": "방배로 1"})
    };
    let review = |id, user, target, rating| {
        json!({"reviewId": id, "dealId": n, "postId": post,
            "userId": user, "targetId": target, "rating": rating})
    };
    [
        vec![
            event::<PostWrote>(0, json!({"postId": post, "status": "created"})),
            event::<LikeCntUpdated>(1, json!({"postId": post, "likeCnt": 2})),
            event::<LikeCntUpdated>(2, json!({"postId": post, "likeCnt": 1})),
            event::<StatusUpdated>(9, json!({"postId": post, "status": "dealReserved"})),
            event::<StatusUpdated>(16, json!({"postId": post, "status": "dealEnded"})),
        ],
        vec![
            event::<OfferPlaced>(3, offer(refused, "buyer01", "wallet", "offerPlaced")),
            event::<OfferPlaced>(4, offer(winner, "buyer02", "bankTransfer", "offerPlaced")),
            event::<OfferRefused>(5, offer(refused, "buyer01", "wallet", "offerRefused")),
            event::<OfferAccepted>(6, offer(winner, "buyer02", "bankTransfer", "offerAccepted")),
        ],
        vec![
            event::<PaymentHeld>(2, wallet("held")),
            event::<PaymentPlaced>(5, transfer("awaitingDeposit")),
            event::<PaymentRefunded>(6, wallet("refunded")),
            event::<PaymentHeld>(7, transfer("held")),
            event::<DealReserved>(8, deal("dealReserved")),
            event::<DealRescheduled>(9, {
                let mut moved = deal("dealReserved");
                (moved["reserveDt"], moved["meetPlace"]) = (Value::Null, json!("서초역"));
                moved
            }),
            event::<DeliveryStarted>(10, deal("deliveryStarted")),
            event::<CancelRequested>(11, deal("cancelRequested")),
            event::<CancelDeclined>(12, deal("deliveryStarted")),
            event::<DealEnded>(13, deal("dealEnded")),
            event::<PaymentReleased>(13, transfer("released")),
            event::<DealReviewed>(14, review(2 * n, "buyer02", "seller01", 4)),
            event::<DealReviewed>(15, review(2 * n + 1, "seller01", "buyer02", 1)),
        ],
    ]
}

/// How many of the ways that the events of a story can mix are tried.
const WAYS: usize = 100;

/// Orders of `[0, 0, 1, …]` that take `left[publisher]` from each publisher: one publisher wholly before the others,
/// each in turn, then pseudo-random ones, the same at every run.
fn merges(left: [usize; 3]) -> Vec<Vec<usize>> {
    let in_turn = |first: usize| {
        (first..first + 3)
            .flat_map(move |publisher| std::iter::repeat_n(publisher % 3, left[publisher % 3]))
            .collect()
    };
    let mut all: Vec<Vec<usize>> = vec![in_turn(0), in_turn(1), in_turn(2)];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    while all.len() < WAYS {
        let mut merge = all[0].clone();
        for end in (1..merge.len()).rev() {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            merge.swap(end, usize::try_from(random % (end as u64 + 1)).expect("small"));
        }
        all.push(merge);
    }
    all
}

/// Plays the story once for each of many ways its events can mix, each time about another post, and compares all
/// lists.
async fn ends_the_same(story: fn(i64) -> Story, page: Value, purchases: &[Value]) -> TestService {
    let mypage = TestService::start(mypage::service()).await;
    let all = merges(story(1).map(|events| events.len()));
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
    mypage
}

/// Steps as `/purchases` answers them.
fn steps(steps: &[(&str, &str, i64)]) -> Value {
    steps
        .iter()
        .map(|(status, text, second)| json!({"status": status, "text": text, "at": at(*second)}))
        .collect()
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
        "createDt": at(2), "updateDt": at(6), "fulfilment": "meetup", "paymentState": null,
        "steps": steps(&[("placed", "주문접수", 2), ("accepted", "수락됨", 3), ("reserved", "거래예정", 4),
                         ("ended", "거래완료", 6)]),
    });
    ends_the_same(walk, page, &[loser, winner]).await;
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
        // The offer was canceled because the deal was: one step.
        "steps": steps(&[("placed", "주문접수", 1), ("reserved", "거래예정", 3), ("canceled", "주문취소", 5)]),
    });
    let second = json!({
        "goods": "아이폰13 공기계", "userId": "buyer02", "offerStatus": "offerPlaced", "dealId": null,
        "orderStatus": "placed", "orderStatusText": "주문접수",
    });
    ends_the_same(second_try, page, &[first, second]).await;
}

#[tokio::test]
async fn a_parcel_ends_the_same() {
    let page = json!({
        "userId": "seller01", "status": "dealEnded", "createDt": at(0), "updateDt": at(13), "price": 600_000,
        "goods": "아이폰13 공기계", "offerCnt": 2, "bestOffer": 600_000, "likeCnt": 1,
    });
    let refused = json!({
        "userId": "buyer01", "offerStatus": "offerRefused", "dealStatus": null, "fulfilment": null,
        "paymentState": "refunded", "orderStatus": "refunded", "orderStatusText": "결제취소", "updateDt": at(6),
        "steps": steps(&[("paid", "입금확인완료", 2), ("placed", "주문접수", 3), ("refused", "거절됨", 5),
                         ("refunded", "결제취소", 6)]),
    });
    let winner = json!({
        "userId": "buyer02", "offerStatus": "dealEnded", "dealStatus": "dealEnded", "fulfilment": "delivery",
        "paymentState": "released", "orderStatus": "ended", "orderStatusText": "거래완료", "updateDt": at(13),
        "reserveDt": "2024-09-30T00:00:00.000+00:00", "meetPlace": "방배역", "address": "방배로 1",
        "steps": steps(&[("placed", "주문접수", 4), ("awaitingDeposit", "입금확인대기", 5), ("accepted", "수락됨", 6),
                         ("paid", "입금확인완료", 7), ("reserved", "상품준비완료", 8), ("rescheduled", "약속변경", 9),
                         ("delivering", "배송중", 10), ("cancelRequested", "취소요청", 11),
                         ("cancelDeclined", "취소거절", 12), ("ended", "거래완료", 13), ("released", "정산완료", 13)]),
    });
    let mypage = ends_the_same(parcel, page, &[refused, winner]).await;
    for (user, posts, sold, bought, reviews, average, warmth) in [
        ("seller01", WAYS, WAYS, 0, WAYS, 4.0, 66.5),
        ("buyer02", 0, 0, WAYS, WAYS, 1.0, 0.0),
        ("buyer01", 0, 0, 0, 0, 0.0, 36.5),
    ] {
        let mut profile = mypage.client.get(&format!("/users/{user}/profile")).await.expect(200);
        profile.as_object_mut().expect("an object").remove("_links");
        let expected = json!({"userId": user, "postCnt": posts, "soldCnt": sold, "boughtCnt": bought,
            "reviewCnt": reviews, "averageRating": average, "mannerTemperature": warmth});
        assert_eq!(profile, expected);
    }
}
