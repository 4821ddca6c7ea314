//! Money that is wanted in two places at once.

use crate::{
    money::{prepaid, transferred},
    support::{Market, PRICE},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_one_is_held_for_one() {
    let market = Market::open().await;
    market.deposit("buyer", PRICE).await;
    for round in 0..25 {
        let offers = [prepaid(2 * round + 1).by("buyer"), prepaid(2 * round + 2).by("buyer")];
        let (first, second) = tokio::join!(market.hold(offers[0].bill()), market.hold(offers[1].bill()));
        let (winner, (held, refused)) =
            if first.status == 201 { (&offers[0], (first, second)) } else { (&offers[1], (second, first)) };
        held.expect(201);
        refused.expect_problem(402, "insufficient-funds");
        assert_eq!(market.wallet("buyer").await, (0, PRICE), "round {round}");
        let mut told = market.service.published_types().await;
        told.sort();
        assert_eq!(told, ["PaymentFailed", "PaymentHeld"], "round {round}");
        market.hear(&[winner.canceled()]).await;
        market.service.published().await;
    }
    market.assert_books().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_offer_is_paid_once() {
    let market = Market::open().await;
    for offer_id in 1..=20 {
        let offer = prepaid(offer_id);
        market.deposit(&offer.buyer, 3 * PRICE).await;
        let replies =
            tokio::join!(market.hold(offer.bill()), market.hold(offer.bill()), market.hold(offer.bill()));
        let mut statuses = [replies.0, replies.1, replies.2].map(|reply| reply.status.as_u16());
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 201]);
        assert_eq!(market.wallet(&offer.buyer).await, (2 * PRICE, PRICE));
        assert_eq!(market.service.published_types().await, ["PaymentHeld"]);
    }
    market.assert_books().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_deal_is_paid_out_or_back_never_both() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 100}));
    let mut ends = 0;
    for offer_id in 1..=40 {
        let offer = prepaid(offer_id);
        market.paid(&offer).await;
        let deal = market.reserve(offer.reservation()).await.expect(201);
        market.service.published().await;
        // A cancellation by hand, or the news that the offer is withdrawn.
        let ended = if offer_id % 2 == 0 {
            let (ended, canceled) =
                tokio::join!(market.write(&deal, "dealEnded"), market.write(&deal, "dealCanceled"));
            assert_ne!(ended.status, canceled.status);
            ended
        } else {
            let blow = [offer.canceled()];
            tokio::join!(market.write(&deal, "dealEnded"), market.hear(&blow)).0
        };
        let (state, event) = match ended.status.as_u16() {
            200 => ("released", ["DealEnded", "PaymentReleased"]),
            _ => ("refunded", ["DealCanceled", "PaymentRefunded"]),
        };
        ends += i64::from(state == "released");
        assert_eq!(market.payment_of(&offer).await["state"], state);
        let mut told = market.service.published_types().await;
        told.sort();
        assert_eq!(told, event);
        market.assert_books().await;
    }
    println!("{ends} of 40 were paid out");
    assert_eq!(market.wallet("seller").await, (ends * PRICE, 0));
    market.assert_no_dead_letters().await;
}

/// Neither passes the other by: there is no money held for an offer that is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_held_for_an_offer_that_is_over() {
    let market = Market::open().await;
    let mut held = 0;
    for offer_id in 1..=80 {
        let offer = prepaid(offer_id).by("buyer");
        if offer_id == 1 {
            market.deposit("buyer", PRICE).await;
        }
        let end = [if offer_id % 2 == 0 { offer.canceled() } else { offer.refused() }];
        let (reply, ()) = tokio::join!(market.hold(offer.bill()), market.hear(&end));
        match reply.status.as_u16() {
            201 => held += 1,
            _ => drop(reply.expect_problem(409, "offer-not-open")),
        }
        assert_eq!(market.wallet("buyer").await, (PRICE, 0), "offer {offer_id}");
    }
    println!("{held} of 80 were held and refunded");
    market.assert_books().await;
    market.assert_no_dead_letters().await;
}

/// The money of several people for one offer goes back at once; the same people's for another, in another order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_move_the_money_of_many_do_not_wait_for_each_other() {
    let market = Market::open().await;
    let people: Vec<String> = (0..12).map(|number| format!("person{number}")).collect();
    for person in &people {
        market.deposit(person, 2 * PRICE).await;
    }
    for round in 0..10 {
        let (one, other) = (prepaid(2 * round + 1), prepaid(2 * round + 2));
        for (there, back) in people.iter().zip(people.iter().rev()) {
            market.hold(one.clone().by(there).bill()).await.expect(201);
            market.hold(other.clone().by(back).bill()).await.expect(201);
        }
        let (first, second) = ([one.canceled()], [other.canceled()]);
        tokio::join!(market.hear(&first), market.hear(&second));
    }
    assert_eq!(market.retries().await, 0);
    assert_eq!(market.wallet(&people[0]).await, (2 * PRICE, 0));
    market.assert_no_dead_letters().await;
    market.assert_books().await;
}

/// The seller confirms, the buyer calls off, the time runs out and the offer ends, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_is_confirmed_or_called_off() {
    let market = Market::open().await;
    let mut confirmed = 0;
    for offer_id in 1..=40 {
        let offer = transferred(offer_id);
        market.hear(&[offer.placed()]).await;
        let payment = market.payment_of(&offer).await;
        sqlx::query("update payment set expires_dt = now() where offer_id = $1")
            .bind(offer_id)
            .execute(&market.service.prepared.app.db)
            .await
            .unwrap();
        let end = [offer.canceled()];
        let change = |state: &str| market.change_payment(&payment, json!({"state": state}));
        // The seller's word waits for the post's: the others look first, so that each is early now and then.
        let call_off = async {
            market.payment_of(&offer).await;
            change("canceled").await
        };
        let sweep = async {
            market.wallet("buyer").await;
            market.sweep().await;
        };
        let ends = offer_id % 2 == 0;
        let close = async {
            market.payment_of(&offer).await;
            market.hear(&end[..usize::from(ends)]).await;
        };
        let (confirm, call_off, (), ()) = tokio::join!(change("held"), call_off, sweep, close);
        match confirm.status.as_u16() {
            200 if confirm.body["state"] == "held" => {
                confirmed += 1;
                let held = if ends { (PRICE, 0) } else { (0, PRICE) };
                assert_eq!(market.wallet(&offer.buyer).await, held, "offer {offer_id}");
                assert_eq!(call_off.status.as_u16(), 409, "{:#}", call_off.body);
            }
            // Called off first: the deposit is there all the same, and the buyer's.
            _ => {
                assert_eq!(confirm.expect(200)["state"], "refunded");
                assert_eq!(market.wallet(&offer.buyer).await, (PRICE, 0), "offer {offer_id}");
            }
        }
        market.assert_books().await;
    }
    println!("{confirmed} of 40 were confirmed");
    market.assert_no_dead_letters().await;
}
