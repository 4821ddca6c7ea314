//! Accepting, refusing and withdrawing offers.

use crate::{
    gateway::Mood,
    support::{Market, PRICE, negotiated, timeless},
};
use axum::http::Method;
use chassis::testing::eventually;
use serde_json::{Value, json};
use shared_events::{PayMethod, PaymentFailed, PaymentState};
use std::sync::Arc;

#[tokio::test]
async fn the_three_answers_as_the_seeds_write_them() {
    let market = Market::open().await;
    market.post(1).await;
    for (number, (status, event)) in (1..).zip([
        ("offerAccepted", "OfferAccepted"),
        ("offerRefused", "OfferRefused"),
        ("offerCanceled", "OfferCanceled"),
    ]) {
        let buyer = format!("buyer{number}");
        let offer = market.place(negotiated(1, &buyer, 510_000)).await.expect(201);
        market.service.published().await;

        // The userId is the offer's buyer: data, whoever acts.
        let body = json!({"userId": buyer, "postId": "1", "offerStatus": status, "offeredPrice": "510000"});
        let reply = market.patch(&offer, body.clone()).await;
        assert_eq!(reply.header("etag"), "\"2\"");
        let answered = reply.expect(200);
        assert_eq!(answered["offerStatus"], status);
        let [published] = market.service.published().await.try_into().expect("one event");
        let told = json!({
            "eventType": event, "offerId": number, "userId": buyer, "offeredPrice": 510_000, "postId": 1,
            "offerStatus": status, "sellerId": "seller", "qty": 1, "agreedPrice": 510_000, "payMethod": "none",
            "reason": null,
        });
        assert_eq!(timeless(published), told);

        // The same once more changes nothing, and tells nobody.
        let repeated = market.patch(&offer, body).await;
        assert_eq!(repeated.header("etag"), "\"2\"");
        assert_eq!(repeated.expect(200), answered);
        assert_eq!(market.service.published_types().await, Vec::<String>::new());
        assert_eq!(market.status(&offer).await, status);
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_refused() {
    let market = Market::open().await;
    market.post(1).await;
    let table = [
        (&["offerRefused"][..], "offerAccepted", "offer-not-open"),
        (&["offerRefused"], "offerCanceled", "offer-not-open"),
        (&["offerCanceled"], "offerAccepted", "offer-not-open"),
        (&["offerAccepted"], "offerRefused", "offer-not-open"),
        (&["offerAccepted", "offerCanceled"], "offerAccepted", "offer-not-open"),
        (&[], "dealEnded", "status-follows-deal"),
        (&["offerAccepted"], "offerPlaced", "status-follows-deal"),
    ];
    for (number, (before, written, code)) in table.into_iter().enumerate() {
        let offer = market.placed(1, &format!("buyer{number}")).await;
        for status in before {
            market.answer(&offer, status).await.expect(200);
        }
        market.service.published().await;
        market.answer(&offer, written).await.expect_problem(409, code);
        assert_eq!(market.status(&offer).await, before.last().copied().unwrap_or("offerPlaced"));
        assert_eq!(market.service.published_types().await, Vec::<String>::new());
    }
}

/// Deal decides which came first: the buyer's word, or the seller's confirmation.
#[tokio::test]
async fn a_transfer_is_called_off_before_its_offer_is_withdrawn() {
    let market = Market::open().await;
    market.post(1).await;
    let mut body = negotiated(1, "kim@home", 510_000);
    body["payMethod"] = json!("bankTransfer");
    let payment =
        |state: &str| json!({"paymentId": 7, "sellerId": "seller", "amount": 510_000, "state": state});
    let table = [
        // what deal lists, what it makes of the call-off → what becomes of the withdrawal
        (Some("awaitingDeposit"), Some("canceled"), 200, 2),
        // It has not begun yet, or is over.
        (None, None, 200, 1),
        (Some("canceled"), None, 200, 1),
        (Some("held"), None, 409, 1),
    ];
    for (listed, called_off, status, asked) in table {
        let offer = market.place(body.clone()).await.expect(201);
        let payments: Vec<_> = listed.iter().map(|state| payment(state)).collect();
        market.gateway.tell("/payments", json!({"_embedded": {"payments": payments}}));
        market.gateway.tell("/payments/7", payment(called_off.unwrap_or("held")));
        // Who may not withdraw it calls nothing off.
        let wrong = json!({"offerStatus": "offerCanceled", "qty": 5});
        market.patch(&offer, wrong).await.expect_problem(409, "fields-disagree");
        assert_eq!(market.gateway.asked("/payments"), 0);
        let reply = market.answer(&offer, "offerCanceled").await;
        assert_eq!((reply.status.as_u16(), market.gateway.asked("/payments")), (status, asked), "{listed:?}");
        if status == 409 {
            reply.expect_problem(409, "deposit-confirmed");
            assert_eq!(market.status(&offer).await, "offerPlaced");
            // The seller can, also after having accepted it.
            market.answer(&offer, "offerAccepted").await.expect(200);
            market.service.published().await;
            market.answer(&offer, "offerRefused").await.expect(200);
            assert_eq!(market.service.published_types().await, ["OfferRefused"]);
        }
    }
    let offer = market.place(body).await.expect(201);
    market.gateway.mood(Mood::Refuses(3));
    assert_eq!(market.answer(&offer, "offerCanceled").await.status.as_u16(), 503);
    assert_eq!(market.status(&offer).await, "offerPlaced", "nothing is decided without an answer");
}

/// Deal's word of the transfer that was called off may be heard before the withdrawal that called it off goes on.
#[tokio::test]
async fn a_withdrawal_does_not_stumble_over_its_own_echo() {
    let market = Arc::new(Market::open().await);
    market.post(1).await;
    let mut body = negotiated(1, "buyer", 510_000);
    body["payMethod"] = json!("bankTransfer");
    let offer = market.place(body).await.expect(201);
    let payment =
        |state: &str| json!({"paymentId": 7, "sellerId": "seller", "amount": 510_000, "state": state});
    market.gateway.tell("/payments", json!({"_embedded": {"payments": [payment("awaitingDeposit")]}}));
    market.gateway.tell("/payments/7", payment("canceled"));
    market.gateway.mood(Mood::Hangs("/payments/7"));
    let withdrawing = tokio::spawn({
        let market = market.clone();
        async move {
            let body = Some(json!({"offerStatus": "offerCanceled", "message": "미안해요"}));
            market.service.client.send(Method::PATCH, "/offers/1", &[("if-match", "\"1\"")], body).await
        }
    });
    eventually("the transfer is called off", async || market.gateway.asked("/payments/7") > 0).await;
    market
        .service
        .deliver(&PaymentFailed {
            payment_id: 7,
            offer_id: 1,
            post_id: 1,
            user_id: "buyer".into(),
            amount: 510_000,
            pay_method: PayMethod::BankTransfer,
            state: PaymentState::Canceled,
            seller_id: "seller".into(),
            deal_id: None,
        })
        .await;
    assert_eq!(market.status(&offer).await, "offerCanceled");
    market.gateway.mood(Mood::Answers);
    let reply = withdrawing.await.unwrap();
    assert_eq!(reply.header("etag"), "\"2\"");
    let withdrawn = reply.expect(200);
    assert_eq!(
        (&withdrawn["offerStatus"], &withdrawn["paymentState"]),
        (&json!("offerCanceled"), &json!("canceled"))
    );
    assert_eq!(market.service.published_types().await, ["OfferPlaced", "OfferCanceled", "MessageSent"]);
    // Whoever has called nothing off is told that it has changed.
    let body = Some(json!({"offerStatus": "offerCanceled"}));
    let again = market.service.client.send(Method::PATCH, "/offers/1", &[("if-match", "\"1\"")], body).await;
    again.expect_problem(412, "version-changed");
}

#[tokio::test]
async fn a_repeated_field_must_say_what_is_stored() {
    let market = Market::open().await;
    market.post(1).await;
    let offer = market.place(negotiated(1, "buyer", 500_000)).await.expect(201);
    let disagreeing = [
        ("userId", json!("another")),
        ("sellerId", json!("another")),
        ("postId", json!(2)),
        ("offerType", json!("dealOffered")),
        ("price", json!(PRICE + 1)),
        ("offeredPrice", json!(1)),
        ("agreedPrice", json!("1")),
        ("qty", json!(2)),
        ("payMethod", json!("wallet")),
    ];
    let mut all = json!({"offerStatus": "offerAccepted"});
    for (field, value) in &disagreeing {
        let body = json!({"offerStatus": "offerAccepted", *field: value});
        assert_eq!(market.patch(&offer, body).await.expect_problem(409, "fields-disagree"), [*field]);
        all[*field] = value.clone();
    }
    let every: Vec<_> = disagreeing.iter().map(|(field, _)| *field).collect();
    assert_eq!(market.patch(&offer, all).await.expect_problem(409, "fields-disagree"), every);
    assert_eq!(market.status(&offer).await, "offerPlaced");

    // The whole offer as it was answered, but for the status: a client that edits what it has read.
    let mut whole = offer.clone();
    whole["offerStatus"] = json!("offerAccepted");
    whole["unheardOf"] = json!("ignored");
    assert_eq!(market.patch(&offer, whole).await.expect(200)["offerStatus"], "offerAccepted");
}

#[tokio::test]
async fn an_answer_to_nothing_or_with_nonsense() {
    let market = Market::open().await;
    market.post(1).await;
    let offer = market.placed(1, "buyer").await;
    let client = &market.service.client;
    let accept = json!({"offerStatus": "offerAccepted"});
    for (path, status, code) in [
        ("/offers/999", 404, "not-found"),
        ("/offers/9223372036854775808", 404, "not-found"),
        ("/offers/abc", 400, "malformed-request"),
    ] {
        client.patch(path, accept.clone()).await.expect_problem(status, code);
        client.get(path).await.expect_problem(status, code);
    }
    assert_eq!(market.answer(&offer, "sold").await.expect_problem(400, "malformed-request"), ["offerStatus"]);
    for method in [Method::PUT, Method::DELETE] {
        client.send(method, "/offers/1", &[], None).await.expect_problem(405, "method-not-allowed");
    }
    // A body that changes nothing.
    assert_eq!(market.patch(&offer, json!({})).await.expect(200), offer);
}

#[tokio::test]
async fn only_the_version_that_was_seen_is_answered() {
    let market = Market::open().await;
    market.post(1).await;
    let offer = market.placed(1, "buyer").await;
    let client = &market.service.client;
    let read = client.get("/offers/1").await;
    assert_eq!(read.header("etag"), "\"1\"");
    assert_eq!(read.expect(200), offer);
    let head = client.send(Method::HEAD, "/offers/1", &[], None).await;
    assert_eq!((head.header("etag"), &head.body), ("\"1\"", &Value::Null));

    let patch = async |tag: &str, status: &str| {
        let body = Some(json!({"offerStatus": status}));
        client.send(Method::PATCH, "/offers/1", &[("if-match", tag)], body).await
    };
    patch("\"1\"", "offerAccepted").await.expect(200);
    patch("\"1\"", "offerCanceled").await.expect_problem(412, "version-changed");
    patch("W/\"2\"", "offerCanceled").await.expect_problem(412, "version-changed");
    assert_eq!(market.status(&offer).await, "offerAccepted");
    patch("\"7\", \"2\"", "offerCanceled").await.expect(200);
    patch("*", "offerCanceled").await.expect(200);
}
