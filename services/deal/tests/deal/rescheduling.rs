//! The day and the place they meet.

use crate::support::{Market, offer, timeless};
use serde_json::{Value, json};

const FRIDAY: &str = "2024-09-27T00:00:00.000+00:00";

#[tokio::test]
async fn either_of_the_two_names_another_day_or_place() {
    let market = Market::open().await;
    let deal = market.reserved(&offer(1)).await;
    market.service.published().await;
    // A body, and the day and place that come of it; null where nothing changes.
    let table = [
        (json!({"reserveDt": "2024-09-27", "userId": "buyer1"}), json!([FRIDAY, null])),
        (json!({"meetPlace": " 방배역 ", "userId": "seller"}), json!([FRIDAY, "방배역"])),
        (
            json!({"meetPlace": "방배역", "reserveDt": "2024-09-27T09:00:00+09:00", "status": "dealReserved"}),
            json!(null),
        ),
        (json!({}), json!(null)),
        (json!({"status": "dealReserved", "meetPlace": "서초역"}), json!([FRIDAY, "서초역"])),
        (json!({"meetPlace": null, "updateDt": "2024-09-25"}), json!([FRIDAY, null])),
        (json!({"reserveDt": null}), json!([null, null])),
    ];
    let (mut stored, mut version) = (deal.clone(), 1);
    for (body, meeting) in table {
        let reply = market.patch(&deal, body.clone()).await;
        if !meeting.is_null() {
            version += 1;
            (stored["reserveDt"], stored["meetPlace"]) = (meeting[0].clone(), meeting[1].clone());
            stored["updateDt"] = reply.body["updateDt"].clone();
            let [event] = market.service.published().await.try_into().expect("one event");
            assert_eq!(
                timeless(event),
                json!({
                    "eventType": "DealRescheduled", "dealId": 1, "postId": 1, "userId": "buyer1", "status": "dealReserved",
                    "updateDt": stored["updateDt"], "sellerId": "seller", "offerId": 1, "reserveDt": meeting[0],
                    "meetPlace": meeting[1],
                })
            );
        }
        assert_eq!(reply.header("etag"), format!("\"{version}\""), "{body}");
        assert_eq!(reply.expect(200), stored, "{body}");
        assert_eq!(market.service.published_types().await, Vec::<String>::new());
    }
    market
        .patch(&deal, json!({"meetPlace": "x", "userId": "stranger"}))
        .await
        .expect_problem(403, "not-a-party");
    let faults = market.patch(&deal, json!({"reserveDt": "soon", "meetPlace": " "})).await;
    let mut faults = faults.expect_problem(400, "malformed-request");
    faults.sort();
    assert_eq!(faults, ["meetPlace", "reserveDt"]);
    assert_eq!(market.read(&deal).await, stored);
}

#[tokio::test]
async fn a_deal_that_is_over_keeps_its_day() {
    let market = Market::open().await;
    market.post_says(1, &json!({"qty": 9}));
    for (offer_id, end) in (1..).zip(["dealEnded", "dealCanceled"]) {
        let deal = market.reserved(&offer(offer_id)).await;
        market.patch(&deal, json!({"reserveDt": FRIDAY})).await.expect(200);
        let over = market.patch(&deal, json!({"status": end, "reserveDt": "2024-09-27"})).await.expect(200);
        market.service.published().await;
        for change in
            [json!({"reserveDt": "2024-09-28"}), json!({"reserveDt": null}), json!({"meetPlace": "방배역"})]
        {
            market.patch(&deal, change).await.expect_problem(409, "deal-not-open");
        }
        // What is repeated is no change.
        let same = json!({"reserveDt": FRIDAY, "meetPlace": Value::Null, "status": end});
        assert_eq!(market.patch(&deal, same).await.expect(200), over);
        assert_eq!(market.service.published_types().await, Vec::<String>::new());
    }
}
