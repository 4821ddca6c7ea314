//! Many at once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Market;
use futures::future::join_all;
use serde_json::json;

#[tokio::test]
async fn two_hundred_want_one_and_one_gets_it() {
    let market = Market::start().await;
    let post_id = market.post("seller01", 1000, 1).await;
    let buyers: Vec<_> = (0..200).map(|number| format!("buyer{number}")).collect();
    let offers = join_all(buyers.iter().map(|buyer| market.offer(buyer, post_id))).await;

    let asked = buyers
        .iter()
        .zip(&offers)
        .map(|(buyer, offer_id)| market.reserve_patiently(buyer, post_id, *offer_id));
    let replies = join_all(asked).await;
    let mut answers = std::collections::BTreeMap::new();
    for reply in &replies {
        *answers.entry((reply.status.as_u16(), reply.body["code"].as_str())).or_insert(0) += 1;
    }
    assert_eq!(
        answers.into_iter().collect::<Vec<_>>(),
        [((201, None), 1), ((409, Some("post-not-available")), 199)]
    );
    market.until(&format!("/posts/{post_id}"), |post| post["status"] == "dealReserved").await;

    // And when it ends, one offer has won and 199 are canceled.
    let deal_id = replies.iter().find(|reply| reply.status == 201).unwrap().body["dealId"].clone();
    market.client.patch(&format!("/deals/{deal_id}"), json!({"status": "dealEnded"})).await.expect(200);
    market
        .until(&format!("/offers?postId={post_id}&offerStatus=offerCanceled"), |list| {
            list["page"]["totalElements"] == 199
        })
        .await;
    market
        .until(&format!("/offers?postId={post_id}&offerStatus=dealEnded"), |list| {
            list["page"]["totalElements"] == 1
        })
        .await;
    market.stop().await;
}

/// Whichever comes first: a withdrawn offer's deposit is the buyer's, and a confirmed one is not withdrawn.
#[tokio::test]
async fn a_transfer_is_withdrawn_or_confirmed() {
    let market = Market::start().await;
    let client = &market.client;
    let post_id = market.post("seller01", 1000, 100).await;
    let mut withdrawn = 0;
    for round in 0..20 {
        let buyer = format!("buyer{round}");
        let body = json!({"userId": buyer, "postId": post_id, "offerType": "dealOffered", "payMethod": "bankTransfer"});
        let offer = market.post_patiently("/offers", body).await.expect(201)["offerId"].clone();
        let payments = format!("/payments?offerId={offer}");
        let list = market.until(&payments, |list| list["page"]["totalElements"] == 1).await;
        let (offer, payment) = (
            format!("/offers/{offer}"),
            format!("/payments/{}", list["_embedded"]["payments"][0]["paymentId"]),
        );
        let withdraw = client.patch(&offer, json!({"offerStatus": "offerCanceled"}));
        let confirm = client.patch(&payment, json!({"state": "held"}));
        let (withdraw, confirm) = tokio::join!(withdraw, confirm);
        confirm.expect(200);
        let (state, wallet) = match withdraw.status.as_u16() {
            200 => ("refunded", (json!(1000), json!(0))),
            _ => {
                withdraw.expect_problem(409, "deposit-confirmed");
                ("held", (json!(0), json!(1000)))
            }
        };
        withdrawn += usize::from(state == "refunded");
        market.until(&payment, |payment| payment["state"] == state).await;
        let purse = client.get(&format!("/wallets/{buyer}")).await.expect(200);
        assert_eq!((purse["balance"].clone(), purse["held"].clone()), wallet, "round {round}");
        let open = client.get(&offer).await.expect(200)["offerStatus"] == "offerPlaced";
        assert_eq!(open, state == "held", "round {round}");
    }
    println!("{withdrawn} of 20 were withdrawn");
    market.stop().await;
}

