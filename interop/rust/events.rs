//! Sends the events by ureq, as serde_json writes them. Those for Kafka are told only: a client of it carries them.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{json, Map, Value};

fn events() -> Vec<(&'static str, Value)> {
    let ms = 1_759_937_422_456_i64;
    let at: DateTime<Utc> = DateTime::from_timestamp(1_759_937_422, 456_789_012).unwrap();
    let price: Decimal = "129.99".parse().unwrap();
    vec![
        ("plain", json!({"payload": {"path": "/start"}, "timestamp": ms})),
        ("time", json!({"payload": {}, "timestamp": at})),
        ("money", json!({"family": "product", "timestamp": ms,
            "payload": {"productId": "p", "productName": "n", "price": price, "quantity": 2.0}})),
        ("seq", json!({"payload": {"seq": 1.0}, "timestamp": ms})),
        ("null", json!({"payload": Option::<Value>::None, "timestamp": ms})),
        ("empty", json!({"payload": Map::new(), "timestamp": ms})),
        ("text", json!({"payload": {"text": "Grüße, 世界 👋 </a> \u{2028} \"\\"}, "timestamp": ms})),
    ]
}

fn each_event(client: &str, via: &str, id: &str, mut use_it: impl FnMut(&str, &str)) {
    for (label, mut event) in events() {
        let name = format!("{client}/serde_json/{via}/{label}");
        event[id] = json!(name);
        event["userId"] = json!(name);
        event["type"] = json!("interop");
        use_it(&name, &serde_json::to_string(&event).unwrap());
    }
}

fn main() {
    for package in ["serde_json", "ureq"] {
        println!("version\t{package}\t{}", pinned(package));
    }
    let agent = ureq::Agent::new_with_config(ureq::config::Config::builder().http_status_as_error(false).build());
    let door = format!("{}/events", std::env::var("DOOR").unwrap());
    each_event("ureq", "http", "eventId", |name, text| {
        let mut answer = agent.post(&door).header("Content-Type", "application/json").send(text).unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        println!("sent\t{name}\t{text}\t{} {body}", answer.status().as_u16());
    });
    each_event("carried", "kafka", "id", |name, text| println!("carry\t{name}\t{text}"));
}

fn pinned(package: &str) -> &'static str {
    let lines = include_str!("Cargo.toml").lines();
    let line = lines.filter(|line| line.starts_with(package)).next().expect(package);
    line.split_once('=').unwrap().1.split('"').find(|part| part.starts_with('=')).unwrap().trim_start_matches('=')
}
