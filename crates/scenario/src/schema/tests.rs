// SPDX-License-Identifier: GPL-2.0-only
//! The derived shapes agree with what is read.

use super::*;
use crate::{
    Op, bank, known, machine, memory, parse, parse_event, parse_expect, parse_point, scheduler,
};

fn keys(kind: Kind, definition: Option<&str>) -> Vec<String> {
    let schema: serde_json::Value = serde_json::from_str(&kind.schema()).unwrap();
    let object = match definition {
        None => &schema,
        Some(name) => &schema["definitions"][name],
    };
    assert_eq!(object["additionalProperties"], false, "{definition:?}");
    let mut keys: Vec<String> = object["properties"]
        .as_object()
        .unwrap_or_else(|| panic!("no {definition:?}"))
        .keys()
        .cloned()
        .collect();
    keys.sort();
    keys
}

fn sorted(keys: &[&str]) -> Vec<String> {
    let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    keys.sort();
    keys
}

#[test]
fn keys_agree() {
    let scenario = |definition| keys(Kind::Scenario, definition);
    assert_eq!(scenario(None), sorted(parse::TOP));
    assert_eq!(scenario(Some("EventShape")), sorted(parse_event::KEYS));
    assert_eq!(scenario(Some("CpuShape")), sorted(parse::CPU));
    assert_eq!(scenario(Some("SweepShape")), sorted(parse::SWEEP));
    assert_eq!(scenario(Some("ExpectShape")), sorted(parse_expect::EXPECT));
    assert_eq!(scenario(Some("CauseShape")), sorted(parse_expect::CAUSE));
    assert_eq!(scenario(Some("InjectShape")), sorted(parse_point::INJECT));
    assert_eq!(scenario(Some("PointShape")), sorted(parse_point::POINT));
    assert_eq!(scenario(Some("ExactShape")), sorted(parse_point::EXACT));
    assert_eq!(keys(Kind::Machine, None), sorted(machine::TOP));
    assert_eq!(keys(Kind::Machine, Some("PmuShape")), sorted(bank::KEYS));
    assert_eq!(keys(Kind::Scheduler, None), sorted(scheduler::TOP));
    assert_eq!(keys(Kind::Known, None), sorted(known::TOP));
    assert_eq!(keys(Kind::Known, Some("KnownShape")), sorted(known::KEYS));
}

#[test]
fn operations_agree() {
    for op in Op::NAMES {
        // CamelCase
        let name: String = op
            .split('_')
            .map(|word| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..]))
            .collect();
        let keys = keys(Kind::Scenario, Some(&format!("{name}Step")));
        assert!(keys.contains(&op.to_owned()), "{op}");
        assert!(keys.contains(&"label".to_owned()), "{op}");
        let grouped = ["enable", "disable", "reset"].contains(&op);
        assert_eq!(keys.len(), 2 + usize::from(grouped), "{op}");
    }
}

#[test]
fn words_agree() {
    let words = |kind: Kind, name: &str| -> Vec<String> {
        let schema: serde_json::Value = serde_json::from_str(&kind.schema()).unwrap();
        let all = schema["definitions"][name]["oneOf"]
            .as_array()
            .unwrap()
            .clone();
        all.iter()
            .map(|w| w["const"].as_str().unwrap().to_owned())
            .collect()
    };
    let kinds = crate::EventKind::WORDS.map(|(name, _)| name);
    assert_eq!(words(Kind::Scenario, "KindWord"), kinds);
    let oracles = crate::Oracle::ALL.map(crate::Oracle::name);
    assert_eq!(words(Kind::Scenario, "OracleWord"), oracles);
    assert_eq!(words(Kind::Scenario, "ReadWord"), parse_event::READS);
    assert_eq!(
        words(Kind::Known, "ReachWord"),
        known::REACHES.map(|(name, _)| name)
    );
    assert_eq!(
        words(Kind::Known, "GuardWord"),
        known::GUARDS.map(|(name, _)| name)
    );
    assert_eq!(words(Kind::Machine, "VendorWord"), machine::VENDORS);
    assert_eq!(words(Kind::Machine, "TimingWord"), machine::TIMINGS);
    assert_eq!(words(Kind::Machine, "MemoryWord"), memory::WORDS);
    assert_eq!(words(Kind::Scenario, "MemoryWord"), memory::WORDS);
    assert_eq!(words(Kind::Machine, "FeatureWord"), machine::FEATURES);
    assert_eq!(words(Kind::Machine, "CountersWord"), bank::KINDS);
    assert_eq!(words(Kind::Machine, "ArchitecturalWord"), bank::EVENTS);
}
