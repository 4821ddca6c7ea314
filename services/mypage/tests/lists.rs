//! The lists, over real PostgreSQL, through the router.

mod events;

use chassis::testing::{Reply, TestService};
use events::event;
use serde_json::{Value, json};
use shared_events::{
    CancelRequested, DealCanceled, DealRescheduled, DealReserved, DealReviewed, DeliveryStarted,
    LikeCntUpdated, OfferAccepted, OfferPlaced, OfferRefused, PaymentFailed, PaymentHeld, PaymentPlaced,
    PaymentRefunded, PaymentReleased, PostDeleted, PostEdited, PostHidden, PostShown, PostWrote,
    StatusUpdated,
};

/// Three posts of two sellers; two offers on the first, one accepted, one refused.
async fn market() -> TestService {
    let mypage = TestService::start(mypage::service()).await;
    let post = |second, id, seller, goods, price| {
        let fields =
            json!({"postId": id, "userId": seller, "goods": goods, "price": price, "status": "created"});
        event::<PostWrote>(second, fields)
    };
    let offer = |id, status, user, price| {
        json!({"offerId": id, "postId": 1, "userId": user, "offeredPrice": price, "agreedPrice": price,
            "offerStatus": status})
    };
    mypage
        .deliver_envelopes(&[
            post(1, 1, "seller01", "아이폰13 공기계", 600_000),
            post(2, 2, "seller02", "무선마우스", 10_000),
            post(3, 3, "seller01", "고양이 🐈 장난감", 3_000),
            event::<OfferPlaced>(4, offer(1, "offerPlaced", "buyer01", 580_000)),
            event::<OfferPlaced>(5, offer(2, "offerPlaced", "buyer02", 500_000)),
            event::<OfferRefused>(6, offer(1, "offerRefused", "buyer01", 580_000)),
            event::<OfferAccepted>(7, offer(2, "offerAccepted", "buyer02", 500_000)),
        ])
        .await;
    mypage
}

