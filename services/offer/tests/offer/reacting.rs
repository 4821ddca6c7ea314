//! Posts and deals move the offers: every order of arrival comes to the same end.

use crate::support::{
    Market, PRICE, at_the_price, deal_canceled, deal_ended, deal_reserved, negotiated, post_wrote, record,
    status_updated, timeless,
};
use serde_json::{Value, json};
use shared_events::{Envelope, PayMethod, PaymentRefunded, PaymentState, PostDeleted, PostStatus};

/// Every way in which two publishers' events can be mixed, each publisher's own order kept.
fn interleavings(one: &[Envelope], other: &[Envelope]) -> Vec<Vec<Envelope>> {
    let ([first, rest @ ..], [second, others @ ..]) = (one, other) else {
        return vec![[one, other].concat()];
    };
    let starting_with = |event: &Envelope, then: Vec<Vec<Envelope>>| {
        then.into_iter().map(|rest| [vec![event.clone()], rest].concat()).collect::<Vec<_>>()
    };
    [starting_with(first, interleavings(rest, other)), starting_with(second, interleavings(one, others))]
        .concat()
}

/// The OfferCanceled among what was published: whose, and why.
fn cancellations(published: &[(String, Value)]) -> Vec<(Value, Value)> {
    let canceled = published.iter().filter(|(kind, _)| kind == "OfferCanceled");
    canceled.map(|(_, event)| (event["offerId"].clone(), event["reason"].clone())).collect()
}

#[tokio::test]
async fn however_the_end_is_told_the_winner_wins_and_the_losers_go() {
    let market = Market::open().await;
    // The posts are ten, and each hears of its end in another order.
    let orders =
        interleavings(&vec![record(&post_wrote(1, 1)); 3], &vec![record(&post_wrote(1, 1)); 2]).len();
    assert_eq!(orders, 10);
    for winner_is_accepted_first in [false, true] {
        for order in 0..orders {
            let post_id = i64::try_from(order).unwrap() + if winner_is_accepted_first { 100 } else { 1 };
            market.owner_says(post_id, &json!({}));
            let winner = market.placed(post_id, "winner").await;
            let accepted = market.place(negotiated(post_id, "accepted", 5)).await.expect(201);
            let placed = market.placed(post_id, "placed").await;
            market.answer(&accepted, "offerAccepted").await.expect(200);
            if winner_is_accepted_first {
                market.answer(&winner, "offerAccepted").await.expect(200);
            }
            market.service.published().await;

            let posts = [
                record(&post_wrote(post_id, 1)),
                record(&status_updated(post_id, PostStatus::DealReserved, 2)),
                record(&status_updated(post_id, PostStatus::DealEnded, 3)),
            ];
            let deals = [record(&deal_reserved(&winner)), record(&deal_ended(&winner))];
            let events = interleavings(&posts, &deals).swap_remove(order);
            let told: Vec<_> = events.iter().map(|event| event.event_type.clone()).collect();
            market.twice(&events).await;
            // And all of it once more.
            market.service.deliver_envelopes(&events).await;

            assert_eq!(market.status(&winner).await, "dealEnded", "{told:?}");
            assert_eq!(market.status(&accepted).await, "offerCanceled", "{told:?}");
            assert_eq!(market.status(&placed).await, "offerCanceled", "{told:?}");
            let published = market.service.published().await;
            let losers = [&accepted, &placed].map(|loser| (loser["offerId"].clone(), json!("post-ended")));
            assert_eq!(cancellations(&published), losers, "{told:?}");
            let others: Vec<_> = published.iter().filter(|(kind, _)| kind != "OfferCanceled").collect();
            if winner_is_accepted_first {
                assert_eq!(others, Vec::<&(String, Value)>::new(), "{told:?}");
            } else {
                let [(kind, event)] = others[..] else { panic!("{told:?}: {others:?}") };
                assert_eq!((kind.as_str(), &event["reason"]), ("OfferAccepted", &json!("deal-reserved")));
                assert_eq!(event["offerId"], winner["offerId"]);
            }
        }
    }
    market.assert_no_dead_letters().await;
}

