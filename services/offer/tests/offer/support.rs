//! What the stories below are told with.

use crate::gateway::Gateway;
use chassis::testing::{Reply, TestService};
use serde_json::{Value, json};
use shared_events::{
    DealCanceled, DealEnded, DealReserved, DealStatus, Envelope, Fulfilment, PostStatus, PostWrote, Publish,
    QtyDecreased, StatusUpdated, WireDate,
};

pub(crate) const PRICE: i64 = 600_000;

/// The offer service, and the gateway it asks.
pub(crate) struct Market {
    pub(crate) service: TestService,
    pub(crate) gateway: Gateway,
}

impl Market {
    pub(crate) async fn open() -> Self {
        let gateway = Gateway::start().await;
        let service = TestService::behind(offer::service(), gateway.url()).await;
        Self { service, gateway }
    }

    /// A post of one unit, of which the offer service has heard.
    pub(crate) async fn post(&self, post_id: i64) {
        self.service.deliver(&post_wrote(post_id, 1)).await;
    }

    /// What the post service answers about a post, if asked.
    pub(crate) fn owner_says(&self, post_id: i64, changes: &Value) {
        self.gateway.tell(format!("/posts/{post_id}/availability"), availability(post_id, changes));
    }

    pub(crate) async fn place(&self, body: Value) -> Reply {
        self.service.client.post("/offers", body).await
    }

    /// Places an offer at the price, and hands it on.
    pub(crate) async fn placed(&self, post_id: i64, buyer: &str) -> Value {
        self.place(at_the_price(post_id, buyer)).await.expect(201)
    }

    pub(crate) async fn answer(&self, offer: &Value, status: &str) -> Reply {
        self.patch(offer, json!({"offerStatus": status})).await
    }

    pub(crate) async fn patch(&self, offer: &Value, body: Value) -> Reply {
        self.service.client.patch(&format!("/offers/{}", offer["offerId"]), body).await
    }

    pub(crate) async fn status(&self, offer: &Value) -> String {
        let offer = self.service.client.get(&format!("/offers/{}", offer["offerId"])).await.expect(200);
        offer["offerStatus"].as_str().expect("a word").to_owned()
    }

    /// How many offers a list's filter finds.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        let list = self.service.client.get(&format!("/offers?{query}")).await.expect(200);
        list["page"]["totalElements"].as_i64().expect("a number")
    }

    /// Delivers each record twice in a row.
    pub(crate) async fn twice(&self, events: &[Envelope]) {
        for event in events {
            self.service.deliver_envelopes(&[event.clone(), event.clone()]).await;
        }
    }

    /// None of the events delivered so far was at fault.
    pub(crate) async fn assert_no_dead_letters(&self) {
        let letters = self.service.client.get("/dead-letters").await.expect(200);
        assert_eq!(letters["page"]["totalElements"], 0, "{letters:#}");
    }
}

pub(crate) fn at_the_price(post_id: i64, buyer: &str) -> Value {
    json!({"userId": buyer, "postId": post_id, "offerType": "dealOffered"})
}

pub(crate) fn negotiated(post_id: i64, buyer: &str, offered_price: i64) -> Value {
    json!({"userId": buyer, "postId": post_id, "offerType": "priceNegotiated", "offeredPrice": offered_price})
}

/// A new post's answer to the status check, but for `changes`.
pub(crate) fn availability(post_id: i64, changes: &Value) -> Value {
    let mut answer = json!({
        "postId": post_id, "userId": "seller", "price": PRICE, "qty": 1, "availableQty": 1,
        "status": "created", "hidden": false, "version": 1,
    });
    let fields = answer.as_object_mut().expect("an object");
    fields.extend(changes.as_object().expect("an object").clone());
    answer
}

pub(crate) fn post_wrote(post_id: i64, qty: i32) -> PostWrote {
    PostWrote {
        post_id,
        user_id: "seller".into(),
        create_dt: Some(WireDate::now()),
        price: PRICE,
        address: None,
        photos: None,
        status: PostStatus::Created,
        goods: "아이폰13 공기계".into(),
        qty,
        category: None,
        version: 1,
    }
}

pub(crate) fn status_updated(post_id: i64, status: PostStatus, version: i64) -> StatusUpdated {
    let available_qty = i32::from(status == PostStatus::Created);
    let (user_id, update_dt) = ("seller".into(), WireDate::now());
    StatusUpdated { post_id, status, update_dt, user_id, available_qty, version }
}

pub(crate) fn qty_decreased(post_id: i64, available_qty: i32) -> QtyDecreased {
    QtyDecreased { post_id, deal_id: 1, qty: 1, available_qty }
}

fn text(offer: &Value, field: &str) -> String {
    offer[field].as_str().expect("a text").to_owned()
}

fn number(offer: &Value, field: &str) -> i64 {
    offer[field].as_i64().expect("a number")
}

pub(crate) fn deal_reserved(offer: &Value) -> DealReserved {
    let ended = deal_ended(offer);
    DealReserved {
        deal_id: ended.deal_id,
        post_id: ended.post_id,
        user_id: ended.user_id,
        status: DealStatus::DealReserved,
        update_dt: ended.update_dt,
        price: ended.price,
        offer_id: ended.offer_id,
        seller_id: ended.seller_id,
        qty: ended.qty,
        reserve_dt: None,
        fulfilment: Fulfilment::Meetup,
        listed_price: None,
        meet_place: None,
        address: None,
    }
}

pub(crate) fn deal_ended(offer: &Value) -> DealEnded {
    DealEnded {
        deal_id: number(offer, "offerId") + 100,
        post_id: number(offer, "postId"),
        user_id: text(offer, "userId"),
        status: DealStatus::DealEnded,
        update_dt: WireDate::now(),
        price: number(offer, "agreedPrice"),
        offer_id: number(offer, "offerId"),
        seller_id: text(offer, "sellerId"),
        qty: i32::try_from(number(offer, "qty")).expect("few units"),
        reserve_dt: None,
        fulfilment: Fulfilment::Meetup,
    }
}

pub(crate) fn deal_canceled(offer: &Value) -> DealCanceled {
    let ended = deal_ended(offer);
    DealCanceled {
        deal_id: ended.deal_id,
        post_id: ended.post_id,
        user_id: ended.user_id,
        status: DealStatus::DealCanceled,
        update_dt: ended.update_dt,
        offer_id: ended.offer_id,
        seller_id: ended.seller_id,
        price: ended.price,
        qty: ended.qty,
        reason: None,
    }
}

/// Wrapped to travel, once: a second delivery is the same record.
pub(crate) fn record(event: &impl Publish) -> Envelope {
    event.envelope(None)
}

/// The JSON of a published event, without the time that differs each run.
pub(crate) fn timeless((kind, mut event): (String, Value)) -> Value {
    assert_eq!(event["eventType"], kind.as_str());
    let timestamp = event.as_object_mut().expect("an object").remove("timestamp");
    assert!(timestamp.is_some_and(|millis| millis.as_i64().is_some()), "{event:#}");
    event
}
