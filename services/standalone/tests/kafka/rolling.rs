//! Every service is restarted under load, as a new version is brought out.

use super::{Cluster, is_ready};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time;
use tokio_util::sync::CancellationToken;

/// One in so many of the steady requests begins a walk of three writes.
const WALK: u64 = 20;
const PER_SECOND: u32 = 185;

/// What the clients of the marketplace see.
struct Users {
    client: Client,
    gateway: String,
    asked: AtomicU64,
    slowest: Mutex<Duration>,
    failed: Mutex<Vec<String>>,
}

impl Users {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let request = self.client.request(method.clone(), format!("{}{path}", self.gateway));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status(), response.json::<Value>().await?))
        };
        let answer = answer.await;
        {
            let mut slowest = self.slowest.lock().unwrap();
            *slowest = slowest.max(begun.elapsed());
        }
        match answer {
            Ok((StatusCode::OK | StatusCode::CREATED, body)) => body,
            other => {
                self.failed.lock().unwrap().push(format!("{method} {path}: {other:?}"));
                Value::Null
            }
        }
    }

    /// One of the steady requests; every service gets its share of reads and writes.
    async fn act(&self, number: u64) {
        let buyer = format!("buyer{number}");
        if number.is_multiple_of(WALK) {
            let post = json!({"userId": "seller01", "goods": "자전거", "price": 1000});
            let post = self.ask(Method::POST, "/posts", post).await;
            let offer = json!({"userId": buyer, "postId": post["postId"], "offerType": "dealOffered"});
            let offer = self.ask(Method::POST, "/offers", offer).await;
            let deal = json!({"userId": buyer, "postId": post["postId"], "offerId": offer["offerId"]});
            self.ask(Method::POST, "/deals", deal).await;
            return;
        }
        let (method, path, body) = match number % WALK {
            1 => (Method::POST, "/wishlists".to_owned(), json!({"userId": buyer, "postId": 1})),
            2 => (Method::POST, format!("/wallets/{buyer}/deposits"), json!({"amount": 1000})),
            3 => (Method::POST, "/alerts".to_owned(), json!({"userId": buyer, "keyword": "자전거"})),
            4 => (Method::PATCH, "/posts/1".to_owned(), json!({"description": buyer})),
            5 | 6 => (Method::GET, "/deals?size=5".to_owned(), Value::Null),
            7 | 8 => (Method::GET, "/offers?size=5".to_owned(), Value::Null),
            9 | 10 => (Method::GET, "/myPages?userId=seller01&size=5".to_owned(), Value::Null),
            11 | 12 => (Method::GET, "/notifications?userId=seller01&size=5".to_owned(), Value::Null),
            13 => (Method::GET, "/posts/1/availability".to_owned(), Value::Null),
            14 => (Method::GET, "/users/seller01/profile".to_owned(), Value::Null),
            _ => (Method::GET, "/posts/1".to_owned(), Value::Null),
        };
        self.ask(method, &path, body).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KAFKA_BOOTSTRAP_SERVERS and the programs"]
async fn a_rolling_restart_fails_no_request() {
    let mut cluster = Cluster::start().await;
    let users = Arc::new(Users {
        client: Client::builder().no_proxy().build().unwrap(),
        gateway: cluster.address("gateway"),
        asked: AtomicU64::new(0),
        slowest: Mutex::default(),
        failed: Mutex::default(),
    });
    let post = json!({"userId": "seller00", "goods": "무선마우스", "price": 1000});
    users.ask(Method::POST, "/posts", post).await;

    let (begun, done) = (Instant::now(), CancellationToken::new());
    let steady = tokio::spawn({
        let (users, done) = (users.clone(), done.clone());
        async move {
            let mut tasks = tokio::task::JoinSet::new();
            let mut ticks = time::interval(Duration::from_secs(1) / PER_SECOND);
            for number in 0.. {
                if done.run_until_cancelled(ticks.tick()).await.is_none() {
                    break;
                }
                let users = users.clone();
                tasks.spawn(async move { users.act(number).await });
            }
            tasks.join_all().await;
        }
    });
    for name in ["post", "offer", "deal", "mypage", "notification"] {
        time::sleep(Duration::from_secs(2)).await;
        let place = cluster.programs.iter().position(|program| program.name == name).unwrap();
        let old = cluster.programs.remove(place);
        let stopping = Instant::now();
        tokio::task::block_in_place(|| old.stop());
        let stopped = stopping.elapsed();
        cluster.programs.insert(place, cluster.replica(name, cluster.ports[name]));
        is_ready(cluster.ports[name]).await;
        println!("{name}: stopped in {stopped:.1?}, ready after {:.1?}", stopping.elapsed());
    }
    time::sleep(Duration::from_secs(2)).await;
    let (asked, took) = (users.asked.load(Ordering::Relaxed), begun.elapsed());
    done.cancel();
    steady.await.unwrap();

    let failed = users.failed.lock().unwrap().clone();
    let slowest = *users.slowest.lock().unwrap();
    println!("{asked} requests in {took:.1?}, {} failed, the slowest took {slowest:.1?}", failed.len());
    assert!(failed.is_empty(), "{} of {asked} failed: {:#?}", failed.len(), &failed[..failed.len().min(10)]);
    assert!(asked as f64 > took.as_secs_f64() * 150.0, "{asked} requests in {took:.1?} are no steady load");
    cluster.stop();
}
