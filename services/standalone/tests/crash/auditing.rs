//! The auditor itself: it finds nothing in a sound system, and each fault that is planted in it.

use super::common::Market;
use chassis::testing::eventually;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use standalone::audit::{self, Auditor, Report};
use std::{collections::BTreeSet, time::Duration};

/// What is wrong with a database (run as its administrator), and which checks are to say so, all others being content.
const FAULTS: &[(&[&str], &str)] = &[
    (
        &["money-sums-to-zero", "balances-are-their-movements"],
        "update deal.account set balance = balance + 1 where name = 'external'",
    ),
    (
        &["nobody-owes"],
        "alter table deal.account drop constraint nobody_owes;
         insert into deal.account values ('user/ghost', -5), ('user/spirit', 5);
         insert into deal.movement (debit, credit, amount) values ('user/ghost', 'user/spirit', 5)",
    ),
    (
        &["movements-balance"],
        "alter table deal.movement drop constraint between_two;
         insert into deal.movement (debit, credit, amount) values ('external', 'external', 7)",
    ),
    (
        &["balances-are-their-movements"],
        "update deal.account set balance = balance + case name when 'external' then 1 else -1 end
         where name in ('external', 'user/seller01')",
    ),
    (
        &["held-is-open-holds"],
        "insert into deal.account values ('escrow/ghost', 5);
         update deal.account set balance = balance - 5 where name = 'external';
         insert into deal.movement (debit, credit, amount) values ('external', 'escrow/ghost', 5)",
    ),
    (
        &["payments-move-once"],
        "insert into deal.movement (debit, credit, amount, payment_id)
         select debit, credit, amount, payment_id from deal.movement where payment_id is not null
         union all select credit, debit, amount, payment_id from deal.movement where payment_id is not null",
    ),
    (
        &["no-unit-promised-twice"],
        "alter table deal.stock drop constraint promised_units_exist;
         update deal.stock set qty = promised - 1 where promised > 0",
    ),
    (&["promised-is-live-deals"], "update deal.stock set promised = promised - 1 where promised > 0"),
    (
        &["units-are-counted"],
        "update post.post set sold = sold + 1, reserved = reserved - 1 where reserved > 0",
    ),
    (&["posts-follow-deals"], "delete from post.unit where state = 'restored'"),
    (
        &["offers-follow-deals"],
        "update offer.offer set deal_id = null where offer_status = 'offerAccepted' and deal_id is not null",
    ),
    (
        &["losers-were-told", "posts-were-told", "post-views", "offer-knows-posts"],
        "update post.post set deleted = true
         where post_id in (select post_id from offer.offer where offer_status = 'offerPlaced')",
    ),
    (&["payments-follow-deals"], "update deal.payment set deal_id = null where state = 'released'"),
    (&["paid-offers-are-held"], "update offer.offer set payment_state = null where pay_method = 'wallet'"),
    (
        &["posts-were-told", "views-are-rebuilt-the-same"],
        "with lost as (delete from mypage.history where event_type = 'PostWrote' returning event_id)
         delete from mypage.inbox using lost where inbox.event_id = lost.event_id",
    ),
    (&["offers-were-told"], "update offer.offer set version = version + 1"),
    (&["deals-were-told"], r#"update deal.deal set history = history || '[{"status": "cancelRequested"}]'"#),
    (
        &["payments-were-told"],
        r#"update deal.payment set pay_log = '[{"state": "awaitingDeposit"}]' || pay_log"#,
    ),
    (&["reviews-were-told", "review-views"], "delete from deal.review"),
    (&["messages-were-told"], "delete from notification.notification where kind = 'messageSent'"),
    (&["heard-once"], "insert into mypage.inbox values (gen_random_uuid())"),
    (
        &["order-was-kept"],
        "update mypage.history set happened_at = happened_at - interval '1 hour' where event_type = 'PostEdited'",
    ),
    (
        &["heard-by-all"],
        "delete from offer.inbox where event_id in (select event_id from mypage.history where event_type = 'PostWrote')",
    ),
    (
        &["no-dead-letters"],
        "insert into post.dead_letter (event_id, event_type, source, post_id, happened_at, value, error)
         values (gen_random_uuid(), 'DealEnded', 'deal', 1, now(), '{}', 'it makes no sense')",
    ),
    (&["post-views", "views-are-rebuilt-the-same"], "update mypage.post_view set price = price + 1"),
    (&["offer-views", "views-are-rebuilt-the-same"], "update mypage.offer_view set qty = qty + 1"),
    (&["deal-views", "views-are-rebuilt-the-same"], "update mypage.deal_view set price = price + 1"),
    (&["payment-views", "views-are-rebuilt-the-same"], "delete from mypage.payment_view"),
    (&["review-views", "views-are-rebuilt-the-same"], "update mypage.review_view set rating = 1"),
    (&["views-are-rebuilt-the-same"], "delete from mypage.order_step where step = 'reserved'"),
    (&["offer-knows-posts"], "update offer.post_copy set available_qty = available_qty + 1"),
    (&["deal-knows-offers"], "update deal.offer_copy set agreed_price = agreed_price + 1"),
    (&["wishes-are-known"], "update post.wish set gone = true"),
    (&["wishers-were-told"], "delete from notification.notification where kind = 'priceFell'"),
    (&["meetings-are-known"], "update notification.meeting set live = not live"),
    (&["notices-are-rebuilt-the-same"], "delete from notification.notification where kind = 'dealReserved'"),
];

#[tokio::test]
async fn the_auditor_finds_every_planted_fault_and_none_in_a_sound_system() {
    let market = Market::start().await;
    trade(&market).await;
    let report = std::sync::Mutex::new(Report::default());
    eventually("it is at rest and sound", async || {
        let now = audit::audit(&market.database, None, Duration::ZERO).await.unwrap();
        let sound = now.unrest.is_none() && now.broken().is_empty();
        *report.lock().unwrap() = now;
        sound
    })
    .await;
    let (sound, database) = (report.into_inner().unwrap(), market.database.clone());
    market.stop().await;
    for outcome in &sound.outcomes {
        let may_be_none = ["no-dead-letters"].contains(&outcome.promise.name);
        assert!(outcome.looked_at.is_some_and(|count| count > 0 || may_be_none), "{outcome:?}");
    }
    let all: BTreeSet<_> = sound.outcomes.iter().map(|outcome| outcome.promise.name).collect();
    let planted: BTreeSet<_> = FAULTS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    assert_eq!(all, planted, "a fault for each check");

    // Each in a transaction that is rolled back.
    let auditor = Auditor::connect(&database).await.unwrap();
    for (expected, fault) in FAULTS {
        let mut tx = auditor.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(*fault)).execute(&mut *tx).await.unwrap();
        let outcomes = auditor.examine(&mut tx, true).await.unwrap();
        let report = Report { unrest: None, outcomes };
        let found: BTreeSet<_> = report.broken().into_iter().collect();
        assert_eq!(found, expected.iter().copied().collect(), "{fault}\n{report}");
        tx.rollback().await.unwrap();
    }
}

