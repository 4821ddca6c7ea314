//! A bank transfer is waited for, confirmed by the seller, or called off.

use crate::{
    gateway::Mood,
    money::{prepaid, transferred},
    support::{Market, Offer, PRICE, offer, timeless},
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

const NOTHING: [&str; 0] = [];

/// An offer has been placed; its deposit is awaited.
async fn awaited(market: &Market, offer: &Offer) -> Value {
    market.hear(&[offer.placed()]).await;
    market.service.published().await;
    let payment = market.payment_of(offer).await;
    assert_eq!(payment["state"], "awaitingDeposit");
    payment
}

async fn confirm(market: &Market, payment: &Value) -> chassis::testing::Reply {
    market.change_payment(payment, json!({"state": "held"})).await
}

async fn call_off(market: &Market, payment: &Value) -> chassis::testing::Reply {
    market.change_payment(payment, json!({"state": "canceled"})).await
}

fn states(payment: &Value) -> Vec<&str> {
    let log = payment["payLog"].as_array().expect("a list");
    log.iter().map(|step| step["state"].as_str().expect("a word")).collect()
}

#[tokio::test]
async fn payments_are_found_by_their_state_under_either_name() {
    let market = Market::told(&["--deposit-within=2h"]).await;
    let payment = awaited(&market, &transferred(1)).await;
    let date = |field: &str| OffsetDateTime::parse(payment[field].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(date("expiresDt") - date("createDt"), Duration::hours(2));
    for (query, found) in [
        ("state=awaitingDeposit", 1),
        ("status=awaitingDeposit", 1),
        ("status=held", 0),
        ("state=awaitingDeposit&status=held", 0),
    ] {
        let list = market.service.client.get(&format!("/payments?{query}")).await.expect(200);
        assert_eq!(list["page"]["totalElements"], found, "{query}");
    }
    let unknown = market.service.client.get("/payments?status=gone").await;
    assert_eq!(unknown.expect_problem(400, "malformed-request"), ["status"]);
}

#[tokio::test]
async fn awaited_confirmed_and_paid_out() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 2, "availableQty": 2}));
    let offer = transferred(1).units(2);
    market.hear(&[offer.placed(), offer.placed()]).await;
    let payment = market.payment_of(&offer).await;
    let [told] = market.service.published().await.try_into().expect("one event");
    assert_eq!(
        timeless(told),
        json!({
            "eventType": "PaymentPlaced", "paymentId": payment["paymentId"], "offerId": 1, "postId": 1,
            "userId": "buyer1", "amount": 2 * PRICE, "payMethod": "bankTransfer", "state": "awaitingDeposit",
            "sellerId": "seller", "dealId": null,
        })
    );
    let date = |field: &str| OffsetDateTime::parse(payment[field].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(date("expiresDt") - date("createDt"), Duration::days(3));
    assert_eq!(market.wallet("buyer1").await, (0, 0), "nothing has come yet");
    market.reserve(offer.reservation()).await.expect_problem(409, "payment-not-held");

    for _ in 0..2 {
        let held = confirm(&market, &payment).await.expect(200);
        assert_eq!((&held["state"], states(&held)), (&json!("held"), vec!["awaitingDeposit", "held"]));
    }
    assert_eq!(market.service.published_types().await, ["PaymentHeld"]);
    assert_eq!(market.wallet("buyer1").await, (0, 2 * PRICE));
    call_off(&market, &payment).await.expect_problem(409, "deposit-confirmed");
    let deal = market.reserve(offer.reservation()).await.expect(201);
    market.write(&deal, "dealEnded").await.expect(200);
    assert_eq!((market.wallet("buyer1").await, market.wallet("seller").await), ((0, 0), (2 * PRICE, 0)));
    let released = market.payment_of(&offer).await;
    assert_eq!(states(&released), ["awaitingDeposit", "held", "released"]);
    market.assert_books().await;
}

