//! Events as they arrive, and somebody who listens.

use chassis::testing::{Client, TestService};
use serde_json::{Value, json};
use shared_events::{
    DealEnded, DealReserved, Envelope, Event, MessageSent, OfferAccepted, OfferCanceled, OfferPlaced,
    WireDate,
};
use std::time::Duration;
use tokio::time::timeout;

/// Second `second` of the day.
pub(crate) fn at(second: i64) -> WireDate {
    WireDate::from_epoch_millis(1_727_136_000_000 + second * 1000).expect("a day of this age")
}

/// An event of second `second`: what every one of its kind has, and the fields given.
pub(crate) fn event<E: Event>(second: i64, fields: Value) -> Envelope {
    event_at::<E>(at(second), fields)
}

/// The same, at any time.
pub(crate) fn event_at<E: Event>(at: WireDate, fields: Value) -> Envelope {
    let mut all = json!({
        "postId": 1, "sellerId": "seller01", "userId": "buyer03", "offerId": 3, "dealId": 2, "price": 510_000,
        "offeredPrice": 510_000, "agreedPrice": 510_000, "qty": 1, "offerType": "priceNegotiated",
        "offerStatus": "offerPlaced", "payMethod": "none", "expiresDt": null, "reason": null,
        "status": "dealReserved", "createDt": at, "updateDt": at, "reserveDt": null, "fulfilment": "meetup",
        "meetPlace": null, "listedPrice": null, "messageId": 1, "goods": "아이폰13 공기계", "address": null, "photos": null,
        "category": null, "version": 1, "previousPrice": 600_000, "availableQty": 0, "wishlistId": 1,
    });
    let fields = fields.as_object().expect("fields by name").clone();
    all.as_object_mut().expect("fields by name").extend(fields);
    let event: E = serde_json::from_value(all).expect("all fields of the event");
    Envelope::at(&event, at, None)
}

/// Somebody writes to `to`: one notification.
pub(crate) fn message(second: i64, to: &str, body: &str) -> Envelope {
    event::<MessageSent>(second, json!({"toUserId": to, "body": body}))
}

/// The seeds' walk of post 1.
pub(crate) fn walk() -> Vec<Envelope> {
    let loser = |reason: Option<&str>| json!({"offerId": 2, "userId": "buyer02", "offeredPrice": 500_000, "agreedPrice": 500_000, "reason": reason});
    vec![
        event::<OfferPlaced>(1, loser(None)),
        event::<OfferPlaced>(2, json!({})),
        event::<OfferAccepted>(3, json!({})),
        event::<DealReserved>(4, json!({})),
        event::<DealEnded>(5, json!({"status": "dealEnded"})),
        event::<OfferCanceled>(6, loser(Some("post-ended"))),
    ]
}

pub(crate) async fn told(notification: &TestService, query: &str) -> Vec<String> {
    let body = notification.client.get(query).await.expect(200);
    let rows = body["_embedded"]["notifications"].as_array().expect("a list").clone();
    rows.iter().map(|row| format!("{}: {}", row["userId"], row["message"]).replace('"', "")).collect()
}

/// What came by a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) id: i64,
    pub(crate) data: Value,
}

impl Heard {
    /// What it tells.
    pub(crate) fn message(&self) -> &str {
        self.data["message"].as_str().expect("a message")
    }
}

/// Listens as a browser does.
pub(crate) struct Ear {
    response: reqwest::Response,
    buffer: Vec<u8>,
    /// What the browser would come back with.
    pub(crate) last: Option<i64>,
}

impl Ear {
    /// Opens a stream, and returns when it has begun: what happens now is heard.
    pub(crate) async fn open(client: &Client, path: &str, last: Option<i64>) -> Self {
        // A connection of its own, which closes when this is dropped.
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let mut request = http.get(format!("{}{path}", client.base()));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut ear = Self { response, buffer: Vec::new(), last: None };
        let beginning = ear.block().await.expect("a beginning");
        assert!(beginning.contains("retry: 1000") && !beginning.contains("data:"), "{beginning}");
        ear
    }

    /// The next notification; None when the stream ends.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        // Heartbeats do not count.
        timeout(Duration::from_secs(10), self.notification()).await.expect("something to hear")
    }

    async fn notification(&mut self) -> Option<Heard> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let Some(data) = field("data:") else { continue };
            assert_eq!(field("event:"), Some("notification"));
            let data = serde_json::from_str(data).expect("JSON");
            return Some(Heard { id: self.last.expect("every event has an id"), data });
        }
    }

    /// The next so many.
    pub(crate) async fn hear(&mut self, count: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        for _ in 0..count {
            heard.push(self.next().await.expect("the stream goes on"));
        }
        heard
    }

    /// Fails if anything comes within so many milliseconds.
    pub(crate) async fn hears_nothing_for(&mut self, milliseconds: u64) {
        if let Ok(heard) = timeout(Duration::from_millis(milliseconds), self.next()).await {
            panic!("heard {heard:?}");
        }
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<_> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).expect("UTF-8");
                if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id:")) {
                    self.last = Some(id.trim().parse().expect("a number"));
                }
                return Some(block);
            }
            let chunk =
                timeout(Duration::from_secs(30), self.response.chunk()).await.expect("something comes");
            // That it is cut off is as good as an end.
            self.buffer.extend(chunk.ok().flatten()?);
        }
    }
}
