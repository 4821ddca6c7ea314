//! Who may do what where people have to prove who they are (CONTRACT, identity).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod rules;
mod table;

use chassis::testing::Client;
use common::Market;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &str = "known to the marketplace and to this test";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// A good token's claims, with others in the place of some.
fn claims(who: &str, changes: Value) -> Value {
    let mut claims =
        json!({"sub": who, "iss": "secondhandtrading", "aud": "secondhandtrading", "exp": now() + 600});
    let others = changes.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(others);
    claims
}

fn sign(secret: &str, claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn token(who: &str) -> String {
    sign(SECRET, &claims(who, json!({})))
}

/// Tokens that nobody must get anywhere with, each in the seller's name.
fn broken_tokens() -> [(&'static str, String); 4] {
    let good = token("seller01");
    let (_, payload) = good.split_once('.').unwrap();
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", payload.split_once('.').unwrap().0);
    [
        ("expired", sign(SECRET, &claims("seller01", json!({"exp": now() - 60})))),
        (
            "wrongly signed",
            sign("known to somebody else, and to nobody here", &claims("seller01", json!({}))),
        ),
        ("alg=none", unsigned),
        ("for another audience", sign(SECRET, &claims("seller01", json!({"aud": "elsewhere"})))),
    ]
}

/// Clients of the gateway: `market.who("seller01")`.
impl Market {
    fn who(&self, who: &str) -> Client {
        self.client.bearing(token(who))
    }

    fn admin(&self) -> Client {
        self.client.bearing(sign(SECRET, &claims("admin01", json!({"scope": "openid admin"}))))
    }
}

/// The walk of the seeds' READMEs, by people who prove who they are: what the request says is data where it does not
/// name who acts.
#[tokio::test]
async fn the_seeds_walk_with_tokens() {
    let market = Market::guarded(SECRET).await;
    let steps = [
        (
            "seller01",
            r#"http localhost:8088/posts userId="seller01" createDt="2024-09-24" goods="아이폰13 공기계" price=600000 address="방배동""#,
        ),
        // Whose post it is, the token says.
        (
            "seller02",
            r#"http localhost:8088/posts createDt="2024-09-24" goods="무선마우스" price=10000 address="서초동""#,
        ),
        (
            "buyer01",
            r#"http localhost:8088/offers userId="buyer01" price=10000 postId=2 offerType="dealOffered""#,
        ),
        (
            "buyer02",
            r#"http localhost:8088/offers userId="buyer02" price=600000 postId=1 offerType="priceNegotiated" offeredPrice=500000"#,
        ),
        (
            "buyer03",
            r#"http localhost:8088/offers price=600000 postId=1 offerType="priceNegotiated" offeredPrice=510000"#,
        ),
        (
            "seller01",
            r#"http PATCH localhost:8088/offers/3 userId="buyer03" postId=1 offerStatus="offerAccepted" offeredPrice=510000"#,
        ),
        // The seller reserves, for the buyer.
        (
            "seller02",
            r#"http localhost:8088/deals offerId=1 postId=2 userId="buyer01" price=10000 status="dealReserved" updateDt="2024-09-24""#,
        ),
        (
            "buyer03",
            r#"http localhost:8088/deals offerId=3 postId=1 userId="buyer03" price=510000 status="dealReserved" updateDt="2024-09-24""#,
        ),
        (
            "buyer03",
            r#"http PATCH localhost:8088/deals/2 offeredId=3 postId=1 userId="buyer03" price=510000 status="dealEnded" updateDt="2024-09-25""#,
        ),
        ("buyer01", r#"http PATCH localhost:8088/deals/1 status="dealCanceled""#),
    ];
    for (who, command) in steps {
        let reply = market.http_as(&market.who(who), command).await;
        assert!(reply.status.is_success(), "{who}: {command}: {:#}", reply.body);
    }
    let of = |who: &str| market.who(who);
    market.until("/posts/1", |post| post["status"] == "dealEnded").await;
    market.until("/posts/2", |post| post["status"] == "created").await;
    market.until_as(&of("buyer02"), "/offers/2", |offer| offer["offerStatus"] == "offerCanceled").await;
    market.until_as(&of("buyer03"), "/offers/3", |offer| offer["offerStatus"] == "dealEnded").await;
    market
        .until_as(&of("seller01"), "/myPages", |list| {
            list["page"]["totalElements"] == 1 && list["_embedded"]["myPages"][0]["price"] == 510_000
        })
        .await;
    market
        .until_as(&of("buyer02"), "/purchases", |list| {
            list["_embedded"]["purchases"][0]["orderStatus"] == "canceled"
        })
        .await;
    market.until_as(&of("buyer02"), "/notifications", |list| list["page"]["totalElements"] == 1).await;
    let deal = of("buyer03").get("/deals/2").await.expect(200);
    assert_eq!(deal["history"][1]["by"], "buyer03");
    market.stop().await;
}

/// Money: only the payment provider (an admin) brings it in; the buyer's token pays, the seller's confirms.
#[tokio::test]
async fn money_moves_by_those_it_belongs_to() {
    let market = Market::guarded(SECRET).await;
    let (buyer, seller) = (market.who("buyer01"), market.who("seller01"));
    let post = json!({"goods": "자전거", "price": 1000, "qty": 3});
    let post_id = seller.post("/posts", post).await.expect(201)["postId"].clone();
    let amount = json!({"amount": 5000});
    buyer.post("/wallets/buyer01/deposits", amount.clone()).await.expect_problem(403, "insufficient-scope");
    market.admin().post("/wallets/buyer01/deposits", amount).await.expect(201);

    // offer → deal with the buyer's token.
    let order = json!({"postId": post_id, "offerType": "dealOffered", "payMethod": "wallet"});
    let offer_id = buyer.post("/offers", order.clone()).await.expect(201)["offerId"].clone();
    assert_eq!(buyer.get("/wallets/buyer01").await.expect(200)["held"], 1000);
    let deal = json!({"postId": post_id, "offerId": offer_id, "userId": "buyer01"});
    let deal = seller.post("/deals", deal).await.expect(201)["dealId"].clone();
    let ended = json!({"status": "dealEnded"});
    seller.patch(&format!("/deals/{deal}"), ended.clone()).await.expect_problem(403, "not-the-buyer");
    buyer.patch(&format!("/deals/{deal}"), ended).await.expect(200);
    assert_eq!(seller.get("/wallets/seller01").await.expect(200)["balance"], 1000);
    market
        .admin()
        .post("/wallets/seller01/withdrawals", json!({"amount": 1}))
        .await
        .expect_problem(403, "not-the-owner");

    // The deposit is confirmed by the seller; then the buyer's word, which offer asks deal about, comes too late.
    let buyer = market.who("buyer02");
    let order = json!({"postId": post_id, "offerType": "dealOffered", "payMethod": "bankTransfer"});
    let offer = format!("/offers/{}", buyer.post("/offers", order).await.expect(201)["offerId"]);
    let list = market
        .until_as(&seller, "/payments?state=awaitingDeposit", |list| list["page"]["totalElements"] == 1)
        .await;
    let payment = format!("/payments/{}", list["_embedded"]["payments"][0]["paymentId"]);
    let held = json!({"state": "held"});
    buyer.patch(&payment, held.clone()).await.expect_problem(403, "not-the-seller");
    market.who("stranger").patch(&payment, held.clone()).await.expect_problem(404, "not-found");
    seller.patch(&payment, held).await.expect(200);
    let cancel = json!({"offerStatus": "offerCanceled"});
    seller.patch(&offer, cancel.clone()).await.expect_problem(403, "not-the-buyer");
    buyer.patch(&offer, cancel).await.expect_problem(409, "deposit-confirmed");
    market.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let market = Market::guarded(SECRET).await;
    let address = format!("{}/notifications/stream", market.client.base());
    let listen =
        async |token: &str| reqwest::Client::new().get(&address).bearer_auth(token).send().await.unwrap();
    // Expired, and good for two more seconds of the leeway of ten.
    let mut ending = listen(&sign(SECRET, &claims("seller01", json!({"exp": now() - 8})))).await;
    let mut lasting = listen(&token("seller01")).await;
    assert_eq!((ending.status().as_u16(), lasting.status().as_u16()), (200, 200));
    tokio::time::timeout(Duration::from_secs(10), async { while ending.chunk().await.unwrap().is_some() {} })
        .await
        .expect("it ends");

    let post = json!({"goods": "자전거", "price": 1000, "qty": 2});
    let post_id = market.who("seller01").post("/posts", post).await.expect(201)["postId"].clone();
    let offer = json!({"postId": post_id, "offerType": "dealOffered"});
    market.who("buyer01").post("/offers", offer).await.expect(201);
    let mut heard = String::new();
    while !heard.contains("offerPlaced") {
        let chunk = tokio::time::timeout(Duration::from_secs(30), lasting.chunk()).await;
        heard.push_str(std::str::from_utf8(&chunk.expect("within 30 s").unwrap().unwrap()).unwrap());
    }
    market.stop().await;
}

#[tokio::test]
async fn a_key_is_its_users_own() {
    let market = Market::guarded(SECRET).await;
    let post = json!({"goods": "자전거", "price": 1000});
    let post_id = market.who("seller01").post("/posts", post).await.expect(201)["postId"].clone();
    let wish = async |who: &str| {
        let headers = [("idempotency-key", "the same")];
        let body = json!({"postId": post_id});
        market.who(who).send(reqwest::Method::POST, "/wishlists", &headers, Some(body)).await
    };
    let first = wish("buyer01").await;
    assert_eq!(wish("buyer01").await.header("idempotency-replayed"), "true");
    let other = wish("buyer02").await;
    assert_eq!(
        (first.expect(201)["userId"].clone(), other.expect(201)["userId"].clone()),
        (json!("buyer01"), json!("buyer02"))
    );
    market.stop().await;
}
