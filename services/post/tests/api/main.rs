//! The post service over real PostgreSQL, through its router.

mod bad_input;
mod deals;
mod editing;
mod idempotency;
mod listing;
mod odd_requests;
mod writing;

use chassis::{
    shared_events::{DealCanceled, DealEnded, DealReserved, DealStatus, Fulfilment, WireDate, Won},
    testing::TestService,
};
use serde_json::{Value, json};

async fn start() -> TestService {
    TestService::start(post::service()).await
}

/// What the seeds' walk writes: httpie sends numbers as strings.
fn iphone() -> Value {
    json!({"userId": "seller01", "goods": "아이폰13 공기계", "price": "600000", "address": "방배동"})
}

/// `base` with other or further fields.
fn with(mut base: Value, fields: Value) -> Value {
    let fields = fields.as_object().expect("an object").clone();
    base.as_object_mut().expect("an object").extend(fields);
    base
}

/// Writes a post and forgets its events; answers its id.
async fn written(service: &TestService, body: Value) -> i64 {
    let post = service.client.post("/posts", body).await.expect(201);
    service.published().await;
    post["postId"].as_i64().expect("a number")
}

const LISTED: Won = 600_000;

/// A deal about units of a post, and what becomes of it.
#[derive(Clone, Copy)]
struct Deal {
    id: i64,
    post: i64,
    qty: i32,
}

impl Deal {
    fn reserved(self) -> DealReserved {
        self.reserved_at(Some(LISTED))
    }

    fn reserved_at(self, listed_price: Option<Won>) -> DealReserved {
        DealReserved {
            deal_id: self.id,
            post_id: self.post,
            user_id: "buyer01".to_owned(),
            status: DealStatus::DealReserved,
            update_dt: WireDate::now(),
            price: LISTED,
            offer_id: self.id,
            seller_id: "seller01".to_owned(),
            qty: self.qty,
            reserve_dt: None,
            fulfilment: Fulfilment::Meetup,
            listed_price,
            meet_place: None,
            address: None,
        }
    }

    fn ended(self) -> DealEnded {
        DealEnded {
            deal_id: self.id,
            post_id: self.post,
            user_id: "buyer01".to_owned(),
            status: DealStatus::DealEnded,
            update_dt: WireDate::now(),
            price: LISTED,
            offer_id: self.id,
            seller_id: "seller01".to_owned(),
            qty: self.qty,
            reserve_dt: None,
            fulfilment: Fulfilment::Meetup,
        }
    }

    fn canceled(self) -> DealCanceled {
        DealCanceled {
            deal_id: self.id,
            post_id: self.post,
            user_id: "buyer01".to_owned(),
            status: DealStatus::DealCanceled,
            update_dt: WireDate::now(),
            offer_id: self.id,
            seller_id: "seller01".to_owned(),
            price: LISTED,
            qty: self.qty,
            reason: None,
        }
    }
}
