//! What can be seen from outside of a running marketplace: its traces, as a collector receives them over OTLP, and how far
//! its consumers are.

use crate::common::Market;
use axum::{Router, body::Bytes, extract::State, routing::post};
use chassis::{telemetry::LogSettings, testing};
use clap::Parser;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use reqwest::Method;
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};
use tokio_util::sync::CancellationToken;

/// What has arrived: each span with the name of its service.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

impl Collector {
    async fn listen(&self) -> testing::Client {
        let router = Router::new().route("/v1/traces", post(Self::take)).with_state(self.clone());
        testing::serve(router, CancellationToken::new()).await
    }

    async fn take(State(collector): State<Self>, body: Bytes) {
        let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
        for of_service in request.resource_spans {
            let resource = of_service.resource.expect("every span has its resource");
            let service = text(&resource.attributes, "service.name");
            let spans = of_service.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let mut all = collector.0.lock().unwrap();
            all.extend(spans.map(|span| (service.clone(), span)));
        }
    }

    fn trace(&self, id: &str) -> Tree {
        let all = self.0.lock().unwrap();
        let ours = all.iter().filter(|(_, span)| hex(&span.trace_id) == id);
        Tree(ours.map(|(service, span)| (hex(&span.span_id), (service.clone(), span.clone()))).collect())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == name).and_then(|found| {
        match found.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text.clone()),
            other => Some(format!("{other:?}")),
        }
    });
    value.unwrap_or_default()
}

/// The spans of one trace by id.
struct Tree(HashMap<String, (String, Span)>);

impl Tree {
    /// From a span up to the root: `service kind name` of each, and what the root's parent is.
    fn path(&self, leaf: &str) -> (Vec<String>, String) {
        let (mut steps, mut id) = (Vec::new(), leaf.to_owned());
        while let Some((service, span)) = self.0.get(&id) {
            let kind = format!("{:?}", span.kind()).to_lowercase();
            steps.push(format!("{service} {kind} {}", span.name));
            id = hex(&span.parent_span_id);
        }
        (steps, id)
    }

    /// The paths of all spans of this name in this service.
    fn paths(&self, service: &str, name: &str) -> Vec<Vec<String>> {
        let found = self.0.iter().filter(|(_, (of, span))| of == service && span.name == name);
        found.map(|(id, _)| self.path(id).0).collect()
    }
}

#[derive(Parser)]
struct Told {
    #[command(flatten)]
    log: LogSettings,
}

/// Sends a request that is part of a client's trace.
async fn traced(market: &Market, trace_id: &str, method: Method, path: &str, body: serde_json::Value) -> u16 {
    let parent = format!("00-{trace_id}-{CLIENT}-{}", if trace_id == UNSAMPLED { "00" } else { "01" });
    let headers = [("traceparent", parent.as_str()), ("tracestate", "vendor=1")];
    market.client.send(method, path, &headers, Some(body)).await.status.as_u16()
}

const CLIENT: &str = "00f067aa0ba902b7";
const RESERVED: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ENDED: &str = "5bf92f3577b34da6a3ce929d0e0e4736";
const UNSAMPLED: &str = "6bf92f3577b34da6a3ce929d0e0e4736";

