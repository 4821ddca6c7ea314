//! What the stories below are told with.

use crate::gateway::Gateway;
use chassis::testing::{Reply, TestService};
use serde_json::{Value, json};
use shared_events::{
    Envelope, OfferAccepted, OfferCanceled, OfferPlaced, OfferRefused, OfferStatus, OfferType, PayMethod,
    PostUnavailable, Publish, WireDate, Won,
};

pub(crate) const PRICE: i64 = 600_000;

/// The deal service, and the gateway it asks.
pub(crate) struct Market {
    pub(crate) service: TestService,
    pub(crate) gateway: Gateway,
}

/// An offer, as its own service knows it.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) offer_id: i64,
    pub(crate) post_id: i64,
    pub(crate) buyer: String,
    pub(crate) offered_price: Option<Won>,
    pub(crate) qty: i32,
    pub(crate) pay_method: PayMethod,
    pub(crate) expires_dt: Option<WireDate>,
}

/// The offer of a buyer who pays the price, for one unit of post 1.
pub(crate) fn offer(offer_id: i64) -> Offer {
    Offer {
        offer_id,
        post_id: 1,
        buyer: format!("buyer{offer_id}"),
        offered_price: None,
        qty: 1,
        pay_method: PayMethod::None,
        expires_dt: None,
    }
}

/// The three answers carry the same fields.
macro_rules! answer {
    ($offer:ident, $event:ident) => {
        $event {
            offer_id: $offer.offer_id,
            user_id: $offer.buyer.clone(),
            offered_price: $offer.offered_price,
            post_id: $offer.post_id,
            offer_status: OfferStatus::$event,
            seller_id: "seller".into(),
            qty: $offer.qty,
            agreed_price: $offer.agreed_price(),
            pay_method: $offer.pay_method,
            reason: None,
        }
        .envelope(None)
    };
}

impl Offer {
    pub(crate) fn on(self, post_id: i64) -> Self {
        Self { post_id, ..self }
    }

    pub(crate) fn at(self, price: Won) -> Self {
        Self { offered_price: Some(price), ..self }
    }

    pub(crate) fn units(self, qty: i32) -> Self {
        Self { qty, ..self }
    }

    pub(crate) fn by(self, buyer: &str) -> Self {
        Self { buyer: buyer.to_owned(), ..self }
    }

    pub(crate) fn paid_by(self, pay_method: PayMethod) -> Self {
        Self { pay_method, ..self }
    }

    pub(crate) fn until(self, expires_dt: WireDate) -> Self {
        Self { expires_dt: Some(expires_dt), ..self }
    }

    pub(crate) fn agreed_price(&self) -> Won {
        self.offered_price.unwrap_or(PRICE)
    }

    fn offer_type(&self) -> OfferType {
        if self.offered_price.is_some() { OfferType::PriceNegotiated } else { OfferType::DealOffered }
    }

    /// The least that a client has to say.
    pub(crate) fn reservation(&self) -> Value {
        json!({"offerId": self.offer_id, "postId": self.post_id, "userId": self.buyer})
    }

    pub(crate) fn placed(&self) -> Envelope {
        OfferPlaced {
            offer_id: self.offer_id,
            user_id: self.buyer.clone(),
            price: PRICE,
            offered_price: self.offered_price,
            post_id: self.post_id,
            offer_status: OfferStatus::OfferPlaced,
            offer_type: self.offer_type(),
            seller_id: "seller".into(),
            qty: self.qty,
            agreed_price: self.agreed_price(),
            pay_method: self.pay_method,
            expires_dt: self.expires_dt,
        }
        .envelope(None)
    }

    pub(crate) fn accepted(&self) -> Envelope {
        answer!(self, OfferAccepted)
    }

    pub(crate) fn refused(&self) -> Envelope {
        answer!(self, OfferRefused)
    }

    pub(crate) fn canceled(&self) -> Envelope {
        answer!(self, OfferCanceled)
    }

    /// What the offer service answers, if asked.
    fn answer(&self, status: OfferStatus) -> Value {
        json!({
            "offerId": self.offer_id, "postId": self.post_id, "userId": self.buyer, "sellerId": "seller",
            "offerType": self.offer_type(), "price": PRICE, "offeredPrice": self.offered_price,
            "agreedPrice": self.agreed_price(), "qty": self.qty, "payMethod": self.pay_method, "offerStatus": status,
            "expiresDt": self.expires_dt,
        })
    }
}

