//! What was confirmed to a client, held against what the API says afterwards.

use super::machines::Machines;
use futures::{StreamExt, stream};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::{BTreeMap, HashMap};

/// Requests at a time.
const AT_ONCE: usize = 8;

#[derive(Debug, Clone)]
pub struct Post {
    pub id: i64,
    /// The client that wrote it; nobody else edits it, so that its last word is known.
    pub writer: u64,
    pub seller: String,
    pub goods: String,
    pub hidden: bool,
    pub deleted: bool,
    pub price: i64,
}

#[derive(Debug, Clone)]
pub struct Offer {
    pub id: i64,
    pub post: i64,
    pub buyer: String,
    pub pay: &'static str,
    /// What it was answered, and that was confirmed.
    pub answers: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Deal {
    pub id: i64,
    pub buyer: String,
    pub seller: String,
    pub delivery: bool,
    pub steps: Vec<&'static str>,
}

/// What was confirmed.
#[derive(Debug, Default)]
pub struct Promises {
    pub posts: Vec<Post>,
    pub offers: Vec<Offer>,
    pub deals: Vec<Deal>,
    /// Payments and the states that were confirmed.
    pub payments: HashMap<i64, Vec<&'static str>>,
    pub reviews: Vec<i64>,
    pub messages: Vec<i64>,
    /// Wishes and alerts, and whether they are still there.
    pub wishes: BTreeMap<i64, bool>,
    pub alerts: BTreeMap<i64, bool>,
    pub read_notifications: Vec<(i64, String)>,
    /// Deposits less withdrawals, by person, and how many there were.
    pub banked: BTreeMap<String, i64>,
    pub transfers: i64,
    /// Paid offers that were refused after an attempt whose answer was lost: the first attempt may still have placed one.
    pub unclear_offers: i64,
    /// How often each command was answered with what.
    pub answers: BTreeMap<String, u64>,
    /// Requests that had to be sent again.
    pub repeated: u64,
    /// Confirmed commands.
    pub confirmed: u64,
    pub findings: Vec<String>,
}

struct Api {
    http: reqwest::Client,
    gateway: String,
}

/// A question to the API, and what its answer must be: the status, and what holds of the body.
type Question<'a> = (String, u16, Box<dyn Fn(&Value) -> bool + Send + Sync + 'a>);

impl Api {
    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("{}{path}", self.gateway)).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn wrong(&self, (path, status, holds): Question<'_>) -> Option<String> {
        let (answered, body) = self.get(&path).await;
        (answered != status || !holds(&body))
            .then(|| format!("promised otherwise: {path}: {answered} {body}"))
    }

    /// Every item of a collection.
    async fn all(&self, collection: &str) -> Vec<Value> {
        let mut items = Vec::new();
        for page in 0.. {
            let (status, mut body) = self.get(&format!("/{collection}?size=1000&page={page}")).await;
            assert_eq!(status, 200);
            let more = body["_embedded"][collection].as_array_mut().map(std::mem::take).unwrap_or_default();
            if more.is_empty() {
                break;
            }
            items.extend(more);
        }
        items
    }
}

/// Whether each promised step is among those that the API shows. How often is the auditor's to say: written twice at once,
/// a step is one.
fn contains(shown: &Value, field: &str, promised: &[&str]) -> bool {
    let there = |step: &str| shown.as_array().into_iter().flatten().any(|one| one[field] == step);
    promised.iter().all(|step| there(step))
}

