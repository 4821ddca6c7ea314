//! The contract as documents for other teams: an AsyncAPI 3 document of the topic, and a JSON Schema of each event.
//!
//! Made from the types, so that neither can say anything else than what is published.

use crate::{Event, TOPIC, deal::DealEvent, offer::OfferEvent, post::PostEvent};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// What one type of event looks like.
pub(crate) struct Described {
    event_type: &'static str,
    source: &'static str,
    schema: Value,
    words: Vec<(String, RefOr<Schema>)>,
}

impl Described {
    pub(crate) fn of<E: Event + ToSchema>() -> Self {
        let mut words = Vec::new();
        E::schemas(&mut words);
        Self { event_type: E::TYPE, source: E::SOURCE, schema: json!(<E as PartialSchema>::schema()), words }
    }
}

/// Every event, in the order of the publishers.
fn all() -> Vec<Described> {
    [PostEvent::described(), OfferEvent::described(), DealEvent::described()].into_iter().flatten().collect()
}

/// Every document by its file name: `asyncapi.json`, and `schemas/….json` for each event and each vocabulary.
///
/// Fields that are null for some events are not `required`: an event that was published before a field was added does
/// not have it.
pub fn documents() -> BTreeMap<String, Value> {
    let events = all();
    let mut documents = BTreeMap::from([("asyncapi.json".to_owned(), asyncapi(&events))]);
    for event in events {
        for (name, schema) in event.words {
            let (name, mut schema) = (own_name(&name), json!(schema));
            if name == WON {
                schema["description"] = json!("An amount in whole won.");
            }
            documents.insert(schema_file(name), json_schema(name, schema));
        }
        let schema = json_schema(event.event_type, flat(event.event_type, event.schema));
        documents.insert(schema_file(event.event_type), schema);
    }
    documents
}

/// The alias [`Won`](crate::Won), which the derived schemas know by the type behind it.
const WON: &str = "Won";

fn own_name(name: &str) -> &str {
    if name == "i64" { WON } else { name }
}

fn schema_file(name: &str) -> String {
    format!("schemas/{name}.json")
}

/// The two fields that stand before an event's own.
fn flat(event_type: &str, mut schema: Value) -> Value {
    let mut properties = Map::from_iter([
        ("eventType".to_owned(), json!({ "const": event_type })),
        (
            "timestamp".to_owned(),
            json!({ "type": "integer", "format": "int64", "description": "When it happened, in milliseconds since 1970." }),
        ),
    ]);
    if let Value::Object(own) = schema["properties"].take() {
        properties.extend(own);
    }
    let mut required = vec![json!("eventType"), json!("timestamp")];
    if let Value::Array(own) = schema["required"].take() {
        required.extend(own);
    }
    schema["properties"] = Value::Object(properties);
    schema["required"] = Value::Array(required);
    schema
}

fn json_schema(name: &str, schema: Value) -> Value {
    let mut document = Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), json!(name)),
    ]);
    if let Value::Object(own) = beside(schema) {
        document.extend(own);
    }
    Value::Object(document)
}

/// What an OpenAPI document keeps among its components has a file of its own here.
fn beside(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| {
                match value.as_str().and_then(|text| text.strip_prefix("#/components/schemas/")) {
                    Some(name) if key == "$ref" => (key, json!(format!("{}.json", own_name(name)))),
                    _ => (key, beside(value)),
                }
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(beside).collect(),
        other => other,
    }
}

fn asyncapi(events: &[Described]) -> Value {
    let mut messages = Map::new();
    let mut channel = Map::new();
    let mut operations = Map::new();
    for Described { event_type, source, schema, .. } in events {
        messages.insert(
            (*event_type).to_owned(),
            json!({
                "name": event_type,
                "summary": schema["description"],
                "contentType": "application/json",
                "headers": { "$ref": "#/components/schemas/headers" },
                "payload": { "$ref": format!("./{}", schema_file(event_type)) },
                "bindings": { "kafka": { "key": {
                    "type": "string",
                    "description": "The post's id in decimal: what happens to one post stays in one partition.",
                } } },
            }),
        );
        channel.insert(
            (*event_type).to_owned(),
            json!({ "$ref": format!("#/components/messages/{event_type}") }),
        );
        let operation = operations.entry(*source).or_insert_with(|| {
            json!({
                "action": "send",
                "summary": format!("What the {source} service tells."),
                "channel": { "$ref": format!("#/channels/{TOPIC}") },
                "messages": [],
            })
        });
        if let Some(messages) = operation["messages"].as_array_mut() {
            messages.push(json!({ "$ref": format!("#/channels/{TOPIC}/messages/{event_type}") }));
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Second-hand trading: events",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT" },
            "description": "What happened in the marketplace, as the services tell it. Events keep their order per \
                publisher and post, not between publishers. Each is delivered at least once: its `ce_id` says whether \
                you have seen it. The only change you will meet without notice is a new nullable field, or a new type.",
        },
        "defaultContentType": "application/json",
        "channels": { TOPIC: {
            "address": TOPIC,
            "title": "All events",
            "description": "Kept for ever, so that a newcomer can begin at the beginning.",
            "messages": channel,
            "bindings": { "kafka": {
                "partitions": 12,
                "topicConfiguration": { "retention.ms": -1 },
                "bindingVersion": "0.5.0",
            } },
        } },
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": { "headers": headers() },
        },
    })
}

/// The headers of every record; see [`Envelope::headers`](crate::Envelope::headers).
fn headers() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode, and `type` for simple filters.",
        "properties": {
            "type": text("The event's type, as in the value."),
            "contentType": { "const": "application/json" },
            "content-type": { "const": "application/json" },
            "ce_specversion": { "const": "1.0" },
            "ce_id": { "type": "string", "format": "uuid", "description": "UUIDv7; the same at every delivery." },
            "ce_source": text("`/services/` and the publisher's name."),
            "ce_type": text("The event's type again."),
            "ce_time": { "type": "string", "format": "date-time", "description": "When it happened." },
            "traceparent": text("W3C trace context of the request that caused it."),
        },
        "required": [
            "type", "contentType", "content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time",
        ],
    })
}
