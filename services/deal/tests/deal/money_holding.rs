//! A wallet pays when an offer is placed: held, then the seller's or the buyer's again.

use crate::{
    money::{prepaid, transferred},
    support::{Market, Offer, PRICE, offer, post_unavailable, timeless},
};
use serde_json::{Value, json};
use shared_events::{Envelope, PayMethod};

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn holding_moves_the_money_once() {
    let market = Market::open().await;
    let offer = prepaid(1);
    market.deposit("buyer1", 1_000_000).await;
    let payment = market.hold(offer.bill()).await.expect(201);
    for (field, value) in [("state", json!("held")), ("amount", json!(PRICE)), ("dealId", json!(null))] {
        assert_eq!(payment[field], value, "{field}");
    }
    assert_eq!((&payment["payLog"][0]["state"], &payment["payLog"][1]), (&json!("held"), &json!(null)));
    assert_eq!(market.wallet("buyer1").await, (400_000, PRICE));
    let [told] = market.service.published().await.try_into().expect("one event");
    assert_eq!(
        timeless(told),
        json!({
            "eventType": "PaymentHeld", "paymentId": payment["paymentId"], "offerId": 1, "postId": 1,
            "userId": "buyer1", "amount": PRICE, "payMethod": "wallet", "state": "held", "sellerId": "seller",
            "dealId": null,
        })
    );

    assert_eq!(market.hold(offer.bill()).await.expect(200), payment, "asked again, it is there already");
    market.hear(&[offer.placed()]).await;
    for (field, value) in
        [("amount", json!(1)), ("qty", json!(2)), ("postId", json!(2)), ("sellerId", json!("another"))]
    {
        let mut bill = offer.bill();
        bill[field] = value;
        market.hold(bill).await.expect_problem(409, "payment-differs");
    }
    for method in ["bankTransfer", "none"] {
        let mut bill = prepaid(2).bill();
        bill["payMethod"] = json!(method);
        assert_eq!(market.hold(bill).await.expect_problem(422, "unacceptable-value"), ["payMethod"]);
    }
    assert_eq!(market.wallet("buyer1").await, (400_000, PRICE));
    assert_eq!(market.service.published_types().await, NOTHING);
    market.assert_books().await;
}

/// Numbers of offers can be guessed: whoever has asked for one before its buyer did is not in the way.
#[tokio::test]
async fn nothing_that_was_held_before_keeps_a_buyer_from_paying() {
    let market = Market::open().await;
    let offer = prepaid(1).by("victim");
    // Failed, then held on other terms, then given back: each before the offer is there.
    let mut other = offer.bill();
    other["amount"] = json!(7 * PRICE);
    market.hold(other.clone()).await.expect_problem(402, "insufficient-funds");
    market.deposit("victim", 2 * PRICE).await;
    other["amount"] = json!(1000);
    other["sellerId"] = json!("accomplice");
    other["postId"] = json!(77);
    let first = market.hold(other.clone()).await.expect(201);
    assert_eq!(market.wallet("victim").await, (2 * PRICE - 1000, 1000));
    // More than there is: what was held stays as it is.
    let mut too_much = offer.bill();
    too_much["amount"] = json!(3 * PRICE);
    market.hold(too_much).await.expect_problem(402, "insufficient-funds");
    assert_eq!(market.wallet("victim").await, (2 * PRICE - 1000, 1000));
    market.time_passes().await;
    market.sweep().await;
    assert_eq!(market.wallet("victim").await, (2 * PRICE, 0));
    market.hold(other).await.expect(201);
    market.service.published().await;

    let payment = market.hold(offer.bill()).await.expect(201);
    assert_eq!((&payment["paymentId"], &payment["amount"]), (&first["paymentId"], &json!(PRICE)));
    assert_eq!((&payment["sellerId"], &payment["postId"]), (&json!("seller"), &json!(1)));
    assert_eq!(market.wallet("victim").await, (PRICE, PRICE));
    let steps: Vec<_> =
        payment["payLog"].as_array().unwrap().iter().map(|it| (&it["state"], &it["note"])).collect();
    let words = |state, note: Option<&str>| (json!(state), json!(note));
    let expected = [
        words("failed", Some("insufficient-funds")),
        words("held", None),
        words("refunded", Some("offer-not-seen")),
        words("held", None),
        words("refunded", Some("replaced")),
        words("held", None),
    ];
    assert_eq!(steps, expected.each_ref().map(|(state, note)| (state, note)));
    // The refund is of the terms that were: it does not end the offer that is about to be placed.
    let told = market.service.published().await;
    let told: Vec<_> =
        told.iter().map(|(kind, event)| (&**kind, &event["sellerId"], &event["amount"])).collect();
    assert_eq!(
        told,
        [
            ("PaymentRefunded", &json!("accomplice"), &json!(1000)),
            ("PaymentHeld", &json!("seller"), &json!(PRICE))
        ]
    );
    assert_eq!(market.hold(offer.bill()).await.expect(200), payment);
    market.hear(&[offer.placed()]).await;
    let deal = market.reserve(offer.reservation()).await.expect(201);
    market.write(&deal, "dealEnded").await.expect(200);
    assert_eq!(market.wallet("seller").await, (PRICE, 0));
    market.hold(offer.bill()).await.expect_problem(409, "offer-not-open");
    market.assert_no_dead_letters().await;
    market.assert_books().await;
}

