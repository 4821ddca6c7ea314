//! Two replicas on one database.

use crate::support::{Ear, message};
use chassis::{
    service::Prepared,
    store,
    testing::{Client, TestService, serve},
};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Another process on the same database, as far as it can tell.
async fn replica_of(first: &TestService) -> (Prepared, Client, DropGuard) {
    let options = store::as_service(first.database.clone(), "notification");
    let prepared = notification::service()
        .prepare(options, 10, "http://127.0.0.1:9", chassis::auth::Verifier::open())
        .await
        .expect("it starts");
    let shutdown = CancellationToken::new();
    let client = serve(prepared.router(shutdown.clone()), shutdown.clone()).await;
    (prepared, client, shutdown.drop_guard())
}

#[tokio::test]
async fn what_one_replica_stores_the_other_tells() {
    let first = TestService::start(notification::service()).await;
    let (second, second_client, _guard) = replica_of(&first).await;
    let path = "/notifications/stream?userId=buyer01";
    let mut here = Ear::open(&first.client, path, None).await;
    let mut there = Ear::open(&second_client, path, None).await;
    for n in 0..10 {
        let told_at = Instant::now();
        let event = [message(n, "buyer01", &n.to_string())];
        let replica = if n % 2 == 0 { &first.prepared } else { &second };
        assert!(replica.consumer.deliver(&event, &CancellationToken::new()).await);
        let heard = here.hear(1).await;
        assert_eq!(heard[0].message(), format!("buyer03님: {n}"));
        let (there, here) = (there.hear(1).await, heard);
        assert_eq!((there[0].id, there[0].message()), (here[0].id, here[0].message()));
        assert!(told_at.elapsed() < Duration::from_secs(1), "{:?}", told_at.elapsed());
    }
    // Who was here comes back there.
    let last = here.last;
    drop((here, there));
    assert!(
        first.prepared.consumer.deliver(&[message(11, "buyer01", "11")], &CancellationToken::new()).await
    );
    let mut there = Ear::open(&second_client, path, last).await;
    assert_eq!(there.hear(1).await[0].message(), "buyer03님: 11");
}

#[tokio::test]
async fn replicas_that_tell_at_once_keep_one_order() {
    let first = TestService::start(notification::service()).await;
    let (second, second_client, _guard) = replica_of(&first).await;
    let path = "/notifications/stream?userId=buyer01";
    let mut ears = [Ear::open(&first.client, path, None).await, Ear::open(&second_client, path, None).await];
    let tell = async |replica: &Prepared| {
        for n in 0..100 {
            let batch: Vec<_> = (0..1 + n % 3).map(|_| message(n, "buyer01", "")).collect();
            assert!(replica.consumer.deliver(&batch, &CancellationToken::new()).await);
        }
    };
    tokio::join!(tell(&first.prepared), tell(&second));
    for ear in &mut ears {
        let heard = ear.hear(2 * 199).await;
        assert!(heard.is_sorted_by_key(|heard| heard.id));
        ear.hears_nothing_for(300).await;
    }
}