pub(crate) fn post_unavailable(deal: &Value, reason: &str) -> Envelope {
    let number = |field: &str| deal[field].as_i64().expect("a number");
    let (post_id, deal_id) = (number("postId"), number("dealId"));
    PostUnavailable { post_id, deal_id, reason: reason.into() }.envelope(None)
}

impl Market {
    /// A market with one post of one unit, post 1.
    pub(crate) async fn open() -> Self {
        Self::told(&[]).await
    }

    /// The same, with other settings of the service.
    pub(crate) async fn told(options: &[&str]) -> Self {
        let gateway = Gateway::start().await;
        let service = deal::service().with(options).unwrap_or_else(|error| panic!("{error}"));
        let service = TestService::behind(service, gateway.url()).await;
        let market = Self { service, gateway };
        market.post_says(1, &json!({}));
        market
    }

    /// What the status check of a post answers; that of a new one, but for `changes`.
    pub(crate) fn post_says(&self, post_id: i64, changes: &Value) {
        let mut answer = json!({
            "postId": post_id, "userId": "seller", "price": PRICE, "qty": 1, "availableQty": 1,
            "status": "created", "hidden": false, "version": 1,
        });
        let fields = answer.as_object_mut().expect("an object");
        fields.extend(changes.as_object().expect("an object").clone());
        self.gateway.tell(format!("/posts/{post_id}/availability"), answer);
    }

    /// What the offer service answers about an offer.
    pub(crate) fn owner_says(&self, offer: &Offer, status: OfferStatus) {
        self.gateway.tell(format!("/offers/{}", offer.offer_id), offer.answer(status));
    }

    /// Delivers each record twice in a row.
    pub(crate) async fn hear(&self, events: &[Envelope]) {
        for event in events {
            self.service.deliver_envelopes(&[event.clone(), event.clone()]).await;
        }
    }

    pub(crate) async fn reserve(&self, body: Value) -> Reply {
        self.service.client.post("/deals", body).await
    }

    /// Reserves an offer that has been placed, and hands the deal on.
    pub(crate) async fn reserved(&self, offer: &Offer) -> Value {
        self.hear(&[offer.placed()]).await;
        self.reserve(offer.reservation()).await.expect(201)
    }

    pub(crate) async fn patch(&self, deal: &Value, body: Value) -> Reply {
        self.service.client.patch(&format!("/deals/{}", deal["dealId"]), body).await
    }

    pub(crate) async fn write(&self, deal: &Value, status: &str) -> Reply {
        self.patch(deal, json!({"status": status})).await
    }

    pub(crate) async fn read(&self, deal: &Value) -> Value {
        self.service.client.get(&format!("/deals/{}", deal["dealId"])).await.expect(200)
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        let list = self.service.client.get(&format!("/deals?{query}")).await.expect(200);
        list["page"]["totalElements"].as_i64().expect("a number")
    }

    /// Units promised, and units of the deals that are not canceled: the same at every moment.
    pub(crate) async fn promised(&self, post_id: i64) -> i64 {
        let (promised, live, qty): (i64, i64, i64) = sqlx::query_as(
            "select coalesce((select promised from stock where post_id = $1), 0)::bigint,
                    coalesce((select sum(qty) from deal where post_id = $1 and status <> 'dealCanceled'), 0),
                    coalesce((select qty from stock where post_id = $1), 0)::bigint",
        )
        .bind(post_id)
        .fetch_one(&self.service.prepared.app.db)
        .await
        .expect("the tables are there");
        assert_eq!(promised, live, "units promised of post {post_id}");
        assert!(promised <= qty, "{promised} of {qty} units of post {post_id} are promised");
        promised
    }

    pub(crate) async fn assert_no_dead_letters(&self) {
        let letters = self.service.client.get("/dead-letters").await.expect(200);
        assert_eq!(letters["page"]["totalElements"], 0, "{letters:#}");
    }
}

/// The JSON of a published event, without the time that differs each run.
pub(crate) fn timeless((kind, mut event): (String, Value)) -> Value {
    assert_eq!(event["eventType"], kind.as_str());
    let timestamp = event.as_object_mut().expect("an object").remove("timestamp");
    assert!(timestamp.is_some_and(|millis| millis.as_i64().is_some()), "{event:#}");
    event
}