/// Until deal has heard of an offer, its buyer can have the money back by asking for other terms. The offer hears of it.
#[tokio::test]
async fn a_hold_that_is_taken_from_under_an_offer_is_told() {
    let market = Market::open().await;
    let offer = prepaid(1);
    market.deposit("buyer1", PRICE).await;
    let mut bill = offer.bill();
    bill["amount"] = json!(1);
    let mut other_goods = bill.clone();
    (other_goods["postId"], other_goods["qty"]) = (json!(2), json!(3));
    let first = market.hold(offer.bill()).await.expect(201);
    market.hold(bill.clone()).await.expect(201);
    // The same money for other goods need not move.
    let moved = market.hold(other_goods).await.expect(200);
    assert_eq!(
        (&moved["paymentId"], &moved["postId"], &moved["qty"]),
        (&first["paymentId"], &json!(2), &json!(3))
    );
    market.hold(bill).await.expect(200);
    market.hear(&[offer.placed()]).await;
    let told = market.service.published().await;
    let told: Vec<_> = told.iter().map(|(kind, event)| (&**kind, event["amount"].as_i64())).collect();
    assert_eq!(
        told,
        [("PaymentHeld", Some(PRICE)), ("PaymentRefunded", Some(PRICE)), ("PaymentHeld", Some(1))]
    );
    market.reserve(offer.reservation()).await.expect_problem(409, "payment-not-held");
    market.hear(&[offer.canceled()]).await;
    assert_eq!(market.wallet("buyer1").await, (PRICE, 0));
    market.assert_books().await;
}

#[tokio::test]
async fn what_is_held_for_an_offer_that_never_comes_goes_back() {
    let market = Market::told(&["--hold-within", "1h"]).await;
    let (stray, placed, strangers) = (prepaid(1), prepaid(2), prepaid(2).by("stranger"));
    for offer in [&stray, &placed, &strangers] {
        market.deposit(&offer.buyer, PRICE).await;
        market.hold(offer.bill()).await.expect(201);
    }
    market.hear(&[placed.placed()]).await;
    market.service.published().await;
    let hours: Vec<f64> = sqlx::query_scalar(
        "select extract(epoch from expires_dt - create_dt)::float8 / 3600 from payment where expires_dt is not null",
    )
    .fetch_all(&market.service.prepared.app.db)
    .await
    .unwrap();
    assert_eq!(hours, [1.0, 1.0]);
    market.sweep().await;
    assert_eq!(market.service.published_types().await, NOTHING, "all of them have time left");

    market.time_passes().await;
    tokio::join!(market.sweep(), market.sweep());
    assert_eq!(market.service.published_types().await, ["PaymentRefunded"; 2]);
    for (offer, wallet) in [(&stray, (PRICE, 0)), (&placed, (0, PRICE)), (&strangers, (PRICE, 0))] {
        assert_eq!(market.wallet(&offer.buyer).await, wallet, "{}", offer.buyer);
    }
    // It comes after all, and is over as soon as its own service hears of the refund.
    market.hear(&[stray.placed()]).await;
    market.hold(stray.bill()).await.expect_problem(409, "offer-not-open");
    market.reserve(stray.reservation()).await.expect_problem(409, "payment-not-held");
    market.hear(&[stray.canceled()]).await;
    assert_eq!(market.wallet("buyer1").await, (PRICE, 0));
    assert_eq!(market.service.published_types().await, NOTHING);
    // Asked for once more just before its time is over, it has all of it again.
    let late = prepaid(3);
    market.deposit("buyer3", PRICE).await;
    market.hold(late.bill()).await.expect(201);
    market.time_passes().await;
    market.hold(late.bill()).await.expect(200);
    market.sweep().await;
    assert_eq!(market.wallet("buyer3").await, (0, PRICE));
    market.assert_no_dead_letters().await;
    market.assert_books().await;
}

