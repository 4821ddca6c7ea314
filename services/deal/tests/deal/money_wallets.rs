//! Wallets: money comes, is spent once, and goes.

use crate::{money::prepaid, support::Market};
use axum::http::Method;
use chassis::testing::Reply;
use serde_json::{Value, json};

async fn move_money(market: &Market, path: &str, amount: Value) -> Reply {
    market.service.client.post(&format!("/wallets/{path}"), json!({"amount": amount})).await
}

#[tokio::test]
async fn money_comes_and_goes() {
    let market = Market::open().await;
    for user in ["buyer1", "홍길동", "a/b c"] {
        let path = user.replace('/', "%2F");
        assert_eq!(market.wallet(&path).await, (0, 0), "nobody has to open a wallet");
        let reply = move_money(&market, &format!("{path}/deposits"), json!("1000")).await;
        let location = reply.header("location").to_owned();
        let wallet = reply.expect(201);
        assert_eq!(
            (&wallet["userId"], &wallet["balance"], &wallet["held"]),
            (&json!(user), &json!(1000), &json!(0))
        );
        assert_eq!(wallet["_links"]["self"]["href"], location.as_str());
        let own_path =
            location.strip_prefix(market.service.client.base()).expect("the address that was used");
        assert_eq!(market.service.client.get(own_path).await.expect(200), wallet, "the link leads there");

        move_money(&market, &format!("{path}/withdrawals"), json!(1001))
            .await
            .expect_problem(402, "insufficient-funds");
        assert_eq!(market.wallet(&path).await, (1000, 0));
        let rest = move_money(&market, &format!("{path}/withdrawals"), json!(999)).await.expect(201);
        assert_eq!(rest["balance"], 1);
    }
    assert_eq!(market.service.published_types().await, Vec::<String>::new());
    market.assert_books().await;
}

#[tokio::test]
async fn what_is_no_amount_or_no_user_is_said_so() {
    let market = Market::open().await;
    let too_long = "a".repeat(65);
    let table = [
        ("buyer1", json!(0), 422),
        ("buyer1", json!(-1), 422),
        ("buyer1", json!(1_000_000_000_001_i64), 422),
        ("buyer1", json!("abc"), 400),
        ("buyer1", json!(1.5), 422),
        ("buyer1", json!(null), 400),
        (&too_long, json!(1), 400),
        ("%00", json!(1), 400),
        ("%20", json!(1), 400),
        ("%FF", json!(1), 400),
    ];
    for (user, amount, status) in table {
        for kind in ["deposits", "withdrawals"] {
            let reply = move_money(&market, &format!("{user}/{kind}"), amount.clone()).await;
            assert_eq!(reply.status.as_u16(), status, "{user} {amount}: {:#}", reply.body);
            assert_eq!(reply.header("content-type"), "application/problem+json", "{user} {amount}");
        }
    }
    for user in [too_long.as_str(), "%00", "%FF"] {
        let reply = market.service.client.get(&format!("/wallets/{user}")).await;
        assert_eq!(reply.status.as_u16(), 400, "{user}: {:#}", reply.body);
    }
    assert_eq!(market.wallet("buyer1").await, (0, 0));
    market.assert_books().await;
}

#[tokio::test]
async fn a_repeated_key_moves_nothing() {
    let market = Market::open().await;
    let send = async |path: &'static str, key: &'static str, body: Value| {
        let headers = [("idempotency-key", key)];
        market.service.client.send(Method::POST, path, &headers, Some(body)).await
    };
    let deposit = json!({"amount": 1_000_000});
    let first = send("/wallets/buyer1/deposits", "k1", deposit.clone()).await.expect(201);
    let second = send("/wallets/buyer1/deposits", "k1", deposit.clone()).await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.expect(201), first);
    send("/wallets/buyer1/deposits", "k1", json!({"amount": 2}))
        .await
        .expect_problem(422, "idempotency-key-reused");
    // The key is that wallet's.
    send("/wallets/buyer2/deposits", "k1", deposit).await.expect(201);

    let held = send("/payments", "k2", prepaid(1).bill()).await.expect(201);
    let again = send("/payments", "k2", prepaid(1).bill()).await;
    assert_eq!(
        (again.header("idempotency-replayed"), again.status.as_u16(), &again.body),
        ("true", 201, &held)
    );
    assert_eq!(market.wallet("buyer1").await, (400_000, 600_000));

    // What was refused is tried anew.
    send("/wallets/buyer1/withdrawals", "k3", json!({"amount": 500_000}))
        .await
        .expect_problem(402, "insufficient-funds");
    market.deposit("buyer1", 100_000).await;
    send("/wallets/buyer1/withdrawals", "k3", json!({"amount": 500_000})).await.expect(201);
    assert_eq!(market.wallet("buyer1").await, (0, 600_000));
    market.assert_books().await;
}
