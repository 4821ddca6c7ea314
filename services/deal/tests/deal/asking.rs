//! What is asked of others before a deal is reserved, and what happens when they do not answer.

use crate::{
    gateway::Mood,
    support::{Market, offer},
};
use chassis::testing::{TestService, eventually};
use shared_events::OfferStatus;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_offer_that_nobody_has_told_of_yet_is_asked_for_once() {
    let market = Market::open().await;
    market.owner_says(&offer(1), OfferStatus::OfferPlaced);
    market.reserve(offer(1).reservation()).await.expect(201);
    assert_eq!(market.gateway.asked("/offers"), 1);
    // Its own event comes late, and changes nothing.
    market.hear(&[offer(1).placed()]).await;
    assert_eq!(market.count("").await, 1);
}

#[tokio::test]
async fn an_acceptance_that_is_not_known_yet_is_asked_for() {
    let market = Market::open().await;
    let negotiated = offer(1).at(510_000);
    market.hear(&[negotiated.placed()]).await;
    market.owner_says(&negotiated, OfferStatus::OfferPlaced);
    market.reserve(negotiated.reservation()).await.expect_problem(409, "offer-not-accepted");
    assert_eq!(market.gateway.asked("/offers"), 1);
    market.owner_says(&negotiated, OfferStatus::OfferAccepted);
    market.reserve(negotiated.reservation()).await.expect(201);
    assert_eq!(market.gateway.asked("/offers"), 1);
}

/// Its own service cancels it some time later.
#[tokio::test]
async fn an_offer_whose_time_is_over_is_not_reserved() {
    let market = Market::open().await;
    let in_seconds = |seconds| (time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds)).into();
    let (over, copied) = (offer(1).until(in_seconds(-1)), offer(2).until(in_seconds(-1)));
    market.hear(&[copied.placed()]).await;
    for offer in [over, copied] {
        market.owner_says(&offer, OfferStatus::OfferPlaced);
        market.reserve(offer.reservation()).await.expect_problem(409, "offer-not-open");
    }
    assert_eq!((market.promised(1).await, market.gateway.asked("/offers")), (0, 2));
    assert_eq!(market.service.published_types().await, Vec::<String>::new());
    market.reserved(&offer(3).until(in_seconds(60))).await;
}

#[tokio::test]
async fn what_was_learnt_is_not_unlearnt_from_late_events() {
    let market = Market::open().await;
    let known = async || -> String {
        sqlx::query_scalar("select offer_status from offer_copy where offer_id = 1")
            .fetch_one(&market.service.prepared.app.db)
            .await
            .unwrap()
    };
    let negotiated = offer(1).at(510_000);
    market.owner_says(&negotiated, OfferStatus::OfferAccepted);
    market.reserve(negotiated.reservation()).await.expect(201);
    // A state, and what is known after each event that comes late or twice.
    for (event, status) in [
        (negotiated.placed(), "offerAccepted"),
        (negotiated.accepted(), "offerAccepted"),
        (negotiated.canceled(), "offerCanceled"),
        (negotiated.accepted(), "offerCanceled"),
        (negotiated.placed(), "offerCanceled"),
    ] {
        market.hear(&[event]).await;
        assert_eq!(known().await, status);
    }
    // Not even an answer that was given before it was withdrawn opens it again.
    market.reserve(negotiated.reservation()).await.expect_problem(409, "offer-not-open");
}

#[tokio::test]
async fn without_the_check_nothing_is_reserved() {
    let market = Market::open().await;
    market.hear(&[offer(1).placed()]).await;
    for retry_after in [1, 30] {
        market.gateway.mood(Mood::Refuses(retry_after));
        let reply = market.reserve(offer(1).reservation()).await;
        assert_eq!(reply.header("retry-after"), retry_after.to_string());
        reply.expect_problem(503, "dependency-unavailable");
    }
    assert_eq!((market.count("").await, market.promised(1).await), (0, 0));
    assert_eq!(market.service.published_types().await, Vec::<String>::new());

    market.gateway.mood(Mood::Answers);
    let deal = market.reserve(offer(1).reservation()).await.expect(201);
    // What needs nobody else works without anybody else.
    market.gateway.mood(Mood::Refuses(1));
    market.write(&deal, "dealEnded").await.expect(200);
    assert_eq!(market.read(&deal).await["status"], "dealEnded");

    let alone = TestService::start(deal::service()).await;
    let reply = alone.client.post("/deals", offer(1).reservation()).await;
    assert_eq!(reply.header("retry-after"), "1");
    reply.expect_problem(503, "dependency-unavailable");
}

#[tokio::test]
async fn a_gateway_that_hangs_is_not_waited_for_long() {
    let market = Market::open().await;
    market.hear(&[offer(1).placed()]).await;
    market.gateway.mood(Mood::Hangs("/posts"));
    let begun = Instant::now();
    let reply = market.reserve(offer(1).reservation()).await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(reply.header("retry-after"), "1");
    reply.expect_problem(503, "dependency-unavailable");
    assert_eq!((market.count("").await, market.promised(1).await), (0, 0));

    // Meanwhile and afterwards, everything else goes on.
    market.gateway.mood(Mood::Answers);
    market.reserve(offer(1).reservation()).await.expect(201);
}

/// The offer is withdrawn while the owner's answer is on its way: what has been heard meanwhile is newer.
#[tokio::test]
async fn an_answer_that_was_overtaken_allows_nothing() {
    let market = Market::open().await;
    market.owner_says(&offer(1), OfferStatus::OfferAccepted);
    market.gateway.mood(Mood::Hangs("/offers"));
    let client = market.service.client.clone();
    let reserving = tokio::spawn(async move { client.post("/deals", offer(1).reservation()).await });
    eventually("the owner is asked", async || market.gateway.asked("/offers") == 1).await;
    market.hear(&[offer(1).placed(), offer(1).canceled()]).await;
    market.gateway.mood(Mood::Answers);
    reserving.await.unwrap().expect_problem(409, "offer-not-open");
    assert_eq!((market.count("").await, market.promised(1).await), (0, 0));
}