#[tokio::test]
async fn not_enough_money_is_a_failed_payment() {
    let market = Market::open().await;
    market.deposit("buyer1", PRICE - 1).await;
    for _ in 0..2 {
        market.hold(prepaid(1).bill()).await.expect_problem(402, "insufficient-funds");
    }
    let payment = market.payment_of(&prepaid(1)).await;
    assert_eq!((&payment["state"], payment["payLog"].as_array().map(Vec::len)), (&json!("failed"), Some(1)));
    assert_eq!(market.service.published_types().await, ["PaymentFailed"]);
    assert_eq!(market.wallet("buyer1").await, (PRICE - 1, 0));
    // Nothing comes of it, whatever becomes of the offer.
    market.hear(&[prepaid(1).canceled()]).await;
    assert_eq!(market.payment_of(&prepaid(1)).await, payment);
    assert_eq!(market.service.published_types().await, NOTHING);
    market.assert_books().await;
}

#[tokio::test]
async fn an_offer_that_is_over_gives_the_money_back_once() {
    let market = Market::open().await;
    let ends: [fn(&Offer) -> Envelope; 2] = [Offer::canceled, Offer::refused];
    for (offer_id, end) in (1..).zip(ends) {
        let offer = prepaid(offer_id);
        market.paid(&offer).await;
        assert_eq!(market.wallet(&offer.buyer).await, (0, PRICE));
        market.service.published().await;
        // The same record twice, and the same news in another.
        market.hear(&[end(&offer), end(&offer)]).await;
        assert_eq!(market.wallet(&offer.buyer).await, (PRICE, 0));
        assert_eq!(market.service.published_types().await, ["PaymentRefunded"]);
        assert_eq!(market.payment_of(&offer).await["state"], "refunded");
        market.hold(offer.bill()).await.expect_problem(409, "offer-not-open");
    }
    // Its end was heard of first: the hold comes too late.
    let late = prepaid(9);
    market.deposit("buyer9", PRICE).await;
    market.hear(&[late.canceled()]).await;
    market.hold(late.bill()).await.expect_problem(409, "offer-not-open");
    assert_eq!(market.wallet("buyer9").await, (PRICE, 0));
    assert_eq!(market.service.published_types().await, NOTHING);
    market.assert_no_dead_letters().await;
    market.assert_books().await;
}

#[tokio::test]
async fn the_buyer_ends_a_paid_deal_and_the_seller_is_paid() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 3}));
    // The agreed price, times the units.
    let offer = prepaid(1).at(500_000).units(3);
    market.paid(&offer).await;
    market.hear(&[offer.accepted()]).await;
    let deal = market.reserve(offer.reservation()).await.expect(201);
    let payment = market.payment_of(&offer).await;
    assert_eq!((&payment["amount"], &payment["dealId"]), (&json!(1_500_000), &deal["dealId"]));
    market.service.published().await;

    let by = |user: &str| json!({"status": "dealEnded", "userId": user});
    market.patch(&deal, by("seller")).await.expect_problem(403, "not-the-buyer");
    assert_eq!((market.wallet("buyer1").await, market.wallet("seller").await), ((0, 1_500_000), (0, 0)));
    for _ in 0..2 {
        market.patch(&deal, by("buyer1")).await.expect(200);
    }
    assert_eq!((market.wallet("buyer1").await, market.wallet("seller").await), ((0, 0), (1_500_000, 0)));
    assert_eq!(market.service.published_types().await, ["DealEnded", "PaymentReleased"]);

    // What is paid stays paid, whatever comes late.
    market.hear(&[offer.canceled(), post_unavailable(&deal, "post-hidden")]).await;
    assert_eq!(market.payment_of(&offer).await["state"], "released");
    assert_eq!(market.service.published_types().await, NOTHING);
    market.service.client.post("/wallets/seller/withdrawals", json!({"amount": 1_500_000})).await.expect(201);
    market.assert_books().await;
}