fn ids(reply: Reply, collection: &str) -> Vec<i64> {
    let body = reply.expect(200);
    let rows = body["_embedded"][collection].as_array().expect("a list").clone();
    rows.iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn rows_have_the_fields_of_the_contract() {
    let mypage = market().await;
    let item = mypage.client.get("/myPages/1").await.expect(200);
    let fields = [
        "id",
        "postId",
        "userId",
        "status",
        "createDt",
        "updateDt",
        "price",
        "goods",
        "offerCnt",
        "bestOffer",
        "likeCnt",
        "_links",
    ];
    assert_eq!(keys(&item), fields);
    assert_eq!((&item["offerCnt"], &item["bestOffer"]), (&json!(2), &json!(500_000)));
    assert_eq!(item["_links"]["self"]["href"], format!("{}/myPages/1", mypage.client.base()));

    let sale = mypage.client.get("/sales/3").await.expect(200);
    assert_eq!((&sale["goods"], &sale["offerCnt"]), (&json!("고양이 🐈 장난감"), &json!(0)));
    assert_eq!(sale["bestOffer"], Value::Null);
    assert_eq!(sale["_links"]["self"]["href"], format!("{}/sales/3", mypage.client.base()));

    let purchase = mypage.client.get("/purchases/2").await.expect(200);
    assert_eq!(purchase["orderStatusText"], "수락됨");
    assert_eq!((&purchase["id"], &purchase["offerId"]), (&json!(2), &json!(2)));
    assert_eq!(mypage.client.get("/purchases/1").await.expect(200)["orderStatus"], "refused");
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let mypage = market().await;
    for (query, expected) in [
        ("/myPages", vec![3, 2, 1]),
        ("/myPages?userId=seller01", vec![3, 1]),
        ("/myPages?userId=nobody", vec![]),
        ("/myPages?postId=2", vec![2]),
        ("/myPages?status=created&userId=seller02", vec![2]),
        ("/myPages?status=dealEnded", vec![]),
        ("/myPages?sort=price", vec![3, 2, 1]),
        ("/myPages?sort=bestOffer,desc&sort=id", vec![2, 3, 1]),
        ("/myPages?sort=offerCnt,desc&sort=price,desc", vec![1, 2, 3]),
        ("/myPages?page=1&size=2", vec![1]),
        ("/myPages?page=7", vec![]),
    ] {
        assert_eq!(ids(mypage.client.get(query).await, "myPages"), expected, "{query}");
        let sales = query.replace("myPages", "sales");
        assert_eq!(ids(mypage.client.get(&sales).await, "sales"), expected, "{sales}");
    }
    for (query, expected) in [
        ("/purchases", vec![2, 1]),
        ("/purchases?userId=buyer01", vec![1]),
        ("/purchases?postId=1&sort=agreedPrice,desc", vec![1, 2]),
        ("/purchases?postId=2", vec![]),
    ] {
        assert_eq!(ids(mypage.client.get(query).await, "purchases"), expected, "{query}");
    }
    let page = mypage.client.get("/sales?size=2").await.expect(200);
    assert_eq!(page["page"], json!({"size": 2, "totalElements": 3, "totalPages": 2, "number": 0}));
    assert_eq!(page["_links"]["next"]["href"], format!("{}/sales?page=1&size=2", mypage.client.base()));
}

#[tokio::test]
async fn heads_and_what_is_refused() {
    let mypage = market().await;
    for path in ["/myPages", "/sales", "/purchases"] {
        for item in [path.to_owned(), format!("{path}/1")] {
            let head = mypage.client.send(axum::http::Method::HEAD, &item, &[], None).await;
            assert_eq!((head.status.as_u16(), &head.body), (200, &Value::Null), "{item}");
        }
        mypage.client.get(&format!("{path}/99")).await.expect_problem(404, "not-found");
        mypage.client.get(&format!("{path}/9223372036854775808")).await.expect_problem(404, "not-found");
        mypage.client.get(&format!("{path}/abc")).await.expect_problem(400, "malformed-request");
        let sort = mypage.client.get(&format!("{path}?sort=nonsense")).await;
        assert_eq!(sort.expect_problem(400, "malformed-request"), ["sort"]);
        let faults = mypage.client.get(&format!("{path}?page=-1&postId=x")).await;
        assert_eq!(faults.expect_problem(400, "malformed-request"), ["page", "postId"]);
        mypage.client.post(path, json!({})).await.expect_problem(405, "method-not-allowed");
    }
}

#[tokio::test]
async fn hidden_posts_are_their_sellers_only_and_deleted_ones_vanish() {
    let mypage = market().await;
    let of = |id| json!({"postId": id, "userId": "seller01"});
    mypage.deliver_envelopes(&[event::<PostHidden>(8, of(3)), event::<PostDeleted>(9, of(1))]).await;
    assert_eq!(ids(mypage.client.get("/sales").await, "sales"), [2]);
    assert_eq!(ids(mypage.client.get("/sales?userId=seller01").await, "sales"), [3]);
    mypage.client.get("/sales/3").await.expect_problem(404, "not-found");
    mypage.client.get("/sales/3?userId=seller02").await.expect_problem(404, "not-found");
    mypage.client.get("/sales/3?userId=seller01").await.expect(200);
    mypage.client.get("/sales/1?userId=seller01").await.expect_problem(404, "not-found");
    // Its buyers still see what it was.
    assert_eq!(mypage.client.get("/purchases/2").await.expect(200)["goods"], "아이폰13 공기계");

    mypage.deliver_envelopes(&[event::<PostShown>(10, of(3))]).await;
    assert_eq!(ids(mypage.client.get("/sales").await, "sales"), [3, 2]);
}

#[tokio::test]
async fn price_and_date_are_the_deals_only_while_the_post_says_so() {
    let mypage = market().await;
    let price = async || mypage.client.get("/myPages/1").await.expect(200)["price"].clone();
    let mut deal = json!({"dealId": 1, "postId": 1, "offerId": 2, "userId": "buyer02", "price": 500_000,
        "status": "dealReserved"});
    mypage.deliver_envelopes(&[event::<DealReserved>(8, deal.clone())]).await;
    assert_eq!(price().await, 600_000);
    assert_eq!(mypage.client.get("/purchases/2").await.expect(200)["orderStatus"], "reserved");
    mypage
        .deliver_envelopes(&[event::<StatusUpdated>(9, json!({"postId": 1, "status": "dealReserved"}))])
        .await;
    assert_eq!(price().await, 500_000);

    // A called-off deal counts no more, and neither does a deal of a post that is for sale again.
    deal["status"] = json!("dealCanceled");
    mypage.deliver_envelopes(&[event::<DealCanceled>(10, deal)]).await;
    assert_eq!(price().await, 600_000);
    mypage
        .deliver_envelopes(&[
            event::<StatusUpdated>(11, json!({"postId": 1, "status": "created"})),
            event::<PostEdited>(12, json!({"postId": 1, "price": 550_000, "goods": "아이폰13 📱"})),
        ])
        .await;
    let page = mypage.client.get("/myPages/1").await.expect(200);
    assert_eq!((&page["price"], &page["goods"]), (&json!(550_000), &json!("아이폰13 📱")));
    assert_eq!(page["updateDt"], json!(events::at(12)));
}

#[tokio::test]
async fn an_order_at_every_step() {
    let mypage = market().await;
    let payment = |state| {
        json!({"paymentId": 1, "offerId": 2, "postId": 1, "userId": "buyer02", "amount": 500_000,
            "payMethod": "bankTransfer", "state": state})
    };
    let deal = |status, place: Option<&str>| {
        json!({"dealId": 1, "postId": 1, "offerId": 2, "userId": "buyer02", "price": 500_000, "status": status,
            "fulfilment": "delivery", "address": "방배로 1", "reserveDt": "2024-09-30", "meetPlace": place})
    };
    let (station, nowhere) = (Some("방배역"), None);
    #[rustfmt::skip]
    let table = [
        (event::<PaymentPlaced>(8, payment("awaitingDeposit")), "awaitingDeposit", "입금확인대기", nowhere),
        (event::<PaymentHeld>(9, payment("held")), "accepted", "수락됨", nowhere),
        (event::<DealReserved>(10, deal("dealReserved", station)), "reserved", "상품준비완료", station),
        (event::<DealRescheduled>(11, deal("dealReserved", nowhere)), "reserved", "상품준비완료", nowhere),
        (event::<DealRescheduled>(12, deal("dealReserved", station)), "reserved", "상품준비완료", station),
        (event::<DeliveryStarted>(12, deal("deliveryStarted", station)), "delivering", "배송중", station),
        (event::<CancelRequested>(13, deal("cancelRequested", station)), "delivering", "배송중", station),
        // It does not say where; that stays known.
        (event::<DealCanceled>(14, deal("dealCanceled", nowhere)), "canceled", "주문취소", station),
        (event::<PaymentRefunded>(14, payment("refunded")), "refunded", "결제취소", station),
    ];
    let mut expected = 2;
    for (event, status, text, place) in table {
        let reserved = event.event_type.starts_with("Deal") || expected > 4;
        mypage.deliver_envelopes(&[event]).await;
        expected += 1;
        let order = mypage.client.get("/purchases/2").await.expect(200);
        assert_eq!((&order["orderStatus"], &order["orderStatusText"]), (&json!(status), &json!(text)));
        assert_eq!(order["meetPlace"], json!(place));
        assert_eq!(order["address"], json!(reserved.then_some("방배로 1")));
        assert_eq!(order["steps"].as_array().map(Vec::len), Some(expected));
        let last = &order["steps"][expected - 1];
        assert_eq!(keys(last), ["status", "text", "at"]);
    }
    let order = mypage.client.get("/purchases/2").await.expect(200);
    assert_eq!(order["steps"][10], json!({"status": "refunded", "text": "결제취소", "at": events::at(14)}));
    assert_eq!((&order["paymentState"], &order["dealStatus"]), (&json!("refunded"), &json!("dealCanceled")));
}

#[tokio::test]
async fn a_payment_goes_on_where_it_seemed_over() {
    let mypage = market().await;
    for (id, states) in (2..).zip([
        ["awaitingDeposit", "canceled", "refunded"],
        ["failed", "held", "released"],
        ["held", "refunded", "held"],
    ]) {
        for (second, state) in (8..).zip(states) {
            let payment = json!({"paymentId": id, "amount": second, "offerId": 2, "postId": 1, "userId": "buyer02",
                "state": state});
            let event = match state {
                "awaitingDeposit" => event::<PaymentPlaced>(second, payment),
                "held" => event::<PaymentHeld>(second, payment),
                "released" => event::<PaymentReleased>(second, payment),
                "refunded" => event::<PaymentRefunded>(second, payment),
                _ => event::<PaymentFailed>(second, payment),
            };
            mypage.deliver_envelopes(&[event]).await;
            let order = mypage.client.get("/purchases/2").await.expect(200);
            assert_eq!(order["paymentState"], state, "{states:?}");
            // Held anew, it may be another amount.
            let amount: i64 = sqlx::query_scalar("select amount from payment_view where payment_id = $1")
                .bind(id)
                .fetch_one(&mypage.prepared.app.db)
                .await
                .unwrap();
            assert_eq!(amount, second, "{states:?}");
        }
    }
}

#[tokio::test]
async fn a_person_by_what_others_have_seen() {
    let mypage = market().await;
    let unknown = mypage.client.get("/users/%EB%B0%A9%20/profile").await.expect(200);
    let fields = [
        "userId",
        "postCnt",
        "soldCnt",
        "boughtCnt",
        "reviewCnt",
        "averageRating",
        "mannerTemperature",
        "_links",
    ];
    assert_eq!(keys(&unknown), fields);
    assert_eq!((&unknown["userId"], &unknown["reviewCnt"]), (&json!("방"), &json!(0)));
    assert_eq!((&unknown["averageRating"], &unknown["mannerTemperature"]), (&json!(0.0), &json!(36.5)));

    let of = |id| json!({"postId": id, "userId": "seller01"});
    let review = |id, rating| {
        json!({"reviewId": id, "dealId": id, "postId": 2,
            "userId": "buyer02", "targetId": "seller01", "rating": rating})
    };
    mypage
        .deliver_envelopes(&[
            event::<PostHidden>(8, of(3)),
            event::<LikeCntUpdated>(9, json!({"postId": 1, "likeCnt": 3})),
            event::<DealReviewed>(10, review(1, 5)),
            event::<DealReviewed>(11, review(2, 2)),
        ])
        .await;
    let profile = mypage.client.get("/users/seller01/profile").await.expect(200);
    assert_eq!((&profile["postCnt"], &profile["reviewCnt"]), (&json!(1), &json!(2)));
    assert_eq!((&profile["averageRating"], &profile["mannerTemperature"]), (&json!(3.5), &json!(36.5)));
    assert_eq!(mypage.client.get("/sales/1").await.expect(200)["likeCnt"], 3);

    let long = format!("/users/{}/profile", "x".repeat(65));
    assert_eq!(mypage.client.get(&long).await.expect_problem(400, "malformed-request"), ["id"]);
    mypage.client.get("/users/a%00b/profile").await.expect_problem(400, "malformed-request");
    mypage.client.post("/users/seller01/profile", json!({})).await.expect_problem(405, "method-not-allowed");
}
