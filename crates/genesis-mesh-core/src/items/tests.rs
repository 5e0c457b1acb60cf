//! Namespaces and filters of items: what there may be, and what fits.

use super::*;
use serde_json::json;

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn fits(filter: &Value, value: &Value) -> bool {
    ItemFilter::new(object(filter)).expect("a filter").fits(&object(value))
}

fn labels(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

#[test]
fn a_namespace_has_labels_that_are_not_empty_and_have_no_periods() {
    let label = |label: &str| NamespaceError::Label { label: label.to_owned() };
    assert_eq!(ItemNamespace::new(Vec::<String>::new()), Err(NamespaceError::Empty));
    assert_eq!(ItemNamespace::new(["a", ""]), Err(label("")));
    assert_eq!(ItemNamespace::new(["a.b"]), Err(label("a.b")));
    let namespace = ItemNamespace::new(["users", "ä b"]).expect("a namespace");
    assert_eq!(serde_json::to_value(&namespace).expect("JSON"), json!(["users", "ä b"]));
    assert_eq!(namespace.to_string(), "users.ä b");
    assert!(serde_json::from_value::<ItemNamespace>(json!(["a.b"])).is_err());
}

#[test]
fn patterns_of_labels_fit_from_either_end() {
    let namespace = ItemNamespace::new(["a", "b", "c"]).expect("a namespace");
    for (pattern, begins, ends) in [
        (labels(&[]), true, true),
        (labels(&["a"]), true, false),
        (labels(&["a", "b"]), true, false),
        (labels(&["*", "b"]), true, false),
        (labels(&["c"]), false, true),
        (labels(&["b", "*"]), false, true),
        (labels(&["a", "b", "c"]), true, true),
        (labels(&["a", "b", "c", "*"]), false, false),
        (labels(&["ab"]), false, false),
    ] {
        assert_eq!(
            (namespace.begins_with(&pattern), namespace.ends_with(&pattern)),
            (begins, ends),
            "{pattern:?}"
        );
    }
    let cut = |depth| namespace.cut(depth).map(|namespace| namespace.to_string());
    assert_eq!([cut(0), cut(2), cut(9)], [None, Some("a.b".to_owned()), Some("a.b.c".to_owned())]);
}

#[test]
fn a_filter_tests_the_fields_that_it_names() {
    let value = || json!({"kind": "report", "score": 4.5, "deep": {"a": 1, "b": [1, 2]}, "none": null});
    for (filter, wanted) in [
        (json!({}), true),
        (json!({"kind": "report"}), true),
        (json!({"kind": "Report"}), false),
        (json!({"kind": "report", "score": 1}), false),
        (json!({"deep": {"a": 1}}), true),
        (json!({"deep": {"a": 2}}), false),
        (json!({"deep": {"b": [1, 2]}}), true),
        (json!({"deep": {"b": [1]}}), false),
        (json!({"deep": {"b": [1, {"$gt": 1}]}}), true),
        (json!({"kind": {"a": 1}}), false),
        (json!({"kind": ["report"]}), false),
        (json!({"missing": null}), true),
        (json!({"none": null}), true),
        (json!({"missing": 1}), false),
    ] {
        assert_eq!(fits(&filter, &value()), wanted, "{filter}");
    }
}

#[test]
fn operators_compare_numbers_and_texts() {
    let value = || json!({"n": 5, "f": 5.0, "text": "b", "digits": "12", "yes": true, "list": [1]});
    for (filter, wanted) in [
        (json!({"n": {"$eq": 5.0}}), true),
        (json!({"f": 5}), true),
        (json!({"n": {"$ne": 5}}), false),
        (json!({"missing": {"$ne": 5}}), true),
        (json!({"n": {"$gt": 4, "$lt": 6}}), true),
        (json!({"n": {"$gt": 5}}), false),
        (json!({"n": {"$gte": 5, "$lte": 5}}), true),
        (json!({"n": {"$lt": 5}}), false),
        (json!({"text": {"$gt": "a", "$lt": "c"}}), true),
        (json!({"digits": {"$gt": 9}}), true),
        (json!({"digits": {"$lt": "9"}}), false),
        (json!({"missing": {"$gt": 0}}), false),
        (json!({"yes": {"$gt": 0}}), false),
        (json!({"yes": 1}), false),
        (json!({"list": {"$eq": [1.0]}}), true),
        (json!({"list": {"$gt": 0}}), false),
        (json!({"text": {"$lte": 3}}), false),
    ] {
        assert_eq!(fits(&filter, &value()), wanted, "{filter}");
    }
    assert!(!fits(&json!({"n": 9_007_199_254_740_993_i64}), &json!({"n": 9_007_199_254_740_992_i64})));
}

#[test]
fn a_word_that_is_no_operator_is_told() {
    for filter in [json!({"n": {"$in": [1]}}), json!({"deep": {"n": {"$gt": 1, "a": 2}}})] {
        let refused = ItemFilter::new(object(&filter)).expect_err("no filter");
        assert_eq!(refused.code(), "filter_invalid", "{filter}");
    }
}