#[tokio::test]
async fn without_units_the_deposit_goes_to_the_wallet() {
    let market = Market::open().await;
    let without = [
        json!({"availableQty": 1}),
        json!({"availableQty": 0, "status": "dealReserved"}),
        json!({"availableQty": 2, "status": "dealEnded"}),
        json!({"availableQty": 2, "hidden": true}),
    ];
    for (offer_id, changes) in (1..).zip(without) {
        let offer = transferred(offer_id).units(2);
        let payment = awaited(&market, &offer).await;
        market.post_says(1, &changes);
        let refunded = confirm(&market, &payment).await.expect(200);
        assert_eq!(states(&refunded), ["awaitingDeposit", "refunded"], "{changes}");
        assert_eq!(market.wallet(&offer.buyer).await, (2 * PRICE, 0), "{changes}");
        assert_eq!(market.service.published_types().await, ["PaymentRefunded"], "{changes}");
        confirm(&market, &payment).await.expect_problem(409, "payment-not-open");
        // What the offer service makes of that.
        market.hear(&[offer.canceled()]).await;
        assert_eq!(market.payment_of(&offer).await, refunded);
    }
    // The post is gone altogether.
    let offer = transferred(9).on(77);
    let payment = awaited(&market, &offer).await;
    assert_eq!(confirm(&market, &payment).await.expect(200)["state"], "refunded");
    market.assert_books().await;
}

/// What the post says of its units is late; our own stock knows.
#[tokio::test]
async fn a_deposit_is_confirmed_on_the_units_that_we_know_of() {
    let market = Market::open().await;
    let (taker, waiting, late) = (offer(7), transferred(1), transferred(2));
    let payments = [awaited(&market, &waiting).await, awaited(&market, &late).await];
    let deal = market.reserved(&taker).await;
    // The post has not heard of the reservation, nor then of its end.
    assert_eq!(confirm(&market, &payments[1]).await.expect(200)["state"], "refunded");
    market.post_says(1, &json!({"availableQty": 0, "status": "dealReserved"}));
    market.write(&deal, "dealCanceled").await.expect(200);
    assert_eq!(confirm(&market, &payments[0]).await.expect(200)["state"], "held");
    market.reserve(waiting.reservation()).await.expect(201);
    market.assert_books().await;
}

/// Neither at the payment nor at the deal; the seller can, and both together when a parcel is on its way.
#[tokio::test]
async fn after_the_confirmation_only_the_seller_calls_it_off() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 3}));
    let by = |user: &str, status: &str| json!({"status": status, "userId": user});
    for (offer_id, fulfilment) in [(1, "meetup"), (2, "delivery")] {
        let offer = transferred(offer_id);
        let payment = awaited(&market, &offer).await;
        confirm(&market, &payment).await.expect(200);
        let mut body = offer.reservation();
        body["fulfilment"] = json!(fulfilment);
        body["address"] = json!("방배동 1-2");
        let deal = market.reserve(body).await.expect(201);
        let refused = market.patch(&deal, by(&offer.buyer, "dealCanceled")).await;
        refused.expect_problem(409, "deposit-confirmed");
        assert_eq!(market.wallet(&offer.buyer).await, (0, PRICE));
        if fulfilment == "delivery" {
            market.patch(&deal, by("seller", "deliveryStarted")).await.expect(200);
            let refused = market.patch(&deal, by(&offer.buyer, "dealCanceled")).await;
            refused.expect_problem(409, "cancel-needs-consent");
            market.patch(&deal, by(&offer.buyer, "cancelRequested")).await.expect(200);
        }
        market.patch(&deal, by("seller", "dealCanceled")).await.expect(200);
        assert_eq!(market.wallet(&offer.buyer).await, (PRICE, 0));
    }
    // A wallet's is not a deposit: its buyer may go.
    let offer = prepaid(3);
    market.paid(&offer).await;
    let deal = market.reserve(offer.reservation()).await.expect(201);
    market.patch(&deal, by("buyer3", "dealCanceled")).await.expect(200);
    market.assert_books().await;
}

#[tokio::test]
async fn while_the_posts_are_away_nothing_is_confirmed() {
    let market = Market::open().await;
    let offer = transferred(1);
    let payment = awaited(&market, &offer).await;
    market.gateway.mood(Mood::Refuses(7));
    let reply = confirm(&market, &payment).await;
    assert_eq!(reply.status.as_u16(), 503, "{:#}", reply.body);
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(market.payment_of(&offer).await, payment);
    // Nobody has to be asked before it is called off.
    assert_eq!(call_off(&market, &payment).await.expect(200)["state"], "canceled");
    market.assert_books().await;
}

#[tokio::test]
async fn the_buyer_calls_it_off_before_it_is_confirmed() {
    let market = Market::open().await;
    let offer = transferred(1);
    let payment = awaited(&market, &offer).await;
    for _ in 0..2 {
        let canceled = call_off(&market, &payment).await.expect(200);
        assert_eq!(states(&canceled), ["awaitingDeposit", "canceled"]);
    }
    assert_eq!(market.service.published_types().await, ["PaymentFailed"]);
    market.reserve(offer.reservation()).await.expect_problem(409, "payment-not-held");
    // A wallet's payment is not called off by hand.
    let held = market.paid(&prepaid(2)).await;
    call_off(&market, &held).await.expect_problem(409, "deposit-confirmed");
    market.assert_books().await;
}