/// A little of everything: a deal that ended and was paid (held on other terms first) and reviewed, one that is reserved, one that was called off, an
/// offer that is open, a wish for a post that became cheaper, a message.
async fn trade(market: &Market) {
    let client = &market.client;
    let send = async |path: &str, body: Value| client.post(path, body).await.expect(201);
    send("/wallets/buyer01/deposits", json!({"amount": 50_000})).await;
    let order = |buyer: &str, post: i64, pay: &str| json!({"userId": buyer, "postId": post, "offerType": "dealOffered", "payMethod": pay});
    for (number, fate) in ["dealEnded", "dealReserved", "dealCanceled"].into_iter().enumerate() {
        let post = market.post("seller01", 10_000, 2).await;
        if number == 0 {
            let early = json!({"offerId": 1, "postId": post, "userId": "buyer01", "sellerId": "seller01", "amount": 7,
                "qty": 1, "payMethod": "wallet"});
            send("/payments", early).await;
        }
        let offer = send("/offers", order("buyer01", post, "wallet")).await["offerId"].as_i64().unwrap();
        let deal = market.reserve_patiently("buyer01", post, offer).await.expect(201)["dealId"].clone();
        let path = format!("/deals/{deal}");
        if fate == "dealReserved" {
            client.patch(&path, json!({"reserveDt": "2031-01-01"})).await.expect(200);
        } else {
            client.patch(&path, json!({"status": fate, "userId": "buyer01"})).await.expect(200);
        }
        if number == 0 {
            send("/reviews", json!({"dealId": deal, "userId": "buyer01", "rating": 5})).await;
        }
    }
    let post = market.post("seller02", 10_000, 1).await;
    send("/offers", order("buyer02", post, "bankTransfer")).await;
    send("/messages", json!({"userId": "buyer03", "postId": post, "body": "아직 있나요?"})).await;
    send("/wishlists", json!({"userId": "buyer03", "postId": post})).await;
    client.patch(&format!("/posts/{post}"), json!({"price": 9_000})).await.expect(200);
}
