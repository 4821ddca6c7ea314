//! The documents for other teams are checked in, and are what the types say. `UPDATE_DOCUMENTS=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

/// What is checked in.
fn kept(root: &Path) -> BTreeMap<String, String> {
    let schemas = fs::read_dir(root.join("schemas")).into_iter().flatten();
    let names = schemas.map(|entry| format!("schemas/{}", entry.unwrap().file_name().to_str().unwrap()));
    names
        .chain(["asyncapi.json".to_owned()])
        .map(|name| (name.clone(), fs::read_to_string(root.join(name)).unwrap_or_default()))
        .collect()
}

#[test]
fn they_are_what_the_types_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = shared_events::asyncapi::documents();
    let text = |value: &Value| serde_json::to_string_pretty(value).unwrap() + "\n";
    let documents: BTreeMap<_, _> =
        documents.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        let _ = fs::remove_dir_all(root.join("schemas"));
        fs::create_dir(root.join("schemas")).unwrap();
        for (name, text) in &documents {
            fs::write(root.join(name), text).unwrap();
        }
    }
    let kept = kept(root);
    assert_eq!(kept.keys().collect::<Vec<_>>(), documents.keys().collect::<Vec<_>>());
    for (name, text) in documents {
        assert_eq!(
            kept[&name], text,
            "{name} is out of date: UPDATE_DOCUMENTS=1 cargo test -p shared-events --features openapi"
        );
    }
}

#[test]
fn every_agreed_event_has_a_schema_with_its_fields_in_their_order() {
    let documents = shared_events::asyncapi::documents();
    let events =
        include_str!("events.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut seen = 0;
    for event in events {
        let schema = &documents[&format!("schemas/{}.json", event["eventType"].as_str().unwrap())];
        let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&schema["properties"]), fields(&event));
        seen += 1;
    }
    assert_eq!(documents["asyncapi.json"]["components"]["messages"].as_object().unwrap().len(), seen);
}
