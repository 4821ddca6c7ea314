//! Messages between buyer and seller.

use crate::support::{Market, at_the_price, timeless};
use chassis::testing::Reply;
use serde_json::{Value, json};
use shared_events::{PostDeleted, PostHidden, WireDate};

async fn send(market: &Market, body: Value) -> Reply {
    market.service.client.post("/messages", body).await
}

/// Who is told what by the lists of messages.
async fn bodies(market: &Market, query: &str) -> Vec<String> {
    let list = market.service.client.get(&format!("/messages?{query}")).await.expect(200);
    let messages = list["_embedded"]["messages"].as_array().expect("a list").clone();
    messages.iter().map(|message| message["body"].as_str().expect("a text").to_owned()).collect()
}

fn to_seller(from: &str, body: &str) -> Value {
    json!({"userId": from, "postId": 1, "body": body})
}

fn to_buyer(to: &str, body: &str) -> Value {
    json!({"userId": "seller", "toUserId": to, "postId": 1, "body": body})
}

#[tokio::test]
async fn a_thread_is_read_from_both_ends() {
    let market = Market::open().await;
    let client = &market.service.client;
    market.post(1).await;
    market.post(2).await;

    let reply = send(&market, to_seller("buyer01", "아직 있나요?\n내일 만나요")).await;
    assert!(reply.header("location").ends_with("/messages/1"));
    let mut message = reply.expect(201);
    let fields = message.as_object_mut().unwrap();
    assert!(fields.remove("createDt").is_some() && fields.remove("_links").is_some());
    let expected = json!({"messageId": 1, "postId": 1, "userId": "buyer01", "toUserId": "seller", "offerId": null,
                          "body": "아직 있나요?\n내일 만나요", "readDt": null});
    assert_eq!(message, expected);
    let [event] = market.service.published().await.try_into().expect("one event");
    let told = json!({"eventType": "MessageSent", "messageId": 1, "postId": 1, "userId": "buyer01",
                      "toUserId": "seller", "offerId": null, "body": "아직 있나요?\n내일 만나요"});
    assert_eq!(timeless(event), told);

    send(&market, to_buyer("buyer01", "네")).await.expect(201);
    send(&market, to_seller("buyer02", "저도요")).await.expect(201);
    send(&market, json!({"userId": "buyer01", "postId": 2, "body": "이것도요"})).await.expect(201);
    assert_eq!(bodies(&market, "postId=1&userId=buyer01").await, ["아직 있나요?\n내일 만나요", "네"]);
    assert_eq!(bodies(&market, "userId=buyer01").await.len(), 3);
    assert_eq!(bodies(&market, "postId=1&userId=seller").await.len(), 3);
    assert_eq!(bodies(&market, "postId=1&userId=seller&withUserId=buyer02").await, ["저도요"]);
    assert_eq!(bodies(&market, "toUserId=buyer01").await, ["네"]);
    assert_eq!(bodies(&market, "toUserId=seller&unread=true").await.len(), 3);

    let mark = async |body: Value| client.patch("/messages/1", body).await;
    mark(json!({"read": true, "userId": "buyer01"})).await.expect_problem(403, "not-the-recipient");
    let read = mark(json!({"read": true, "userId": "seller"})).await.expect(200);
    assert!(read["readDt"].is_string());
    assert_eq!(mark(json!({"read": "true"})).await.expect(200), read, "the first mark stays");
    assert_eq!(client.get("/messages/1").await.expect(200), read);
    assert_eq!(bodies(&market, "toUserId=seller&unread=true").await, ["저도요", "이것도요"]);
    assert_eq!(bodies(&market, "toUserId=seller&unread=false").await.len(), 1);
    client.patch("/messages/99", json!({"read": true})).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn only_buyer_and_seller_of_the_post_write() {
    let market = Market::open().await;
    market.post(1).await;
    market.post(2).await;
    let offer = market.placed(1, "bidder").await;
    let elsewhere = market.placed(2, "bidder").await;
    let about = |mut body: Value, offer: &Value| {
        body["offerId"] = offer["offerId"].clone();
        body
    };

    let mut other_than_seller = to_seller("buyer", "hi");
    other_than_seller["toUserId"] = json!("bidder");
    for (body, status, code) in [
        (other_than_seller, 409, "not-in-this-thread"),
        (to_buyer("stranger", "사세요"), 409, "not-in-this-thread"),
        (to_buyer("seller", "나에게"), 409, "not-in-this-thread"),
        (to_seller("seller", "누구?"), 400, "malformed-request"),
        (about(to_seller("buyer", "hi"), &offer), 409, "offer-not-in-this-thread"),
        (about(to_seller("bidder", "hi"), &elsewhere), 409, "offer-not-in-this-thread"),
        (about(to_seller("bidder", "hi"), &json!({"offerId": 999})), 409, "offer-not-in-this-thread"),
        (to_seller("buyer", " "), 422, "unacceptable-value"),
        (to_seller("buyer", &"가".repeat(2001)), 422, "unacceptable-value"),
        (to_seller("buyer", "a\u{7}b"), 422, "unacceptable-value"),
        (json!({"userId": "buyer", "postId": 1}), 400, "malformed-request"),
        (json!({"body": "hi", "postId": 1}), 400, "malformed-request"),
        (json!({"userId": "buyer", "postId": 7, "body": "hi"}), 404, "post-not-found"),
    ] {
        send(&market, body.clone()).await.expect_problem(status, code);
    }
    assert!(bodies(&market, "").await.is_empty());
    // An offer opens a thread as well as a message does, and so the seller may write first.
    send(&market, about(to_buyer("bidder", "거래할게요"), &offer)).await.expect(201);
    send(&market, about(to_seller("bidder", &"가".repeat(2000)), &offer)).await.expect(201);
}

#[tokio::test]
async fn a_hidden_or_deleted_post_is_talked_about_by_those_who_know_it() {
    let (user_id, update_dt) = (String::from("seller"), WireDate::now());
    for gone in [false, true] {
        let market = Market::open().await;
        market.post(1).await;
        send(&market, to_seller("writer", "있나요?")).await.expect(201);
        market.place(at_the_price(1, "bidder")).await.expect(201);
        if gone {
            market.service.deliver(&PostDeleted { post_id: 1, user_id: user_id.clone() }).await;
        } else {
            market.owner_says(1, &json!({"hidden": true, "version": 2}));
            market
                .service
                .deliver(&PostHidden { post_id: 1, user_id: user_id.clone(), update_dt, version: 2 })
                .await;
        }
        send(&market, to_seller("stranger", "있나요?")).await.expect_problem(404, "post-not-found");
        for known in
            [to_seller("writer", "왜요?"), to_seller("bidder", "왜요?"), to_buyer("writer", "미안해요")]
        {
            send(&market, known).await.expect(201);
        }
    }
}

#[tokio::test]
async fn words_go_along_with_an_answer() {
    let market = Market::open().await;
    market.post(1).await;
    for (status, kind, from, to) in [
        ("offerAccepted", "OfferAccepted", "seller", "buyer1"),
        ("offerRefused", "OfferRefused", "seller", "buyer2"),
        ("offerCanceled", "OfferCanceled", "buyer3", "seller"),
    ] {
        let buyer = if to == "seller" { from } else { to };
        let offer = market.placed(1, buyer).await;
        market.service.published().await;
        let body = json!({"offerStatus": status, "message": "이렇게 할게요"});
        market.patch(&offer, body.clone()).await.expect(200);
        let [(first, _), (second, event)] = market.service.published().await.try_into().expect("two events");
        assert_eq!((&*first, &*second), (kind, "MessageSent"));
        assert_eq!((&event["userId"], &event["toUserId"]), (&json!(from), &json!(to)));
        assert_eq!((&event["offerId"], &event["body"]), (&offer["offerId"], &json!("이렇게 할게요")));
        // A repeat changes nothing, and says nothing twice.
        market.patch(&offer, body).await.expect(200);
        assert!(market.service.published().await.is_empty());
        assert_eq!(bodies(&market, &format!("postId=1&userId={buyer}")).await, ["이렇게 할게요"]);
    }
    let offer = market.placed(1, "buyer4").await;
    let faults =
        market.patch(&offer, json!({"message": "음"})).await.expect_problem(400, "malformed-request");
    assert_eq!(faults, ["offerStatus"]);
    let blank = json!({"offerStatus": "offerAccepted", "message": " "});
    market.patch(&offer, blank).await.expect_problem(422, "unacceptable-value");
    assert_eq!(market.status(&offer).await, "offerPlaced");
}