#[tokio::test]
async fn losers_of_several_units_go_with_the_last() {
    let market = Market::open().await;
    // Units: two of one buyer, one of another; and the post may say that it ended before, between or after.
    for ended_after in 0..=2 {
        let post_id = ended_after + 1;
        market.service.deliver(&post_wrote(post_id, 3)).await;
        let mut two = at_the_price(post_id, "two");
        two["qty"] = json!(2);
        let winners = [market.place(two).await.expect(201), market.placed(post_id, "one").await];
        let loser = market.placed(post_id, "loser").await;
        let ended = record(&status_updated(post_id, PostStatus::DealEnded, 5));
        for winner in &winners {
            market.service.deliver(&deal_reserved(winner)).await;
        }
        for (number, winner) in (0..).zip(&winners) {
            if number == ended_after {
                market.twice(std::slice::from_ref(&ended)).await;
            }
            assert_eq!(market.status(&loser).await, "offerPlaced");
            assert_eq!(market.status(winner).await, "offerAccepted");
            market.twice(&[record(&deal_ended(winner))]).await;
        }
        assert_eq!(
            market.status(&loser).await,
            if ended_after == 2 { "offerPlaced" } else { "offerCanceled" }
        );
        market.twice(&[ended]).await;
        assert_eq!(market.status(&loser).await, "offerCanceled");
        let published = market.service.published().await;
        assert_eq!(cancellations(&published), [(loser["offerId"].clone(), json!("post-ended"))]);
    }
}

#[tokio::test]
async fn a_deleted_post_takes_its_open_offers_with_it() {
    let market = Market::open().await;
    market.post(1).await;
    market.post(2).await;
    let placed = market.place(negotiated(1, "placed", 7)).await.expect(201);
    let accepted = market.placed(1, "accepted").await;
    let refused = market.placed(1, "refused").await;
    let elsewhere = market.placed(2, "placed").await;
    market.answer(&accepted, "offerAccepted").await.expect(200);
    market.answer(&refused, "offerRefused").await.expect(200);
    market.service.published().await;

    market.twice(&[record(&PostDeleted { post_id: 1, user_id: "seller".into() })]).await;
    for (offer, status) in [
        (&placed, "offerCanceled"),
        (&accepted, "offerCanceled"),
        (&refused, "offerRefused"),
        (&elsewhere, "offerPlaced"),
    ] {
        assert_eq!(market.status(offer).await, status);
    }
    let published = market.service.published().await;
    let both = [&placed, &accepted].map(|offer| (offer["offerId"].clone(), json!("post-deleted")));
    assert_eq!(cancellations(&published), both);
    let told = json!({
        "eventType": "OfferCanceled", "offerId": 1, "userId": "placed", "offeredPrice": 7, "postId": 1,
        "offerStatus": "offerCanceled", "sellerId": "seller", "qty": 1, "agreedPrice": 7, "payMethod": "none",
        "reason": "post-deleted",
    });
    assert_eq!(timeless(published[0].clone()), told);
    // It is gone for good, whatever is told late.
    market.service.deliver(&status_updated(1, PostStatus::Created, 9)).await;
    market.place(at_the_price(1, "late")).await.expect_problem(404, "post-not-found");
}

