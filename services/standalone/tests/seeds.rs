//! What each of the replaced systems promised, as one path through the gateway.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Market;
use serde_json::{Value, json};

impl Market {
    async fn deposit(&self, user: &str, amount: i64) {
        let path = format!("/wallets/{user}/deposits");
        self.client.post(&path, json!({"amount": amount.to_string()})).await.expect(201);
    }

    async fn wallet(&self, user: &str) -> (i64, i64) {
        let wallet = self.client.get(&format!("/wallets/{user}")).await.expect(200);
        (wallet["balance"].as_i64().unwrap(), wallet["held"].as_i64().unwrap())
    }

    async fn order(&self, buyer: &str, post_id: i64, pay_method: &str) -> i64 {
        let body =
            json!({"userId": buyer, "postId": post_id, "offerType": "dealOffered", "payMethod": pay_method});
        self.client.post("/offers", body).await.expect(201)["offerId"].as_i64().unwrap()
    }

    async fn until_order(&self, buyer: &str, text: &str) -> Value {
        let path = format!("/purchases?userId={buyer}");
        self.until(&path, |list| list["_embedded"]["purchases"][0]["orderStatusText"] == text).await
    }
}

/// Seed 1: the price is paid when the order is placed, and reaches the seller when it is completed.
#[tokio::test]
async fn carrot_market_pays_out_on_completion() {
    let market = Market::start().await;
    let client = &market.client;
    let post_id = market.post("seller01", 30_000, 1).await;
    let order =
        json!({"userId": "buyer01", "postId": post_id, "offerType": "dealOffered", "payMethod": "wallet"});
    client.post("/offers", order.clone()).await.expect_problem(402, "insufficient-funds");
    assert_eq!(
        client.get("/offers").await.expect(200)["page"]["totalElements"],
        0,
        "no offer without its hold"
    );

    market.deposit("buyer01", 50_000).await;
    let offer_id = market.order("buyer01", post_id, "wallet").await;
    assert_eq!(market.wallet("buyer01").await, (20_000, 30_000), "held");
    market.until_order("buyer01", "입금확인완료").await;

    let deal = market.reserve("buyer01", post_id, offer_id).await.expect(201)["dealId"].clone();
    let path = format!("/deals/{deal}");
    let by_seller = json!({"status": "dealEnded", "userId": "seller01"});
    client.patch(&path, by_seller).await.expect_problem(403, "not-the-buyer");
    client.patch(&path, json!({"status": "dealEnded", "userId": "buyer01"})).await.expect(200);
    assert_eq!(market.wallet("buyer01").await, (20_000, 0));
    assert_eq!(market.wallet("seller01").await, (30_000, 0), "paid out");
    market.until_order("buyer01", "거래완료").await;
    market
        .event("PaymentReleased", json!({"offerId": offer_id, "amount": 30_000, "state": "released"}))
        .await;
    let payment = client.get(&format!("/payments?offerId={offer_id}")).await.expect(200);
    let log = payment["_embedded"]["payments"][0]["payLog"].as_array().unwrap().clone();
    assert_eq!(log.iter().map(|step| &step["state"]).collect::<Vec<_>>(), ["held", "released"]);
    client.post("/wallets/seller01/withdrawals", json!({"amount": 30_000})).await.expect(201);
    market.stop().await;
}

/// Seed 1 again: whatever ends an order gives the money back.
#[tokio::test]
async fn carrot_market_refunds_what_does_not_happen() {
    let market = Market::start().await;
    let client = &market.client;
    market.deposit("buyer01", 100_000).await;
    for (number, ending) in ["refused", "withdrawn", "post deleted", "deal canceled"].into_iter().enumerate()
    {
        let post_id = market.post("seller01", 10_000, 1).await;
        let offer_id = market.order("buyer01", post_id, "wallet").await;
        assert_eq!(market.wallet("buyer01").await, (90_000, 10_000), "{ending}");
        let offer = format!("/offers/{offer_id}");
        match number {
            0 => drop(client.patch(&offer, json!({"offerStatus": "offerRefused"})).await.expect(200)),
            1 => drop(client.patch(&offer, json!({"offerStatus": "offerCanceled"})).await.expect(200)),
            2 => drop(client.delete(&format!("/posts/{post_id}")).await.expect(204)),
            _ => {
                let deal = market.reserve("buyer01", post_id, offer_id).await.expect(201)["dealId"].clone();
                client.patch(&format!("/deals/{deal}"), json!({"status": "dealCanceled"})).await.expect(200);
            }
        }
        market.until("/wallets/buyer01", |wallet| wallet["balance"] == 100_000 && wallet["held"] == 0).await;
        market.event("PaymentRefunded", json!({"offerId": offer_id})).await;
    }
    // Deal's cancellation and its refund both end the offer: it is one step of the order, which says why.
    let told = |list: &Value| list["_embedded"]["purchases"][0].clone();
    let over = |order: &Value| order["offerStatus"] == "offerCanceled" && order["paymentState"] == "refunded";
    let order =
        told(&market.until("/purchases?userId=buyer01&sort=offerId,desc", |list| over(&told(list))).await);
    assert_eq!(order["dealStatus"], "dealCanceled");
    let steps = order["steps"].as_array().unwrap().iter().filter(|step| step["status"] == "canceled");
    assert_eq!(steps.count(), 1, "{order:#}");
    market.stop().await;
}