#[tokio::test]
async fn a_deal_that_is_canceled_gives_the_money_back() {
    let market = Market::open().await;
    let blows: [fn(&Offer, &Value) -> Option<Envelope>; 4] = [
        |_, _| None,
        |offer, _| Some(offer.canceled()),
        |offer, _| Some(offer.refused()),
        |_, deal| Some(post_unavailable(deal, "post-deleted")),
    ];
    for (offer_id, blow) in (1..).zip(blows) {
        let offer = prepaid(offer_id);
        market.paid(&offer).await;
        let deal = market.reserve(offer.reservation()).await.expect(201);
        market.service.published().await;
        match blow(&offer, &deal) {
            Some(event) => market.hear(&[event]).await,
            None => drop(market.write(&deal, "dealCanceled").await.expect(200)),
        }
        assert_eq!(market.read(&deal).await["status"], "dealCanceled", "offer {offer_id}");
        assert_eq!(market.wallet(&offer.buyer).await, (PRICE, 0), "offer {offer_id}");
        let told = market.service.published_types().await;
        assert_eq!(told, ["DealCanceled", "PaymentRefunded"], "offer {offer_id}, in this order");
        market.hear(&[offer.canceled()]).await;
        assert_eq!(market.service.published_types().await, NOTHING);
        assert_eq!(market.promised(1).await, 0);
    }
    market.assert_books().await;
}

#[tokio::test]
async fn goods_on_their_way_are_paid_for() {
    let market = Market::open().await;
    let offer = prepaid(1);
    market.paid(&offer).await;
    let mut body = offer.reservation();
    body["fulfilment"] = json!("delivery");
    body["address"] = json!("방배동 1-2");
    let deal = market.reserve(body).await.expect(201);
    let by = |user: &str, status: &str| json!({"status": status, "userId": user});
    market.patch(&deal, by("seller", "deliveryStarted")).await.expect(200);
    market.service.published().await;
    market.hear(&[offer.canceled()]).await;
    assert_eq!(market.wallet("buyer1").await, (0, PRICE), "a late word does not take the seller's money");
    assert_eq!(market.service.published_types().await, NOTHING);
    // With the seller's consent it is the buyer's again.
    market.patch(&deal, by("buyer1", "cancelRequested")).await.expect(200);
    assert_eq!(market.wallet("buyer1").await, (0, PRICE));
    market.patch(&deal, by("seller", "dealCanceled")).await.expect(200);
    assert_eq!(market.wallet("buyer1").await, (PRICE, 0));
    market.assert_books().await;
}

#[tokio::test]
async fn a_deal_needs_its_money_held() {
    let market = Market::open().await;
    let (wallet, bank) = (prepaid(1), transferred(2));
    market.hear(&[wallet.placed(), bank.placed()]).await;
    let refused = prepaid(3);
    market.hold(refused.bill()).await.expect_problem(402, "insufficient-funds");
    market.hear(&[refused.placed()]).await;
    // Money held on terms of one's own: too little, or for somebody else.
    let (cheap, wrong_payee) = (prepaid(4), prepaid(5));
    for (offer, field, value) in
        [(&cheap, "amount", json!(1)), (&wrong_payee, "sellerId", json!("accomplice"))]
    {
        market.deposit(&offer.buyer, PRICE).await;
        let mut bill = offer.bill();
        bill[field] = value;
        market.hold(bill).await.expect(201);
        market.hear(&[offer.placed()]).await;
    }
    market.service.published().await;
    for offer in [wallet, bank, refused, cheap, wrong_payee] {
        market.reserve(offer.reservation()).await.expect_problem(409, "payment-not-held");
    }
    assert_eq!(market.promised(1).await, 0);
    assert_eq!(market.service.published_types().await, NOTHING);
    market.assert_books().await;
}

#[tokio::test]
async fn goods_may_be_given_away() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 3, "price": 0}));
    for (offer_id, method, end) in [
        (1, PayMethod::Wallet, "dealEnded"),
        (2, PayMethod::Wallet, "dealCanceled"),
        (3, PayMethod::BankTransfer, "dealEnded"),
    ] {
        let free = offer(offer_id).at(0).paid_by(method);
        if method == PayMethod::Wallet {
            market.hold(free.bill()).await.expect(201);
        }
        market.hear(&[free.placed(), free.accepted()]).await;
        if method == PayMethod::BankTransfer {
            let payment = market.payment_of(&free).await;
            market.change_payment(&payment, json!({"state": "held"})).await.expect(200);
        }
        let deal = market.reserve(free.reservation()).await.expect(201);
        market.write(&deal, end).await.expect(200);
        let state = if end == "dealEnded" { "released" } else { "refunded" };
        assert_eq!(market.payment_of(&free).await["state"], state);
    }
    assert_eq!(market.wallet("seller").await, (0, 0));
    market.assert_books().await;
}