#[tokio::test]
async fn a_change_must_agree_with_what_is_stored() {
    let market = Market::open().await;
    let payment = awaited(&market, &transferred(1)).await;
    let repeated = json!({"state": "held", "userId": "buyer1", "offerId": "1", "postId": 1, "amount": PRICE});
    for (field, value) in [("userId", json!("stranger")), ("offerId", json!(2)), ("amount", json!(1))] {
        let mut body = repeated.clone();
        body[field] = value;
        assert_eq!(
            market.change_payment(&payment, body).await.expect_problem(409, "fields-disagree"),
            [field]
        );
    }
    for state in ["released", "refunded", "failed"] {
        let reply = market.change_payment(&payment, json!({"state": state})).await;
        reply.expect_problem(409, "payment-not-open");
    }
    assert_eq!(market.payment_of(&transferred(1)).await, payment);
    market.change_payment(&payment, repeated).await.expect(200);
    let unknown = json!({"paymentId": 99});
    confirm(&market, &unknown).await.expect(404);
}

#[tokio::test]
async fn an_offer_that_is_over_is_not_waited_for() {
    let market = Market::open().await;
    let offer = transferred(1);
    let payment = awaited(&market, &offer).await;
    market.hear(&[offer.canceled(), offer.refused()]).await;
    assert_eq!(market.payment_of(&offer).await["state"], "canceled");
    let [(event, told)] = market.service.published().await.try_into().expect("one event");
    assert_eq!((&*event, &told["state"]), ("PaymentFailed", &json!("canceled")));
    // The deposit was on its way.
    let refunded = confirm(&market, &payment).await.expect(200);
    assert_eq!(states(&refunded), ["awaitingDeposit", "canceled", "refunded"]);
    assert_eq!(refunded["payLog"][2]["note"], "came-too-late");
    assert_eq!(market.wallet("buyer1").await, (PRICE, 0));
    assert_eq!(market.service.published_types().await, ["PaymentRefunded"]);
    for _ in 0..2 {
        confirm(&market, &payment).await.expect_problem(409, "payment-not-open");
    }
    assert_eq!(market.wallet("buyer1").await, (PRICE, 0));
    // Heard of in the other order, it does not begin.
    let late = transferred(2);
    market.hear(&[late.canceled(), late.placed()]).await;
    assert_eq!(market.payment_of(&late).await, Value::Null);
    // After the confirmation, it is the buyer's again.
    let confirmed = transferred(3);
    let payment = awaited(&market, &confirmed).await;
    confirm(&market, &payment).await.expect(200);
    market.hear(&[confirmed.canceled()]).await;
    assert_eq!(market.wallet("buyer3").await, (PRICE, 0));
    assert_eq!(market.service.published_types().await, ["PaymentHeld", "PaymentRefunded"]);
    market.assert_no_dead_letters().await;
    market.assert_books().await;
}

/// Two replicas sweep at once, each row is canceled by one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_come_in_time_is_canceled_once() {
    let market = Market::open().await;
    for offer_id in 1..=120 {
        market.service.deliver_envelopes(&[transferred(offer_id).placed()]).await;
    }
    let held = market.payment_of(&transferred(1)).await;
    confirm(&market, &held).await.expect(200);
    market.service.published().await;
    market.sweep().await;
    assert_eq!(market.service.published_types().await, NOTHING, "all of them have days left");

    sqlx::query("update payment set expires_dt = now() - interval '1 second' where offer_id <> 2")
        .execute(&market.service.prepared.app.db)
        .await
        .unwrap();
    // A hundred at a time.
    for _ in 0..2 {
        tokio::join!(market.sweep(), market.sweep());
    }
    assert_eq!(market.service.published_types().await, ["PaymentFailed"; 118]);
    for (offer_id, state) in [(1, "held"), (2, "awaitingDeposit"), (3, "canceled"), (120, "canceled")] {
        assert_eq!(market.payment_of(&transferred(offer_id)).await["state"], state);
    }
    let overdue = market.payment_of(&transferred(3)).await;
    assert_eq!(overdue["payLog"][1]["note"], "not-in-time");
    assert_eq!(confirm(&market, &overdue).await.expect(200)["state"], "refunded");
    market.assert_books().await;
}