/// Seed 2: several units, taken by orders and restored by cancellations; nothing is sold twice.
#[tokio::test]
async fn stock_is_taken_and_restored() {
    let market = Market::start().await;
    let post_id = market.post("seller01", 1000, 3).await;
    let too_many = json!({"userId": "buyer09", "postId": post_id, "offerType": "dealOffered", "qty": 4});
    market.client.post("/offers", too_many).await.expect_problem(409, "not-enough-stock");
    let two = json!({"userId": "buyer01", "postId": post_id, "offerType": "dealOffered", "qty": "2"});
    let two = market.client.post("/offers", two).await.expect(201)["offerId"].as_i64().unwrap();
    let one = market.offer("buyer02", post_id).await;
    let deal = market.reserve("buyer01", post_id, two).await.expect(201)["dealId"].clone();
    let post = format!("/posts/{post_id}");
    market.until(&post, |post| post["availableQty"] == 1 && post["status"] == "created").await;
    market.reserve("buyer02", post_id, one).await.expect(201);
    market.until(&post, |post| post["availableQty"] == 0 && post["status"] == "dealReserved").await;
    market.client.patch(&format!("/deals/{deal}"), json!({"status": "dealCanceled"})).await.expect(200);
    market.event("QtyRestored", json!({"postId": post_id, "qty": 2, "availableQty": 2})).await;
    market.until(&post, |post| post["availableQty"] == 2 && post["status"] == "created").await;
    market.stop().await;
}