/// The request that ends a deal is one trace, from the client down to the notification of another buyer.
#[tokio::test]
async fn what_a_request_brings_about_is_one_trace() {
    let collector = Collector::default();
    let endpoint = collector.listen().await.base().to_owned();
    let telemetry = Told::parse_from(["test", "--log", "off", "--otlp-endpoint", &endpoint]).log.start();

    let market = Market::start().await;
    let post_id = market.post("seller01", 10_000, 1).await;
    let wins = market.offer("buyer01", post_id).await;
    market.offer("buyer02", post_id).await;
    let reserve = json!({"userId": "buyer01", "postId": post_id, "offerId": wins});
    assert_eq!(traced(&market, RESERVED, Method::POST, "/deals", reserve).await, 201);
    let deals = format!("/deals?offerId={wins}");
    let deals = market.until(&deals, |list| list["page"]["totalElements"] == 1).await;
    let deal = format!("/deals/{}", deals["_embedded"]["deals"][0]["dealId"]);
    // All of that is over before the deal is.
    market
        .until("/notifications?userId=seller01&kind=dealReserved", |list| list["page"]["totalElements"] == 1)
        .await;
    market.until(&format!("/posts/{post_id}"), |post| post["status"] == "dealReserved").await;

    let alert = json!({"userId": "buyer03", "keyword": "자전거"});
    assert_eq!(traced(&market, UNSAMPLED, Method::POST, "/alerts", alert).await, 201);

    assert_eq!(traced(&market, ENDED, Method::PATCH, &deal, json!({"status": "dealEnded"})).await, 200);
    market
        .until("/notifications?userId=buyer02", |list| list["page"]["totalElements"].as_i64() > Some(0))
        .await;
    market
        .until("/myPages?userId=seller01", |list| list["_embedded"]["myPages"][0]["status"] == "dealEnded")
        .await;
    market.stop().await;
    telemetry.stop().await;

    assert!(collector.trace(UNSAMPLED).0.is_empty(), "its client did not want it recorded");

    // The reservation asks the post service, through the gateway.
    let reserved = collector.trace(RESERVED);
    let asked = reserved.paths("post", "GET /posts/{id}/availability");
    assert_eq!(
        asked,
        [[
            "post server GET /posts/{id}/availability",
            "gateway client GET",
            "gateway server GET /posts/{id}/availability",
            "deal client GET",
            "deal server POST /deals",
            "gateway client POST",
            "gateway server POST /deals",
        ]],
    );

    let ended = collector.trace(ENDED);
    let mut tops = BTreeSet::new();
    for (id, (service, span)) in &ended.0 {
        let (path, parent) = ended.path(id);
        assert_eq!(parent, CLIENT, "the parent of {path:?} is missing");
        tops.extend(path.last().cloned());
        assert_eq!(span.trace_state, "vendor=1", "{path:?}");
        assert_ne!(span.kind(), SpanKind::Unspecified, "{service} {}", span.name);
    }
    assert_eq!(tops.into_iter().collect::<Vec<_>>(), ["gateway server PATCH /deals/{id}"], "one root");

    let command = [
        "deal producer send DealEnded",
        "deal client transaction",
        "deal server PATCH /deals/{id}",
        "gateway client PATCH",
        "gateway server PATCH /deals/{id}",
    ];
    for service in ["post", "offer", "mypage", "notification"] {
        let reaction = format!("{service} consumer process DealEnded");
        let expected: Vec<_> = std::iter::once(reaction.as_str()).chain(command).collect();
        assert_eq!(ended.paths(service, "process DealEnded"), [expected]);
    }
    let notified = [
        "notification consumer process OfferCanceled",
        "offer producer send OfferCanceled",
        "offer consumer process StatusUpdated",
        "post producer send StatusUpdated",
        "post consumer process DealEnded",
    ];
    let expected: Vec<_> = notified.into_iter().chain(command).collect();
    assert_eq!(ended.paths("notification", "process OfferCanceled"), [expected]);

    // A span lasts as long as what it stands for.
    for (service, span) in ended.0.values().filter(|(_, span)| span.name == "transaction") {
        let (_, server) = &ended.0[&hex(&span.parent_span_id)];
        let statements = server.events.iter().filter(|event| !text(&event.attributes, "summary").is_empty());
        let last = statements.map(|event| event.time_unix_nano).max();
        assert!(
            Some(span.end_time_unix_nano) >= last,
            "{service}'s transaction ends with its last statement"
        );
    }
    // What the database did is told where it was asked.
    let statements: Vec<_> = ended.0.values().filter(|(service, _)| service == "deal").collect();
    let statements = statements.iter().flat_map(|(_, span)| &span.events);
    assert!(
        statements
            .map(|event| text(&event.attributes, "db.statement"))
            .any(|sql| sql.contains("update deal set")),
    );
}

/// Every consumer tells how far behind it is in each of its partitions, and gets to its end.
#[tokio::test]
#[ignore = "needs KAFKA_BOOTSTRAP_SERVERS"]
async fn the_lag_of_every_partition_is_told() {
    let market = Market::start().await;
    for seller in 0..12 {
        market.post(&format!("seller{seller}"), 10_000, 1).await;
    }
    for service in ["offer", "mypage", "notification"] {
        let (_, address) = market.marketplace.services.iter().find(|(name, _)| *name == service).unwrap();
        let metrics = testing::Client::new(format!("http://{address}"));
        testing::eventually(&format!("{service} has caught up in twelve partitions"), async || {
            let shown = metrics.get("/metrics").await.expect(200);
            let lines = shown.as_str().unwrap().lines();
            let lags: Vec<_> = lines.filter(|line| line.starts_with("kafka_consumer_lag_events{")).collect();
            lags.len() == 12 && lags.iter().all(|line| line.ends_with(" 0"))
        })
        .await;
    }
    market.stop().await;
}
