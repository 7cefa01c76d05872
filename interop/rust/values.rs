//! Prints what serde_json writes: value, text.

use chrono::{TimeZone, Utc};
use serde_json::{json, to_string, Value};

fn show(name: &str, text: String) {
    println!("{name}\t{text}");
}

fn main() {
    let pins = include_str!("Cargo.toml").split_once("[dependencies]").unwrap().1;
    let versions = pins.lines().filter_map(|line| {
        let (name, pin) = line.split_once(" = ")?;
        Some(format!("{name} {}", pin.split("\"=").nth(1)?.split('"').next()?))
    });
    show("versions", versions.collect::<Vec<_>>().join(", "));
    show("float", to_string(&1759937422457.0_f64).unwrap());
    show("large float", to_string(&1e16_f64).unwrap());
    show("none", to_string(&json!({"payload": Option::<Value>::None})).unwrap());
    show("unsigned", to_string(&json!({"n": u64::MAX})).unwrap());
    let last = Utc.with_ymd_and_hms(2025, 12, 31, 23, 59, 59).unwrap() + chrono::Duration::nanoseconds(999_999_999);
    show("chrono", to_string(&last).unwrap());
    let leap = Utc.timestamp_opt(1_483_228_799, 1_500_000_000).unwrap();
    show("chrono leap second", to_string(&leap).unwrap());
    let zoned: jiff::Zoned = "2025-10-08T15:30:22.456+02:00[Europe/Berlin]".parse().unwrap();
    show("jiff zoned", to_string(&zoned).unwrap());
}
