//! Things that happen at once.

use crate::support::{Market, offer, post_unavailable};
use serde_json::json;
use shared_events::OfferStatus;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The heart of the matter: of 200 who want the only unit, one gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_reservations_of_one_unit_one_succeeds() {
    const BUYERS: i64 = 200;
    let market = Arc::new(Market::open().await);
    for offer_id in 1..=BUYERS {
        market.service.deliver_envelopes(&[offer(offer_id).placed()]).await;
    }
    let mut reservations = JoinSet::new();
    for offer_id in 1..=BUYERS {
        let market = market.clone();
        reservations.spawn(async move { market.reserve(offer(offer_id).reservation()).await });
    }
    let (winners, losers): (Vec<_>, Vec<_>) =
        reservations.join_all().await.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((winners.len(), losers.len()), (1, 199));
    for reply in losers {
        reply.expect_problem(409, "post-not-available");
    }
    assert_eq!(market.promised(1).await, 1);
    assert_eq!(market.count("").await, 1);
    assert_eq!(market.service.published_types().await, ["DealReserved"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_reservations_of_one_offer_one_succeeds() {
    let market = Arc::new(Market::open().await);
    market.post_says(1, &json!({"qty": 100}));
    market.owner_says(&offer(1), OfferStatus::OfferPlaced);
    let mut reservations = JoinSet::new();
    for _ in 0..30 {
        let market = market.clone();
        reservations.spawn(async move { market.reserve(offer(1).reservation()).await });
    }
    let (winners, losers): (Vec<_>, Vec<_>) =
        reservations.join_all().await.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((winners.len(), losers.len()), (1, 29));
    for reply in losers {
        reply.expect_problem(409, "offer-already-reserved");
    }
    assert_eq!(market.promised(1).await, 1);
}

/// Many reserve, cancel, end and hear of compensation at once. At every moment the units promised are those of the
/// deals that are not canceled, and nobody is told of our troubles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_neither_lost_nor_made() {
    let market = Arc::new(Market::open().await);
    market.post_says(1, &json!({"qty": 7}));
    let mut people = JoinSet::new();
    for person in 0..16 {
        let market = market.clone();
        people.spawn(async move {
            let mut reserved = 0;
            for round in 0..12 {
                let offer = offer(person * 100 + round + 1).units(1 + i32::try_from(round).unwrap() % 3);
                market.service.deliver_envelopes(&[offer.placed()]).await;
                let reply = market.reserve(offer.reservation()).await;
                if reply.status == 409 {
                    let code = reply.body["code"].as_str().unwrap();
                    assert!(["post-not-available", "not-enough-stock"].contains(&code), "{code}");
                    continue;
                }
                let deal = reply.expect(201);
                reserved += 1;
                let (cancel, blow) =
                    (market.write(&deal, "dealCanceled"), [post_unavailable(&deal, "post-hidden")]);
                match (person + round) % 5 {
                    // Ended for good, but not so often that nothing is left.
                    0 if person == 0 => drop(market.write(&deal, "dealEnded").await.expect(200)),
                    1 => market.hear(&[offer.canceled()]).await,
                    2 => market.hear(&blow).await,
                    3 => {
                        let (reply, ()) = tokio::join!(cancel, market.service.deliver_envelopes(&blow));
                        reply.expect(200);
                    }
                    _ => drop(cancel.await.expect(200)),
                }
            }
            reserved
        });
    }
    let mut reserved = 0;
    while let Some(person) = people.join_next().await {
        reserved += person.unwrap();
        market.promised(1).await;
    }
    let ended = market.count("status=dealEnded").await;
    assert_eq!(market.count("status=dealReserved").await, 0);
    assert_eq!(market.count("").await, reserved);
    assert!(reserved > 0);
    let published = market.service.published().await;
    let canceled = published.iter().filter(|(kind, _)| kind == "DealCanceled").count();
    assert_eq!(i64::try_from(canceled).unwrap(), reserved - ended, "one DealCanceled for each");
    market.assert_no_dead_letters().await;
}

/// An offer is withdrawn while it is being reserved: there is no deal, or it is canceled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_live_deal_is_left_on_a_canceled_offer() {
    let market = Arc::new(Market::open().await);
    let (mut made, mut refused) = (0, 0);
    for offer_id in 1..=80 {
        let offer = offer(offer_id);
        // Half of the offers are not known here before; asked, the owner answers what was true before.
        market.owner_says(&offer, OfferStatus::OfferAccepted);
        let mut events = vec![offer.placed(), offer.canceled()];
        if offer_id % 2 == 0 {
            market.service.deliver_envelopes(&[events.remove(0)]).await;
        }
        let (reserving, withdrawing) = (market.clone(), market.clone());
        let body = offer.reservation();
        let reservation = tokio::spawn(async move { reserving.reserve(body).await });
        let withdrawal = tokio::spawn(async move { withdrawing.service.deliver_envelopes(&events).await });
        let reply = reservation.await.unwrap();
        withdrawal.await.unwrap();
        if reply.status == 201 {
            made += 1;
            assert_eq!(market.read(&reply.body).await["status"], "dealCanceled", "offer {offer_id}");
        } else {
            refused += 1;
            reply.expect_problem(409, "offer-not-open");
        }
        assert_eq!(market.promised(1).await, 0);
    }
    println!("{made} were made and canceled, {refused} refused");
    market.assert_no_dead_letters().await;
}

/// One of the two ends a deal while the other cancels it: one of them is right, the other is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deal_is_ended_or_canceled_never_both() {
    let market = Arc::new(Market::open().await);
    market.post_says(1, &json!({"qty": 40}));
    for offer_id in 1..=40 {
        let deal = market.reserved(&offer(offer_id)).await;
        market.service.published().await;
        let (ended, canceled) =
            tokio::join!(market.write(&deal, "dealEnded"), market.write(&deal, "dealCanceled"));
        let (right, wrong) = if ended.status == 200 { (ended, canceled) } else { (canceled, ended) };
        assert_eq!(market.read(&deal).await, right.expect(200));
        wrong.expect_problem(409, "deal-not-open");
        assert_eq!(market.service.published_types().await.len(), 1);
        market.promised(1).await;
    }
}

/// The owner is asked about an offer of which nothing was heard, and its end is heard of over that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_ends_while_it_is_asked_for_leaves_no_deal() {
    const ROUNDS: i64 = 60;
    let market = Arc::new(Market::open().await);
    market.post_says(1, &json!({"qty": ROUNDS}));
    let mut rounds = JoinSet::new();
    for offer_id in 1..=ROUNDS {
        let market = market.clone();
        rounds.spawn(async move {
            let offer = offer(offer_id);
            market.owner_says(&offer, OfferStatus::OfferAccepted);
            let end = [offer.canceled()];
            let (reply, ()) = tokio::join!(market.reserve(offer.reservation()), market.hear(&end));
            match reply.status.as_u16() {
                201 => {
                    let deal = format!("/deals/{}", reply.body["dealId"]);
                    assert_eq!(market.service.client.get(&deal).await.expect(200)["status"], "dealCanceled");
                }
                _ => drop(reply.expect_problem(409, "offer-not-open")),
            }
        });
    }
    rounds.join_all().await;
    assert_eq!(market.promised(1).await, 0);
}