/// The promises that were not kept.
pub async fn broken(promises: &Promises, machines: &Machines) -> Vec<String> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let api = Api { http, gateway: machines.address("gateway") };
    let mut questions: Vec<Question<'_>> = Vec::new();
    for post in &promises.posts {
        let path = format!("/posts/{}?userId={}", post.id, post.seller);
        let status = if post.deleted { 404 } else { 200 };
        let said = |body: &Value| body["goods"] == post.goods && body["hidden"] == post.hidden;
        questions.push((path, status, Box::new(move |body| post.deleted || said(body))));
    }
    for offer in &promises.offers {
        let stands = |body: &Value| {
            let status = body["offerStatus"].as_str().unwrap_or_default().to_owned();
            offer.answers.iter().all(|answer| match *answer {
                "offerAccepted" => status != "offerPlaced",
                // Final, unless its deal had gone further and ended.
                last => status == last || status == "dealEnded",
            })
        };
        questions.push((format!("/offers/{}", offer.id), 200, Box::new(stands)));
    }
    for deal in &promises.deals {
        let took = |body: &Value| contains(&body["history"], "status", &deal.steps);
        questions.push((format!("/deals/{}", deal.id), 200, Box::new(took)));
    }
    for (id, states) in &promises.payments {
        let took = move |body: &Value| contains(&body["payLog"], "state", states);
        questions.push((format!("/payments/{id}"), 200, Box::new(took)));
    }
    let there = [("reviews", &promises.reviews), ("messages", &promises.messages)];
    for (collection, ids) in there {
        questions.extend(
            ids.iter().map(|id| -> Question<'_> { (format!("/{collection}/{id}"), 200, Box::new(|_| true)) }),
        );
    }
    for (collection, ids) in [("wishlists", &promises.wishes), ("alerts", &promises.alerts)] {
        for (id, there) in ids {
            let status = if *there { 200 } else { 404 };
            questions.push((format!("/{collection}/{id}"), status, Box::new(|_| true)));
        }
    }
    for (id, person) in &promises.read_notifications {
        let path = format!("/notifications/{id}?userId={person}");
        questions.push((path, 200, Box::new(|body| !body["readDt"].is_null())));
    }
    let wrong = stream::iter(questions).map(|question| api.wrong(question)).buffer_unordered(AT_ONCE);
    let mut broken: Vec<_> = wrong.filter_map(async |wrong| wrong).collect().await;
    broken.extend(wrong_wallets(promises, &api).await);
    broken.extend(doubled(promises, machines).await);
    broken
}

/// Wallets that are not what was paid in and out and what the payments say.
async fn wrong_wallets(promises: &Promises, api: &Api) -> Vec<String> {
    let mut due: BTreeMap<String, i64> = promises.banked.clone();
    for payment in api.all("payments").await {
        let amount = payment["amount"].as_i64().unwrap();
        let person = |field: &str| payment[field].as_str().unwrap().to_owned();
        let from_bank = payment["payMethod"] == "bankTransfer";
        let state = payment["state"].as_str().unwrap();
        // What a bank transfer brought in is the buyer's, held or given back, until it is the seller's.
        let buyers = match state {
            "held" | "refunded" if from_bank => amount,
            "released" if !from_bank => -amount,
            _ => 0,
        };
        *due.entry(person("userId")).or_default() += buyers;
        if state == "released" {
            *due.entry(person("sellerId")).or_default() += amount;
        }
    }
    let mut wrong = Vec::new();
    for (person, due) in due {
        let (_, wallet) = api.get(&format!("/wallets/{person}")).await;
        let has = wallet["balance"].as_i64().unwrap() + wallet["held"].as_i64().unwrap();
        if has != due {
            wrong.push(format!("{person} has {has} won, and should have {due}: {wallet}"));
        }
    }
    wrong
}

/// Every command was repeated until it was answered, so there is exactly what was confirmed.
async fn doubled(promises: &Promises, machines: &Machines) -> Vec<String> {
    let mut connection = PgConnection::connect_with(machines.database()).await.unwrap();
    let there = |ids: &BTreeMap<i64, bool>| ids.values().filter(|there| **there).count();
    let offers = promises.offers.len();
    let unclear = usize::try_from(promises.unclear_offers).unwrap();
    let mut wrong = Vec::new();
    for (what, least, most) in [
        ("post.post", promises.posts.len(), promises.posts.len()),
        ("offer.offer where not pending", offers, offers + unclear),
        ("deal.deal", promises.deals.len(), promises.deals.len()),
        ("deal.review", promises.reviews.len(), promises.reviews.len()),
        ("offer.wishlist", there(&promises.wishes), there(&promises.wishes)),
        ("notification.alert", there(&promises.alerts), there(&promises.alerts)),
        ("deal.movement where payment_id is null", transfers(promises), transfers(promises)),
    ] {
        let sql = AssertSqlSafe(format!("select count(*) from {what}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        if !(least..=most).contains(&usize::try_from(count).unwrap()) {
            wrong.push(format!("{count} rows in {what}, {least} to {most} were confirmed"));
        }
    }
    wrong
}

fn transfers(promises: &Promises) -> usize {
    usize::try_from(promises.transfers).unwrap()
}
