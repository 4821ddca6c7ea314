//! Events of a marketplace whose clock ticks once a second, from midnight of 2024-09-24.

use serde_json::{Value, json};
use shared_events::{Envelope, Event, WireDate};

/// Second `second` of the day.
pub(crate) fn at(second: i64) -> WireDate {
    WireDate::from_epoch_millis(1_727_136_000_000 + second * 1000).expect("a day of this age")
}

/// An event that happened in that second: what every one of its kind has, and the fields given.
pub(crate) fn event<E: Event>(second: i64, fields: Value) -> Envelope {
    let mut all = json!({
        "createDt": at(second), "updateDt": at(second), "address": "방배동", "photos": null, "category": null,
        "goods": "아이폰13 공기계", "userId": "seller01", "sellerId": "seller01", "price": 600_000, "qty": 1,
        "previousPrice": 0, "availableQty": 0, "version": 1, "payMethod": "none", "expiresDt": null,
        "offerType": "priceNegotiated", "offeredPrice": null, "reason": null, "reserveDt": null,
        "fulfilment": "meetup", "listedPrice": null, "meetPlace": null, "dealId": null, "comment": null,
    });
    let fields = fields.as_object().expect("fields by name").clone();
    all.as_object_mut().expect("fields by name").extend(fields);
    let event: E = serde_json::from_value(all).expect("all fields of the event");
    Envelope::at(&event, at(second), None)
}