#[tokio::test]
async fn a_deal_moves_its_own_offer() {
    let market = Market::open().await;
    market.service.deliver(&post_wrote(1, 9)).await;
    // What people did, which deal events came, where the offer ends, what was told.
    let table = [
        (&[][..], "R", "offerAccepted", &["OfferAccepted"][..]),
        (&[], "RC", "offerCanceled", &["OfferAccepted", "OfferCanceled"]),
        (&[], "RE", "dealEnded", &["OfferAccepted"]),
        (&["offerAccepted"], "R", "offerAccepted", &[]),
        (&["offerAccepted"], "RC", "offerCanceled", &["OfferCanceled"]),
        // Answered while it was being reserved: the deal's own compensation follows, or its end overrides.
        (&["offerRefused"], "RC", "offerRefused", &[]),
        (&["offerCanceled"], "RC", "offerCanceled", &[]),
        (&["offerCanceled"], "RE", "dealEnded", &[]),
        (&["offerRefused"], "RE", "dealEnded", &[]),
    ];
    for (number, (answers, deals, end, told)) in table.into_iter().enumerate() {
        let offer = market.placed(1, &format!("buyer{number}")).await;
        for status in answers {
            market.answer(&offer, status).await.expect(200);
        }
        market.service.published().await;
        for letter in deals.chars() {
            let event = match letter {
                'R' => record(&deal_reserved(&offer)),
                'E' => record(&deal_ended(&offer)),
                _ => record(&deal_canceled(&offer)),
            };
            market.twice(&[event]).await;
        }
        assert_eq!(market.status(&offer).await, end, "{answers:?} {deals}");
        assert_eq!(market.service.published_types().await, told, "{answers:?} {deals}");
    }
    market.assert_no_dead_letters().await;
}

#[tokio::test]
async fn a_canceled_deal_says_so_in_its_offers_reason() {
    let market = Market::open().await;
    market.post(1).await;
    let offer = market.placed(1, "buyer").await;
    market.twice(&[record(&deal_reserved(&offer)), record(&deal_canceled(&offer))]).await;
    let published = market.service.published().await;
    assert_eq!(cancellations(&published), [(offer["offerId"].clone(), json!("deal-canceled"))]);
    // The buyer may try again.
    market.placed(1, "buyer").await;
}

/// Anybody can have money held for the number of an offer, and the buyer on other terms too.
#[tokio::test]
async fn an_offer_is_over_when_its_own_money_is() {
    let market = Market::open().await;
    market.post(1).await;
    let payment = json!({"paymentId": 7, "sellerId": "seller", "amount": PRICE, "state": "held"});
    market.gateway.tell("/payments", payment);
    let mut body = at_the_price(1, "buyer");
    body["payMethod"] = json!("wallet");
    let offer = market.place(body).await.expect(201);
    market.service.published().await;
    let refunded = |payer: &str, payee: &str, amount| {
        record(&PaymentRefunded {
            payment_id: 7,
            offer_id: 1,
            post_id: 1,
            user_id: payer.into(),
            amount,
            pay_method: PayMethod::Wallet,
            state: PaymentState::Refunded,
            seller_id: payee.into(),
            deal_id: None,
        })
    };
    market
        .twice(&[
            refunded("stranger", "seller", PRICE),
            refunded("buyer", "accomplice", PRICE),
            refunded("buyer", "seller", PRICE - 1),
        ])
        .await;
    assert_eq!(market.status(&offer).await, "offerPlaced");
    market.twice(&[refunded("buyer", "seller", PRICE)]).await;
    assert_eq!(market.status(&offer).await, "offerCanceled");
    let published = market.service.published().await;
    assert_eq!(cancellations(&published), [(offer["offerId"].clone(), json!("payment-over"))]);
    market.assert_no_dead_letters().await;
}

#[tokio::test]
async fn events_about_what_never_was_are_put_aside() {
    let market = Market::open().await;
    let never =
        json!({"offerId": 9, "postId": 9, "userId": "b", "sellerId": "s", "agreedPrice": 1, "qty": 1});
    market
        .twice(&[record(&status_updated(9, PostStatus::DealEnded, 2)), record(&deal_reserved(&never))])
        .await;
    let letters = market.service.client.get("/dead-letters").await.expect(200);
    assert_eq!(letters["page"]["totalElements"], 2, "{letters:#}");
    market.post(1).await;
    market.placed(1, "buyer").await;
}
