//! A stand-in for the gateway: it answers what it was told to, and counts who asks.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use chassis::testing::serve;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

const UNPOISONED: &str = "nobody panics while holding it";

/// How the gateway answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// What it was told, else 404.
    Answers,
    /// 503, with this in `Retry-After`.
    Refuses(u32),
    /// 429, likewise.
    #[allow(dead_code, reason = "deal's tests take this file too, and not all of it")]
    Limits(u32),
    /// What is below this path not before the mood changes, and then with what was true when it was asked.
    Hangs(&'static str),
}

/// The gateway as a service sees it, with the owners of everything behind it.
pub(crate) struct Gateway {
    url: String,
    known: Arc<Known>,
    _server: DropGuard,
}

struct Known {
    answers: Mutex<HashMap<String, Value>>,
    asked: Mutex<Vec<String>>,
    mood: watch::Sender<Mood>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let known = Known {
            answers: Mutex::default(),
            asked: Mutex::default(),
            mood: watch::Sender::new(Mood::Answers),
        };
        let known = Arc::new(known);
        let shutdown = CancellationToken::new();
        let router = Router::new().fallback(answer).with_state(known.clone());
        let url = serve(router, shutdown.clone()).await.base().to_owned();
        Self { url, known, _server: shutdown.drop_guard() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on, `path` is answered with `body`.
    pub(crate) fn tell(&self, path: impl Into<String>, body: Value) {
        self.known.answers.lock().expect(UNPOISONED).insert(path.into(), body);
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.known.mood.send_replace(mood);
    }

    /// How often it was asked for something below `path`, since the last time somebody wanted to know.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.known.asked.lock().expect(UNPOISONED).extract_if(.., |asked| asked.starts_with(path)).count()
    }
}

async fn answer(State(known): State<Arc<Known>>, uri: Uri) -> Response {
    known.asked.lock().expect(UNPOISONED).push(uri.path().to_owned());
    let answer = known.answers.lock().expect(UNPOISONED).get(uri.path()).cloned();
    let answers = |mood: &Mood| !matches!(mood, Mood::Hangs(path) if uri.path().starts_with(path));
    let mood = *known.mood.subscribe().wait_for(answers).await.expect("the gateway lives");
    let later = |status: StatusCode, seconds: u32| {
        (status, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
    };
    match (mood, answer) {
        (Mood::Refuses(seconds), _) => later(StatusCode::SERVICE_UNAVAILABLE, seconds),
        (Mood::Limits(seconds), _) => later(StatusCode::TOO_MANY_REQUESTS, seconds),
        (_, Some(body)) => Json(body).into_response(),
        (_, None) => (StatusCode::NOT_FOUND, Json(json!({"status": 404}))).into_response(),
    }
}
