//! People who trade while everything around them is killed, and remember what they were promised.

use super::promises::{Deal, Offer, Post, Promises};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A command that has no answer by then is a finding.
const PATIENCE: Duration = Duration::from_secs(180);
/// People look at what is new.
const RECENT: usize = 40;
const PEOPLE: usize = 12;

/// A client; all share what they know of the market.
pub struct Client {
    number: u64,
    http: reqwest::Client,
    gateway: String,
    random: SmallRng,
    commands: u64,
    market: Arc<Mutex<Promises>>,
}

/// The one in `from` that somebody would pick.
fn pick<'a, T>(random: &mut SmallRng, from: &'a [T], wanted: impl Fn(&T) -> bool) -> Option<&'a T> {
    let recent = from.iter().rev().take(RECENT).filter(|one| wanted(one)).collect::<Vec<_>>();
    (!recent.is_empty()).then(|| recent[random.random_range(0..recent.len())])
}

impl Client {
    pub fn new(number: u64, seed: u64, gateway: String, market: Arc<Mutex<Promises>>) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(15)).build().unwrap();
        let random = SmallRng::seed_from_u64(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { number, http, gateway, random, commands: 0, market }
    }

    /// Trades until it is told to stop. A command that was begun is brought to its end.
    pub async fn trade(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.act().await;
        }
    }

    fn market(&self) -> MutexGuard<'_, Promises> {
        self.market.lock().unwrap()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn person(&mut self) -> String {
        format!("person{}", self.random.random_range(0..PEOPLE))
    }

    async fn act(&mut self) {
        match self.random.random_range(0..100) {
            0..12 => self.write().await,
            12..18 => self.edit().await,
            18..20 => self.delete().await,
            20..40 => self.offer().await,
            40..50 => self.answer().await,
            50..63 => self.reserve().await,
            63..79 => self.move_on().await,
            79..84 => self.confirm_deposit().await,
            84..87 => self.review().await,
            87..90 => self.message().await,
            90..93 => self.wish().await,
            93..98 => self.bank().await,
            98 => self.alert().await,
            _ => self.read_notification().await,
        }
    }

    /// Sends a command until it is answered, always with the same key. Gives the body of what was confirmed.
    async fn command(
        &mut self,
        name: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, String> {
        self.commands += 1;
        let key = format!("{}-{}", self.number, self.commands);
        let begun = Instant::now();
        let mut unclear = false;
        loop {
            let request = self.http.request(method.clone(), format!("{}{path}", self.gateway));
            let request = request.header("idempotency-key", &key);
            let request = if body.is_null() { request } else { request.json(&body) };
            let answer = match request.send().await {
                Ok(answer) => {
                    let status = answer.status();
                    answer.json::<Value>().await.map_or_else(
                        |_| (status == StatusCode::NO_CONTENT).then_some((status, Value::Null)),
                        |body| Some((status, body)),
                    )
                }
                Err(_) => None,
            };
            if begun.elapsed() > PATIENCE {
                let finding = format!("no answer in {PATIENCE:?}: {name} {method} {path} {body}: {answer:?}");
                self.market().findings.push(finding);
                return Err("no-answer".to_owned());
            }
            let Some((status, answer)) = answer else {
                unclear = true;
                self.again().await;
                continue;
            };
            let code = answer["code"].as_str().unwrap_or_default().to_owned();
            match status.as_u16() {
                503 | 429 => unclear = true,
                409 if code == "idempotency-key-in-flight" => {}
                500.. => {
                    let finding = format!("{status}: {name} {method} {path} {body}: {answer}");
                    self.market().findings.push(finding);
                    return Err(code);
                }
                400.. => {
                    let mut market = self.market();
                    *market.answers.entry(format!("{name}: {status} {code}")).or_default() += 1;
                    if unclear && name == "offer" && body["payMethod"] == "wallet" {
                        market.unclear_offers += 1;
                    }
                    return Err(code);
                }
                _ => {
                    let mut market = self.market();
                    *market.answers.entry(format!("{name}: {}", status.as_u16())).or_default() += 1;
                    market.confirmed += 1;
                    return Ok(answer);
                }
            }
            self.again().await;
        }
    }

    async fn again(&mut self) {
        self.market().repeated += 1;
        sleep(Duration::from_millis(self.random.random_range(50..400))).await;
    }

    async fn write(&mut self) {
        let (seller, price) = (self.person(), 1000 * self.random.random_range(0..20));
        let goods = format!("goods {} of client {}", self.commands, self.number);
        let (qty, hidden) = (self.random.random_range(1..4), self.chance(5));
        let body = json!({"userId": seller, "goods": goods, "price": price, "qty": qty, "hidden": hidden});
        if let Ok(post) = self.command("post", Method::POST, "/posts", body).await {
            let id = post["postId"].as_i64().unwrap();
            let writer = self.number;
            let post = Post { id, writer, seller, goods, hidden, deleted: false, price };
            self.market().posts.push(post);
        }
    }

    fn own_post(&mut self) -> Option<Post> {
        let (number, market) = (self.number, self.market.clone());
        let market = market.lock().unwrap();
        pick(&mut self.random, &market.posts, |post| post.writer == number && !post.deleted).cloned()
    }

    fn remember(&self, post: Post) {
        let mut market = self.market();
        let place = market.posts.iter().position(|one| one.id == post.id).unwrap();
        market.posts[place] = post;
    }

    async fn edit(&mut self) {
        let Some(mut post) = self.own_post() else { return };
        let mut body = json!({"userId": post.seller});
        match self.random.random_range(0..4) {
            0 => {
                post.hidden = !post.hidden;
                body["hidden"] = json!(post.hidden);
            }
            1 => {
                post.price = 1000 * self.random.random_range(0..20);
                body["price"] = json!(post.price);
            }
            2 => body["qty"] = json!(self.random.random_range(1..5)),
            _ => {
                post.goods = format!("goods {} of client {}, better", self.commands, self.number);
                body["goods"] = json!(post.goods);
            }
        }
        if self.command("edit", Method::PATCH, &format!("/posts/{}", post.id), body).await.is_ok() {
            self.remember(post);
        }
    }

    async fn delete(&mut self) {
        let Some(mut post) = self.own_post() else { return };
        let path = format!("/posts/{}?userId={}", post.id, post.seller);
        if self.command("delete", Method::DELETE, &path, Value::Null).await.is_ok() {
            post.deleted = true;
            self.remember(post);
        }
    }

    fn post(&mut self) -> Option<Post> {
        let market = self.market.clone();
        let market = market.lock().unwrap();
        pick(&mut self.random, &market.posts, |post| !post.deleted && !post.hidden).cloned()
    }

    async fn offer(&mut self) {
        let Some(post) = self.post() else { return };
        let buyer = self.person();
        let pay = ["none", "none", "wallet", "wallet", "bankTransfer"][self.random.random_range(0..5)];
        let mut body =
            json!({"userId": buyer, "postId": post.id, "payMethod": pay, "offerType": "dealOffered"});
        if self.chance(35) {
            body["offerType"] = json!("priceNegotiated");
            body["offeredPrice"] = json!(1 + self.random.random_range(0..15_000));
        }
        if self.chance(25) {
            body["qty"] = json!(2);
        }
        if let Ok(offer) = self.command("offer", Method::POST, "/offers", body).await {
            let id = offer["offerId"].as_i64().unwrap();
            self.market().offers.push(Offer { id, post: post.id, buyer, pay, answers: Vec::new() });
        }
    }

    fn an_offer(&mut self) -> Option<Offer> {
        let market = self.market.clone();
        let market = market.lock().unwrap();
        pick(&mut self.random, &market.offers, |_| true).cloned()
    }

    async fn answer(&mut self) {
        let Some(offer) = self.an_offer() else { return };
        let status = ["offerAccepted", "offerAccepted", "offerAccepted", "offerRefused", "offerCanceled"]
            [self.random.random_range(0..5)];
        let mut body = json!({"offerStatus": status});
        if self.chance(20) {
            body["message"] = json!("네, 그렇게 해요 🙂");
        }
        let answered = self.command("answer", Method::PATCH, &format!("/offers/{}", offer.id), body).await;
        if answered.is_ok() {
            let mut market = self.market();
            let one = market.offers.iter_mut().find(|one| one.id == offer.id).unwrap();
            one.answers.push(status);
        }
    }

    async fn reserve(&mut self) {
        let Some(offer) = self.an_offer() else { return };
        let delivery = self.chance(40);
        let mut body = json!({"userId": offer.buyer, "postId": offer.post, "offerId": offer.id});
        if delivery {
            body["fulfilment"] = json!("delivery");
            body["address"] = json!("서울 서초구 방배로 1");
        }
        if let Ok(deal) = self.command("deal", Method::POST, "/deals", body).await {
            let (id, seller) =
                (deal["dealId"].as_i64().unwrap(), deal["sellerId"].as_str().unwrap().to_owned());
            self.market().deals.push(Deal {
                id,
                buyer: offer.buyer,
                seller,
                delivery,
                steps: vec!["dealReserved"],
            });
        }
    }

    async fn move_on(&mut self) {
        let market = self.market.clone();
        let deal = {
            let market = market.lock().unwrap();
            pick(&mut self.random, &market.deals, |deal| {
                !matches!(deal.steps.last(), Some(&"dealEnded" | &"dealCanceled"))
            })
            .cloned()
        };
        let Some(deal) = deal else { return };
        let path = format!("/deals/{}", deal.id);
        if self.chance(15) {
            let day = format!("2031-01-{:02}", self.random.random_range(1..28));
            let body = json!({"reserveDt": day, "meetPlace": "방배역 1번 출구"});
            let _ = self.command("reschedule", Method::PATCH, &path, body).await;
            return;
        }
        let (actor, status) = match (deal.steps.last().copied(), self.random.random_range(0..10)) {
            (Some("dealReserved"), 0..3) => (&deal.seller, "dealCanceled"),
            (Some("dealReserved"), 3..7) if deal.delivery => (&deal.seller, "deliveryStarted"),
            (Some("deliveryStarted"), 0..4) => (&deal.buyer, "cancelRequested"),
            (Some("cancelRequested"), 0..5) => (&deal.seller, "deliveryStarted"),
            (Some("cancelRequested"), _) => (&deal.seller, "dealCanceled"),
            _ => (&deal.buyer, "dealEnded"),
        };
        let answered =
            self.command(status, Method::PATCH, &path, json!({"status": status, "userId": actor})).await;
        let mut market = market.lock().unwrap();
        let one = market.deals.iter_mut().find(|one| one.id == deal.id).unwrap();
        // Where somebody else was faster, the next to look at the deal will find out, too.
        if answered.is_ok() {
            one.steps.push(status);
        }
    }

    async fn confirm_deposit(&mut self) {
        let market = self.market.clone();
        let offer = {
            let market = market.lock().unwrap();
            pick(&mut self.random, &market.offers, |offer| offer.pay == "bankTransfer").cloned()
        };
        let Some(offer) = offer else { return };
        // The transfer begins when deal has heard of the offer.
        let path = format!("{}/payments?offerId={}", self.gateway, offer.id);
        let Ok(list) = self.http.get(path).send().await else { return };
        let list: Value = list.json().await.unwrap_or_default();
        let Some(id) = list["_embedded"]["payments"][0]["paymentId"].as_i64() else { return };
        let state = if self.chance(85) { "held" } else { "canceled" };
        let confirmed =
            self.command("payment", Method::PATCH, &format!("/payments/{id}"), json!({"state": state})).await;
        if let Ok(payment) = confirmed {
            // Without units left the deposit goes to the buyer's wallet instead.
            let became = if payment["state"] == "refunded" { "refunded" } else { state };
            self.market().payments.entry(id).or_default().push(became);
        }
    }

    async fn review(&mut self) {
        let market = self.market.clone();
        let deal = {
            let market = market.lock().unwrap();
            pick(&mut self.random, &market.deals, |deal| deal.steps.last() == Some(&"dealEnded")).cloned()
        };
        let Some(deal) = deal else { return };
        let author = if self.chance(50) { deal.buyer } else { deal.seller };
        let body = json!({"dealId": deal.id, "userId": author, "rating": self.random.random_range(1..6)});
        if let Ok(review) = self.command("review", Method::POST, "/reviews", body).await {
            self.market().reviews.push(review["reviewId"].as_i64().unwrap());
        }
    }

    async fn message(&mut self) {
        let Some(post) = self.post() else { return };
        let body = json!({"userId": self.person(), "postId": post.id, "body": "아직 있나요? 🙂"});
        if let Ok(message) = self.command("message", Method::POST, "/messages", body).await {
            self.market().messages.push(message["messageId"].as_i64().unwrap());
        }
    }

    async fn wish(&mut self) {
        let market = self.market.clone();
        if self.chance(30) {
            let mine = |(_, there): &(&i64, &bool)| **there;
            // Each client takes away its own only, so that it knows what is left.
            let wish = market.lock().unwrap().wishes.iter().filter(mine).map(|(id, _)| *id).next_back();
            let Some(id) = wish.filter(|id| id % 4 == i64::try_from(self.number % 4).unwrap()) else {
                return;
            };
            if self.command("unwish", Method::DELETE, &format!("/wishlists/{id}"), Value::Null).await.is_ok()
            {
                self.market().wishes.insert(id, false);
            }
            return;
        }
        let Some(post) = self.post() else { return };
        let body = json!({"userId": self.person(), "postId": post.id});
        if let Ok(wish) = self.command("wish", Method::POST, "/wishlists", body).await {
            self.market().wishes.entry(wish["wishlistId"].as_i64().unwrap()).or_insert(true);
        }
    }

    async fn bank(&mut self) {
        let (person, amount) = (self.person(), 1000 * self.random.random_range(1..60_i64));
        let (what, change) =
            if self.chance(80) { ("deposits", amount) } else { ("withdrawals", -amount / 3) };
        let body = json!({"amount": change.abs()});
        if self.command(what, Method::POST, &format!("/wallets/{person}/{what}"), body).await.is_ok() {
            let mut market = self.market();
            *market.banked.entry(person).or_default() += change;
            market.transfers += 1;
        }
    }

    async fn alert(&mut self) {
        let body =
            json!({"userId": self.person(), "keyword": format!("client {}", self.random.random_range(0..8))});
        if let Ok(alert) = self.command("alert", Method::POST, "/alerts", body).await {
            self.market().alerts.insert(alert["alertId"].as_i64().unwrap(), true);
        }
    }

    async fn read_notification(&mut self) {
        let person = self.person();
        let path = format!("{}/notifications?userId={person}&kind=offerPlaced&size=1", self.gateway);
        let Ok(list) = self.http.get(path).send().await else { return };
        let list: Value = list.json().await.unwrap_or_default();
        let Some(id) = list["_embedded"]["notifications"][0]["notificationId"].as_i64() else { return };
        let body = json!({"userId": person, "read": true});
        if self.command("read", Method::PATCH, &format!("/notifications/{id}"), body).await.is_ok() {
            self.market().read_notifications.push((id, person));
        }
    }
}