/// Seed 3: paid by bank transfer, confirmed by the seller; when the stock is gone by then, the order is canceled and the
/// deposit is in the buyer's wallet.
#[tokio::test]
async fn shopping_mall_cancels_when_stock_is_gone() {
    let market = Market::start().await;
    let client = &market.client;
    let post_id = market.post("seller01", 20_000, 1).await;
    let late = market.order("buyer01", post_id, "bankTransfer").await;
    let early = market.order("buyer02", post_id, "bankTransfer").await;
    market.until_order("buyer01", "입금확인대기").await;
    let payment_of = async |offer_id: i64| {
        let list = market
            .until(&format!("/payments?offerId={offer_id}"), |list| list["page"]["totalElements"] == 1)
            .await;
        format!("/payments/{}", list["_embedded"]["payments"][0]["paymentId"])
    };
    let unpaid = market.reserve("buyer02", post_id, early).await;
    unpaid.expect_problem(409, "payment-not-held");

    client.patch(&payment_of(early).await, json!({"state": "held"})).await.expect(200);
    market.until_order("buyer02", "입금확인완료").await;
    let answer = json!({"offerStatus": "offerCanceled"});
    client.patch(&format!("/offers/{early}"), answer.clone()).await.expect_problem(409, "deposit-confirmed");
    market.reserve("buyer02", post_id, early).await.expect(201);
    market.until(&format!("/posts/{post_id}"), |post| post["status"] == "dealReserved").await;

    let refunded = client.patch(&payment_of(late).await, json!({"state": "held"})).await.expect(200);
    assert_eq!(refunded["state"], "refunded", "no unit is left");
    assert_eq!(market.wallet("buyer01").await, (20_000, 0));
    market.until(&format!("/offers/{late}"), |offer| offer["offerStatus"] == "offerCanceled").await;
    market.until_order("buyer01", "결제취소").await;

    // Before the confirmation the buyer may still go, by whichever of the two; it is one step of the order.
    let other = market.post("seller01", 500, 1).await;
    let going = market.order("buyer03", other, "bankTransfer").await;
    payment_of(going).await;
    client.patch(&format!("/offers/{going}"), answer).await.expect(200);
    let unpaid = market.order("buyer04", other, "bankTransfer").await;
    client.patch(&payment_of(unpaid).await, json!({"state": "canceled"})).await.expect(200);
    for buyer in ["buyer03", "buyer04"] {
        let both =
            |order: &Value| order["offerStatus"] == "offerCanceled" && order["paymentState"] == "canceled";
        let list = format!("/purchases?userId={buyer}");
        let list = market.until(&list, |list| both(&list["_embedded"]["purchases"][0])).await;
        let steps = list["_embedded"]["purchases"][0]["steps"].as_array().unwrap();
        let texts: Vec<_> = steps.iter().map(|step| step["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["주문접수", "입금확인대기", "주문취소"]);
    }
    // A deposit that comes all the same is not lost.
    client.patch(&payment_of(going).await, json!({"state": "held"})).await.expect(200);
    assert_eq!(market.wallet("buyer03").await, (500, 0));

    // After it, the seller may: the offer that was accepted is refused.
    let regretted = market.order("buyer05", other, "bankTransfer").await;
    client.patch(&payment_of(regretted).await, json!({"state": "held"})).await.expect(200);
    for status in ["offerAccepted", "offerRefused"] {
        client.patch(&format!("/offers/{regretted}"), json!({"offerStatus": status})).await.expect(200);
    }
    market.until("/wallets/buyer05", |wallet| wallet["balance"] == 500).await;
    market.stop().await;
}

/// Seed 4: a parcel on its way, its receipt, and a cancellation that takes both.
#[tokio::test]
async fn delivery_ends_with_its_receipt() {
    let market = Market::start().await;
    let client = &market.client;
    market.deposit("buyer01", 10_000).await;
    let post_id = market.post("seller01", 10_000, 1).await;
    let offer_id = market.order("buyer01", post_id, "wallet").await;
    let mut deal =
        json!({"userId": "buyer01", "postId": post_id, "offerId": offer_id, "fulfilment": "delivery"});
    assert_eq!(
        client.post("/deals", deal.clone()).await.expect_problem(400, "malformed-request"),
        ["address"]
    );
    deal["address"] = json!("서울 서초구 방배로 1");
    let deal = format!("/deals/{}", client.post("/deals", deal).await.expect(201)["dealId"]);
    let list = market.until_order("buyer01", "상품준비완료").await;
    assert_eq!(list["_embedded"]["purchases"][0]["address"], "서울 서초구 방배로 1");

    client.patch(&deal, json!({"status": "deliveryStarted", "userId": "seller01"})).await.expect(200);
    market.until_order("buyer01", "배송중").await;
    let cancel = json!({"status": "dealCanceled", "userId": "buyer01"});
    client.patch(&deal, cancel).await.expect_problem(409, "cancel-needs-consent");
    client.patch(&deal, json!({"status": "cancelRequested", "userId": "buyer01"})).await.expect(200);
    client.patch(&deal, json!({"status": "deliveryStarted", "userId": "seller01"})).await.expect(200);
    market.event("CancelDeclined", json!({"postId": post_id})).await;
    client.patch(&deal, json!({"status": "dealEnded", "userId": "buyer01"})).await.expect(200);
    assert_eq!(market.wallet("seller01").await, (10_000, 0));
    let list = market.until_order("buyer01", "거래완료").await;
    assert!(list["_embedded"]["purchases"][0]["steps"].as_array().unwrap().len() >= 5, "{list:#}");
    market.stop().await;
}

/// All of them: people write to each other, wish, and say how it was.
#[tokio::test]
async fn neighbours_talk_wish_and_review() {
    let market = Market::start().await;
    let client = &market.client;
    let post_id = market.post("seller01", 10_000, 1).await;
    client.post("/alerts", json!({"userId": "watcher", "keyword": "자전거"})).await.expect(201);
    let wish = client.post("/wishlists", json!({"userId": "wisher", "postId": post_id})).await.expect(201);
    let again = client.post("/wishlists", json!({"userId": "wisher", "postId": post_id})).await.expect(200);
    assert_eq!(wish["wishlistId"], again["wishlistId"]);
    market.until(&format!("/posts/{post_id}"), |post| post["likeCnt"] == 1).await;
    market.until("/myPages?userId=seller01", |list| list["_embedded"]["myPages"][0]["likeCnt"] == 1).await;

    let hello = json!({"userId": "buyer01", "postId": post_id, "body": "아직 있나요? 🙂"});
    client.post("/messages", hello).await.expect(201);
    let reply = json!({"userId": "seller01", "postId": post_id, "toUserId": "buyer01", "body": "네!"});
    client.post("/messages", reply).await.expect(201);
    market
        .until("/notifications?userId=buyer01&kind=messageSent", |list| list["page"]["totalElements"] == 1)
        .await;

    client.patch(&format!("/posts/{post_id}"), json!({"price": 9000})).await.expect(200);
    market.until("/notifications?userId=wisher", |list| list["page"]["totalElements"] == 1).await;
    let offer_id = market.offer("buyer01", post_id).await;
    let deal = market.reserve("buyer01", post_id, offer_id).await.expect(201)["dealId"].clone();
    let moved = json!({"reserveDt": "2026-12-01", "meetPlace": "방배역 1번 출구"});
    client.patch(&format!("/deals/{deal}"), moved).await.expect(200);
    market.event("DealRescheduled", json!({"dealId": deal})).await;
    let review = json!({"userId": "buyer01", "dealId": deal, "rating": "5", "comment": "친절해요"});
    client.post("/reviews", review.clone()).await.expect_problem(409, "deal-not-ended");
    client.patch(&format!("/deals/{deal}"), json!({"status": "dealEnded"})).await.expect(200);
    client.post("/reviews", review.clone()).await.expect(201);
    client.post("/reviews", review).await.expect_problem(409, "already-reviewed");
    market.until("/users/seller01/profile", |user| user["mannerTemperature"] == 37.0).await;

    // A new post that somebody watches for.
    market.post("seller02", 1, 1).await;
    market
        .until("/notifications?userId=watcher", |list| list["page"]["totalElements"].as_i64() >= Some(1))
        .await;
    market.stop().await;
}

/// Payment is synchronous and behind a breaker: with deal away no wallet pays, no offer is placed, and every other way to
/// offer works.
#[tokio::test]
async fn with_deal_away_nobody_pays_and_nothing_is_lost() {
    let mut market = Market::start().await;
    market.deposit("buyer01", 10_000).await;
    let post_id = market.post("seller01", 1000, 1).await;
    market.marketplace.stop_service("deal").await;
    let order =
        json!({"userId": "buyer01", "postId": post_id, "offerType": "dealOffered", "payMethod": "wallet"});
    let refused = market.client.post("/offers", order).await;
    assert!(!refused.header("retry-after").is_empty());
    refused.expect_problem(503, "dependency-unavailable");
    assert_eq!(market.client.get("/offers").await.expect(200)["page"]["totalElements"], 0);
    // The buyer is free to offer otherwise, and a bank transfer is taken while payment is down.
    market.order("buyer01", post_id, "bankTransfer").await;
    market.stop().await;
}

/// A page that stays open hears what happens as it happens, resumes without a gap, and does not hold up the end.
#[tokio::test]
async fn notifications_stream_through_the_gateway() {
    let market = Market::start().await;
    let post_id = market.post("seller01", 1000, 5).await;
    let address = format!("{}/notifications/stream?userId=seller01", market.client.base());
    let open = async |last: Option<String>| {
        let request = reqwest::Client::new().get(&address);
        let request = match last {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let stream = request.send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        stream
    };
    /// Reads until the stream has said this, and hands on the last id it gave.
    async fn hear(stream: &mut reqwest::Response, wanted: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(wanted) {
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(30), stream.chunk()).await;
            let chunk = chunk.expect("within 30 s").unwrap().expect("the stream goes on");
            heard.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        heard.lines().rev().find_map(|line| line.strip_prefix("id:")).unwrap().trim().to_owned()
    }

    let mut stream = open(None).await;
    // The first chunk says where the stream begins.
    stream.chunk().await.unwrap().unwrap();
    market.offer("buyer01", post_id).await;
    let last = hear(&mut stream, "buyer01").await;
    drop(stream);
    market.offer("buyer02", post_id).await;
    market.until("/notifications?userId=seller01", |list| list["page"]["totalElements"] == 2).await;
    let mut stream = open(Some(last)).await;
    hear(&mut stream, "buyer02").await;

    let begun = std::time::Instant::now();
    market.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    while stream.chunk().await.is_ok_and(|chunk| chunk.is_some()) {}
}
