//! Things that happen at once.

use crate::support::{Market, at_the_price, deal_ended, deal_reserved, record, status_updated};
use serde_json::{Value, json};
use shared_events::{PostDeleted, PostStatus};
use std::sync::Arc;
use tokio::task::JoinSet;

const OPEN: [&str; 2] = ["offerPlaced", "offerAccepted"];

async fn open_offers(market: &Market, post_id: i64) -> i64 {
    let mut open = 0;
    for status in OPEN {
        open += market.count(&format!("postId={post_id}&offerStatus={status}")).await;
    }
    open
}

/// An offer that is being placed while its post ends or goes: it is refused, or canceled, never left open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_offer_is_left_open_on_a_post_that_has_ended() {
    let market = Arc::new(Market::open().await);
    let (mut placed, mut refused) = (0, 0);
    for post_id in 1..=60 {
        // Asked, the owner would answer what was true before: the answer was overtaken.
        market.owner_says(post_id, &json!({}));
        market.post(post_id).await;
        let winner = market.placed(post_id, "winner").await;
        let ended = [
            record(&status_updated(post_id, PostStatus::DealReserved, 2)),
            record(&status_updated(post_id, PostStatus::DealEnded, 3)),
        ];
        let deals = [record(&deal_reserved(&winner)), record(&deal_ended(&winner))];
        let end = match post_id % 3 {
            0 => vec![record(&PostDeleted { post_id, user_id: "seller".into() })],
            1 => [ended, deals].concat(),
            _ => [deals, ended].concat(),
        };
        let mut buyers = JoinSet::new();
        for buyer in 0..4 {
            let market = market.clone();
            buyers.spawn(async move { market.place(at_the_price(post_id, &format!("buyer{buyer}"))).await });
        }
        let ending = {
            let market = market.clone();
            tokio::spawn(async move { market.service.deliver_envelopes(&end).await })
        };
        for reply in buyers.join_all().await {
            match reply.status.as_u16() {
                201 => placed += 1,
                404 | 409 => refused += 1,
                _ => panic!("{:#}", reply.body),
            }
        }
        ending.await.unwrap();
        assert_eq!(open_offers(&market, post_id).await, 0, "post {post_id}");
    }
    market.assert_no_dead_letters().await;
    println!("{placed} were placed before the end, {refused} after it");
}

/// However many answers come at once, one of them counts, and one event tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_wins() {
    let market = Arc::new(Market::open().await);
    market.post(1).await;
    for round in 0..20 {
        let offer = market.placed(1, &format!("buyer{round}")).await;
        market.service.published().await;
        let mut answers = JoinSet::new();
        for status in ["offerAccepted", "offerRefused", "offerAccepted", "offerRefused"] {
            let (market, offer) = (market.clone(), offer.clone());
            answers.spawn(async move { (status, market.answer(&offer, status).await.status.as_u16()) });
        }
        let end = answers.join_all().await;
        let winner = market.status(&offer).await;
        for (status, code) in end {
            assert_eq!(code, if status == winner { 200 } else { 409 }, "{status} while it is {winner}");
        }
        assert_eq!(market.service.published_types().await, [winner.replacen('o', "O", 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_equal_offers_is_placed() {
    let market = Arc::new(Market::open().await);
    market.owner_says(1, &json!({}));
    let mut offers = JoinSet::new();
    for _ in 0..20 {
        let market = market.clone();
        // Nobody has told of the post yet, so all of them ask and learn at once.
        offers.spawn(async move { market.place(at_the_price(1, "buyer")).await });
    }
    let replies = offers.join_all().await;
    let placed = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(placed, 1);
    for reply in replies.into_iter().filter(|reply| reply.status != 201) {
        reply.expect_problem(409, "offer-already-open");
    }
    assert_eq!(market.service.published_types().await, ["OfferPlaced"]);
}

/// Buyers withdraw and sellers accept while the deal of another ends everything: nothing deadlocks, nobody is told twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_the_end_at_once() {
    let market = Arc::new(Market::open().await);
    for post_id in 1..=15 {
        market.post(post_id).await;
        let winner = market.placed(post_id, "winner").await;
        let mut losers: Vec<Value> = Vec::new();
        for number in 0..6 {
            losers.push(market.placed(post_id, &format!("loser{number}")).await);
        }
        market.service.published().await;
        let mut answers = JoinSet::new();
        for (number, loser) in losers.iter().cloned().enumerate().rev() {
            let market = market.clone();
            let status = ["offerAccepted", "offerCanceled", "offerRefused"][number % 3];
            answers.spawn(async move { market.answer(&loser, status).await });
        }
        let events = [
            record(&deal_reserved(&winner)),
            record(&status_updated(post_id, PostStatus::DealEnded, 2)),
            record(&deal_ended(&winner)),
        ];
        market.service.deliver_envelopes(&events).await;
        for reply in answers.join_all().await {
            assert!([200, 409].contains(&reply.status.as_u16()), "{:#}", reply.body);
        }
        assert_eq!(market.status(&winner).await, "dealEnded");
        assert_eq!(open_offers(&market, post_id).await, 0);
        let published = market.service.published().await;
        for loser in &losers {
            let ends = published.iter().filter(|(kind, event)| {
                event["offerId"] == loser["offerId"] && (kind == "OfferCanceled" || kind == "OfferRefused")
            });
            assert_eq!(ends.count(), 1, "{loser:#}");
        }
    }
    market.assert_no_dead_letters().await;
}
