//! Paths of tasks: their order, which is the order of writes, and their JSON.

use genesis_mesh_core::run::TaskPath;
use serde_json::json;
use std::sync::Arc;

fn pull(node: &str) -> TaskPath {
    TaskPath::Pull(Arc::from(node))
}

fn call(caller: TaskPath, index: u32) -> TaskPath {
    TaskPath::Call(Arc::new(caller), index)
}

#[test]
fn writes_come_from_outside_first_then_from_nodes_by_name_then_from_sends_by_place() {
    let in_order = [
        TaskPath::Outside(0),
        TaskPath::Outside(1),
        pull("B"),
        pull("a"),
        pull("a").handler(),
        pull("aa"),
        pull("b"),
        TaskPath::Push(0),
        TaskPath::Push(2),
        TaskPath::Push(2).handler(),
        TaskPath::Push(10),
        call(pull("a"), 0),
    ];
    for (one, next) in in_order.iter().zip(in_order.iter().skip(1)) {
        assert!(one < next, "{one:?} before {next:?}");
    }
}

#[test]
fn each_path_has_the_json_that_clients_know() {
    let forms = [
        (TaskPath::Outside(3), json!(["__interrupt__", 3])),
        (pull("a"), json!(["__pregel_pull", "a"])),
        (TaskPath::Push(7), json!(["__pregel_push", 7, false])),
        (pull("a").handler(), json!(["__pregel_pull", "a", "node_error_handler", false])),
        (TaskPath::Push(7).handler(), json!(["__pregel_push", 7, false, "node_error_handler", false])),
        (call(pull("a"), 1), json!(["__pregel_push", ["__pregel_pull", "a"], 1, true])),
        (
            call(call(TaskPath::Push(0), 1), 2),
            json!(["__pregel_push", ["__pregel_push", ["__pregel_push", 0, false], 1, true], 2, true]),
        ),
    ];
    for (path, form) in forms {
        assert_eq!(serde_json::to_value(&path).unwrap(), form);
        assert_eq!(serde_json::from_value::<TaskPath>(form).unwrap(), path);
    }
}

#[test]
fn what_is_no_path_is_refused() {
    let wrong = [
        json!([]),
        json!("a"),
        json!(["__pregel_pull"]),
        json!(["__pregel_pull", 1]),
        json!(["__pregel_push", -1]),
        json!(["__pregel_push", 4_294_967_296_u64]),
        json!(["__pregel_push", [], 1, true]),
        json!(["elsewhere", 1]),
    ];
    for form in wrong {
        let refusal = serde_json::from_value::<TaskPath>(form.clone()).unwrap_err();
        assert!(refusal.to_string().contains("is no path of a task"), "{form}: {refusal}");
    }
}

#[test]
fn a_handler_and_a_call_are_told_apart() {
    assert!(pull("a").handler().is_handler());
    assert!(!pull("a").is_handler());
    assert!(call(pull("a"), 0).is_call());
    assert!(!TaskPath::Push(0).is_call());
    assert_eq!(call(pull("a"), 0).handler(), call(pull("a"), 0));
}
