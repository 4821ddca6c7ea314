//! Synchronous questions to other services: always through the gateway, never inside an open transaction.

use crate::{auth::invalid_token, caller::Caller, problem::Problem, trace::Trace};
use axum::http::{StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use tracing::{Instrument, field::Empty};

/// Longer than the gateway's own patience, so that its answer is the one that counts.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(1);

/// The gateway, as a service calls it.
#[derive(Debug, Clone)]
pub struct Upstream {
    service: &'static str,
    client: reqwest::Client,
    base: String,
}

impl Upstream {
    /// `service` asks; `base` is the gateway's address, such as `http://localhost:8088`.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(service: &'static str, base: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            // Shorter than the server's own, so that a call never meets a connection that was just closed.
            .pool_idle_timeout(Duration::from_secs(5))
            // A proxy of the machine's environment has no business between our services.
            .no_proxy()
            // The gateway is asked without TLS, which would load the machine's certificates for nothing.
            .tls_certs_only([])
            .build()?;
        Ok(Self { service, client, base: base.trim_end_matches('/').to_owned() })
    }

    /// Asks the owner of `path` on the caller's behalf; `None` when there is no such thing.
    ///
    /// # Errors
    /// 503 with `Retry-After` when no answer is to be had: nothing may be decided without it.
    pub async fn get<T: DeserializeOwned>(&self, caller: &Caller, path: &str) -> Result<Option<T>, Problem> {
        let request = self.client.get(self.url(path));
        match self.ask(caller, path, request).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(StatusCode::NOT_FOUND) => Ok(None),
            Err(status) => Err(unanswered(path, &status, 1)),
        }
    }

    /// Asks another service to do something on the caller's behalf. The inner error is its refusal, a 4xx.
    ///
    /// # Errors
    /// 503 with `Retry-After` when no answer is to be had: it may or may not have been done.
    pub async fn post<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Result<T, StatusCode>, Problem> {
        let request = self.client.post(self.url(path)).json(body);
        self.ask(caller, path, request).await
    }

    /// As [`post`](Self::post), of what is there already.
    ///
    /// # Errors
    /// 503 with `Retry-After` when no answer is to be had: it may or may not have been done.
    pub async fn patch<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Result<T, StatusCode>, Problem> {
        let request = self.client.patch(self.url(path)).json(body);
        self.ask(caller, path, request).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Result<T, StatusCode>, Problem> {
        let mut request = request.build().map_err(|error| unanswered(path, &error, 1))?;
        let span = tracing::info_span!(
            "call",
            otel.name = %request.method(),
            otel.kind = "client",
            otel.status_code = Empty,
            service.name = self.service,
            http.request.method = %request.method(),
            http.response.status_code = Empty,
            url.full = %request.url(),
        );
        request.headers_mut().extend(caller.onward.clone());
        if let Some(trace) = Trace::of_span(&span).as_ref().or(caller.trace.as_ref()) {
            trace.put(request.headers_mut());
        }
        let answer = self.client.execute(request).instrument(span.clone()).await;
        match &answer {
            Ok(response) => span.record("http.response.status_code", response.status().as_u16()),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        let response = answer.map_err(|error| unanswered(path, &error, 1))?;
        match response.status() {
            status if status.is_success() => {
                response.json().await.map(Ok).map_err(|error| unanswered(path, &error, 1))
            }
            // It was valid here a moment ago.
            StatusCode::UNAUTHORIZED => Err(invalid_token("The token has expired.")),
            // Whoever asks too much, by us too, may ask again; that is not what the other service thinks of it.
            status if status.is_client_error() && !ASK_AGAIN.contains(&status) => Ok(Err(status)),
            status => {
                let retry_after = response
                    .headers()
                    .get(header::RETRY_AFTER)
                    .and_then(|value| value.to_str().ok()?.parse().ok())
                    .unwrap_or(1);
                Err(unanswered(path, &status, retry_after))
            }
        }
    }
}

const ASK_AGAIN: [StatusCode; 2] = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];

fn unanswered(path: &str, cause: &dyn std::fmt::Display, retry_after: u32) -> Problem {
    tracing::warn!(path, %cause, "another service did not answer");
    Problem::unavailable(
        "dependency-unavailable",
        "A service that has to be asked first does not answer; please ask again.",
        retry_after,
    )
}