#[tokio::test]
async fn the_last_of_several_units_goes_to_one() {
    let market = Market::start().await;
    let post_id = market.post("seller01", 1000, 5).await;
    let buyers: Vec<_> = (0..20).map(|number| format!("buyer{number}")).collect();
    let offers = join_all(buyers.iter().map(|buyer| market.offer(buyer, post_id))).await;
    let asked = buyers
        .iter()
        .zip(&offers)
        .map(|(buyer, offer_id)| market.reserve_patiently(buyer, post_id, *offer_id));
    let replies = join_all(asked).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 5);
    market
        .until(&format!("/posts/{post_id}"), |post| {
            post["availableQty"] == 0 && post["status"] == "dealReserved"
        })
        .await;
    market.stop().await;
}

/// A withdrawal and a reservation of the same offer, at the same moment, many times: either the deal stands and the offer
/// is its own, or the deal is canceled and the unit is free again.
#[tokio::test]
async fn an_offer_withdrawn_while_being_reserved_leaves_no_deal() {
    let market = Market::start().await;
    let rounds = (0..20).map(async |round| {
        let buyer = format!("buyer{round}");
        let post_id = market.post("seller01", 1000, 1).await;
        let offer_id = market.offer(&buyer, post_id).await;
        let path = format!("/offers/{offer_id}");
        let withdraw = market.client.patch(&path, json!({"offerStatus": "offerCanceled"}));
        let (reserved, withdrawn) =
            tokio::join!(market.reserve_patiently(&buyer, post_id, offer_id), withdraw);
        withdrawn.expect(200);
        assert!([201, 409].contains(&reserved.status.as_u16()), "{:#}", reserved.body);
        market.until(&path, |offer| offer["offerStatus"] == "offerCanceled").await;
        if reserved.status == 201 {
            let deal = format!("/deals/{}", reserved.body["dealId"]);
            market.until(&deal, |deal| deal["status"] == "dealCanceled").await;
        }
        market.until(&format!("/posts/{post_id}"), |post| post["status"] == "created").await;
        // The unit can be had again.
        let other = market.offer("다른 사람", post_id).await;
        market.reserve_patiently("다른 사람", post_id, other).await.expect(201);
    });
    join_all(rounds).await;
    market.stop().await;
}

/// The seller hides or deletes the post while it is being reserved: the deal stands, or is canceled by compensation.
#[tokio::test]
async fn a_post_taken_away_while_being_reserved_compensates() {
    let market = Market::start().await;
    let rounds = (0..20).map(async |round| {
        let buyer = format!("buyer{round}");
        let post_id = market.post("seller01", 1000, 1).await;
        let offer_id = market.offer(&buyer, post_id).await;
        let path = format!("/posts/{post_id}");
        let (reserved, deleted) =
            tokio::join!(market.reserve_patiently(&buyer, post_id, offer_id), market.client.delete(&path));
        let outcome = (reserved.status.as_u16(), deleted.status.as_u16());
        assert!([201, 404, 409].contains(&outcome.0) && [204, 409].contains(&outcome.1), "{outcome:?}");
        if outcome == (201, 204) {
            let deal = format!("/deals/{}", reserved.body["dealId"]);
            market.until(&deal, |deal| deal["status"] == "dealCanceled").await;
        }
        if outcome.1 == 204 {
            market.client.get(&path).await.expect(404);
            market
                .until(&format!("/offers/{offer_id}"), |offer| offer["offerStatus"] == "offerCanceled")
                .await;
        }
    });
    join_all(rounds).await;
    market.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_used_a_hundred_times_at_once_has_one_effect() {
    let market = Market::start().await;
    let asked = (0..100).map(|_| {
        let body = json!({"userId": "seller01", "goods": "무선마우스", "price": "10000"});
        market.client.send(reqwest::Method::POST, "/posts", &[("idempotency-key", "once")], Some(body))
    });
    let replies = join_all(asked.collect::<Vec<_>>()).await;
    assert!(replies.iter().all(|reply| [201, 409].contains(&reply.status.as_u16())));
    assert!(replies.iter().any(|reply| reply.status == 201));
    assert_eq!(market.client.get("/posts").await.expect(200)["page"]["totalElements"], 1);
    market.stop().await;
}
