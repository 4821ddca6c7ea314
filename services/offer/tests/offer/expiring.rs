//! Offers that nobody answers in time.

use crate::support::{Market, deal_canceled, deal_reserved};
use offer::service;
use serde_json::{Value, json};
use shared_events::WireDate;
use std::sync::Arc;
use time::Duration;
use tokio::task::JoinSet;

impl Market {
    /// Lets the time of all offers have been over for some seconds.
    async fn time_passes(&self, seconds: f64) {
        sqlx::query("update offer set expires_dt = now() - make_interval(secs => $1)")
            .bind(seconds)
            .execute(&self.service.prepared.app.db)
            .await
            .expect("the database answers");
    }

    /// What every replica does every second.
    async fn sweep(&self) {
        let sweep = service().sweep.expect("offers expire");
        sweep(&self.service.prepared.app).await.expect("the database answers");
    }
}

#[tokio::test]
async fn an_offer_is_open_for_a_week() {
    let market = Market::open().await;
    market.post(1).await;
    let offer = market.placed(1, "buyer").await;
    let date = |field: &str| -> WireDate { offer[field].as_str().unwrap().parse().unwrap() };
    let open = time::OffsetDateTime::from(date("expiresDt")) - time::OffsetDateTime::from(date("createDt"));
    assert_eq!(open, Duration::WEEK);
    market.sweep().await;
    assert_eq!(market.status(&offer).await, "offerPlaced");
}

#[tokio::test]
async fn what_is_open_expires_and_what_is_reserved_or_answered_does_not() {
    let market = Market::open().await;
    market.post(1).await;
    let mut offers: Vec<Value> = Vec::new();
    for buyer in ["placed", "accepted", "refused", "withdrawn", "reserved", "called off"] {
        offers.push(market.placed(1, buyer).await);
    }
    let [placed, accepted, refused, withdrawn, reserved, called_off] = &offers[..] else { panic!("six") };
    market.answer(accepted, "offerAccepted").await.expect(200);
    market.answer(refused, "offerRefused").await.expect(200);
    market.answer(withdrawn, "offerCanceled").await.expect(200);
    market.service.deliver(&deal_reserved(reserved)).await;
    market.service.deliver(&deal_reserved(called_off)).await;
    market.service.deliver(&deal_canceled(called_off)).await;
    market.service.published().await;
    market.time_passes(61.0).await;
    market.sweep().await;
    market.sweep().await;

    let published = market.service.published().await;
    let told: Vec<_> =
        published.iter().map(|(kind, event)| (&**kind, &event["offerId"], &event["reason"])).collect();
    let expired = json!("expired");
    let mut expected = vec![
        ("OfferCanceled", &placed["offerId"], &expired),
        ("OfferCanceled", &accepted["offerId"], &expired),
    ];
    expected.sort_by_key(|(_, id, _)| id.as_i64());
    assert_eq!(told, expected);
    assert_eq!(market.status(refused).await, "offerRefused");
    assert_eq!(market.status(reserved).await, "offerAccepted");
    // The post is there for the next offer.
    market.placed(1, "placed").await;
}

#[tokio::test]
async fn an_offer_whose_time_is_over_is_not_accepted_even_before_a_sweep() {
    let market = Market::open().await;
    market.post(1).await;
    let offer = market.placed(1, "buyer").await;
    market.time_passes(0.0).await;
    market.answer(&offer, "offerAccepted").await.expect_problem(409, "offer-not-open");
    market.answer(&offer, "offerRefused").await.expect(200);
}

/// Deal reserved it in the last moment, and we hear of that when its time is over.
#[tokio::test]
async fn an_offer_is_kept_until_a_deal_on_it_is_heard_of() {
    let market = Market::open().await;
    market.post(1).await;
    let (reserved, not) = (market.placed(1, "reserved").await, market.placed(1, "not").await);
    market.time_passes(55.0).await;
    market.sweep().await;
    assert_eq!(market.status(&reserved).await, "offerPlaced");
    market.service.deliver(&deal_reserved(&reserved)).await;
    market.time_passes(61.0).await;
    market.sweep().await;
    assert_eq!(market.status(&reserved).await, "offerAccepted");
    assert_eq!(market.status(&not).await, "offerCanceled");
}

/// More than a batch, several replicas at once, buyers who withdraw meanwhile: each end is told once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_sweep_side_by_side() {
    let market = Arc::new(Market::open().await);
    market.post(1).await;
    let first = market.placed(1, "buyer0").await;
    sqlx::query(
        "insert into offer (post_id, user_id, seller_id, offer_type, price, agreed_price, qty, pay_method,
                            offer_status, create_dt, update_dt)
         select 1, 'buyer' || n, 'seller', 'dealOffered', 1, 1, 1, 'none', 'offerPlaced', now(), now()
         from generate_series(1, 349) n",
    )
    .execute(&market.service.prepared.app.db)
    .await
    .unwrap();
    market.service.published().await;
    market.time_passes(61.0).await;
    let mut working = JoinSet::new();
    for replica in 0..4 {
        let (market, first) = (market.clone(), first.clone());
        working.spawn(async move {
            if replica == 0 {
                market.answer(&first, "offerCanceled").await.expect(200);
            }
            market.sweep().await;
        });
    }
    working.join_all().await;
    market.sweep().await;
    let mut ended: Vec<_> =
        market.service.published().await.into_iter().map(|(_, event)| event["offerId"].as_i64()).collect();
    ended.sort_unstable();
    assert_eq!(ended, (1..=350).map(Some).collect::<Vec<_>>());
    assert_eq!(market.count("offerStatus=offerCanceled").await, 350);
}
