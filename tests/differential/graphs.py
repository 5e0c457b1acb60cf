"""Builds LangGraph graphs from the description of a case (README.md: "A graph", "A functional graph")."""

import operator
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.cache.memory import InMemoryCache
from langgraph.channels import AnyValue, EphemeralValue, LastValueAfterFinish, Topic, UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import NodeError
from langgraph.func import entrypoint, task
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages
from langgraph.managed import IsLastStep, RemainingSteps
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, RetryPolicy
from typing_extensions import TypedDict

from language import ERRORS, Frame, World, as_list, evaluate, node_name, node_result, perform, timeout_policy
import itertools


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The reducer `merge`: the keys of the new object win."""
    return {**old, **new}


REDUCERS = {
    "last": Any,
    "append": Annotated[list, operator.add],
    "add": Annotated[int, operator.add],
    "merge": Annotated[dict, merge],
    # Not called min and max directly: LangGraph looks at the signature of a reducer, and the built-in ones have none.
    # `object` as type has no empty value that could be compared, so the first write stands as it is.
    "min": Annotated[Any, lambda old, new: min(old, new)],
    "max": Annotated[Any, lambda old, new: max(old, new)],
    "messages": Annotated[list, add_messages],
    "any": Annotated[Any, AnyValue(Any)],
    "untracked": Annotated[Any, UntrackedValue(Any)],
    "untracked_any": Annotated[Any, UntrackedValue(Any, guard=False)],
    "ephemeral": Annotated[Any, EphemeralValue(Any)],
    "ephemeral_any": Annotated[Any, EphemeralValue(Any, guard=False)],
    "topic": Annotated[Any, Topic(Any)],
    "topic_accumulate": Annotated[Any, Topic(Any, accumulate=True)],
    "last_after_finish": Annotated[Any, LastValueAfterFinish(Any)],
    "is_last_step": IsLastStep,
    "remaining_steps": RemainingSteps,
}
GRAPH_KEYS = {
    "state", "private", "input", "output", "nodes", "edges", "joins", "sequence", "branches", "defaults",
    "interrupt_before", "interrupt_after", "checkpointer",
}  # fmt: skip
NODE_KEYS = {"do", "graph", "map_in", "map_out", "input", "ends", "defer", "retry", "cache", "timeout", "on_error"}
TASK_KEYS = {"do", "retry", "cache", "timeout"}


def schema(name: str, described: dict[str, str], keys: list[str] | None = None) -> type:
    """A TypedDict of the described keys, or of some of them."""
    chosen = described if keys is None else {key: described[key] for key in keys}
    return TypedDict(name, {key: REDUCERS[reduce] for key, reduce in chosen.items()})


def retry_policy(body: dict[str, Any] | list[dict[str, Any]] | None) -> Any:
    """One retry policy, or a list of which the first that matches counts."""
    if body is None:
        return None
    if isinstance(body, list):
        return [retry_policy(item) for item in body]
    chosen = {"retry_on": tuple(ERRORS[name] for name in body["on"])} if "on" in body else {}
    return RetryPolicy(
        initial_interval=body.get("initial", 0.001),
        backoff_factor=body.get("factor", 2.0),
        max_interval=body.get("max", 0.01),
        max_attempts=body["attempts"],
        jitter=False,
        **chosen,
    )


def cache_policy(body: dict[str, Any] | None) -> CachePolicy | None:
    """How long results are kept, in seconds; null for ever."""
    return None if body is None else CachePolicy(ttl=body.get("ttl"))


def node_function(ops: list[dict[str, Any]], world: World):
    """A node that does operations."""

    async def node(state: Any, config: RunnableConfig, runtime: Runtime) -> Any:
        frame = Frame(world, state, config, runtime)
        await perform(ops, frame)
        return node_result(frame)

    return node


def handler_function(ops: list[dict[str, Any]], world: World):
    """An error handler that does operations."""

    async def handler(state: Any, config: RunnableConfig, runtime: Runtime, error: NodeError) -> Any:
        frame = Frame(world, state, config, runtime, error=error)
        await perform(ops, frame)
        return node_result(frame)

    return handler


def mapped_node(body: dict[str, Any], child: Any, world: World):
    """A subgraph whose state is another: values go in and out by expressions."""

    async def mapped(state: Any, config: RunnableConfig, runtime: Runtime) -> Any:
        given = evaluate(body["map_in"], Frame(world, state, config, runtime))
        result = await child.ainvoke(given, config)
        return evaluate(body["map_out"], Frame(world, result, config, runtime))

    return mapped


def route_function(body: dict[str, Any], world: World, index: int):
    """A route: an expression over the state as the node left it."""

    async def route(state: Any) -> Any:
        chosen = evaluate(body["route"], Frame(world, state))
        if isinstance(body.get("paths"), dict):
            return chosen
        names = [node_name(item) if isinstance(item, str) else item for item in as_list(chosen)]
        return names if isinstance(chosen, list) or chosen is None else names[0]

    route.__name__ = f"route{index}"
    return route


def policies(body: dict[str, Any], world: World) -> dict[str, Any]:
    """The policies of a node, or the defaults of a graph."""
    handler = body.get("on_error")
    return {
        "retry_policy": retry_policy(body.get("retry")),
        "cache_policy": cache_policy(body.get("cache")),
        "timeout": timeout_policy(body.get("timeout")),
        "error_handler": handler_function(handler, world) if handler is not None else None,
    }


def add_node(builder: StateGraph, name: str, body: dict[str, Any], case: "Built") -> None:
    """One node: operations, a subgraph of the same state, or a mapped one."""
    if unknown := set(body) - NODE_KEYS:
        raise KeyError(f"node {name}: unknown {sorted(unknown)}")
    if "graph" in body:
        child = case.world.graphs[body["graph"]]
        action = mapped_node(body, child, case.world) if "map_in" in body else child
    else:
        action = node_function(body["do"], case.world)
    extra = {"input_schema": schema(f"{name}_input", case.all_keys, body["input"])} if "input" in body else {}
    ends = tuple(node_name(end) for end in body["ends"]) if "ends" in body else None
    builder.add_node(
        name, action, defer=body.get("defer", False), destinations=ends, **policies(body, case.world), **extra
    )


class Built:
    """What building one graph needs at hand."""

    def __init__(self, world: World, all_keys: dict[str, str]):
        self.world = world
        self.all_keys = all_keys


def state_graph(body: dict[str, Any], world: World, **compiled: Any) -> Any:
    """A compiled graph over a described state."""
    if unknown := set(body) - GRAPH_KEYS:
        raise KeyError(f"graph: unknown {sorted(unknown)}")
    state = body["state"]
    extra = {}
    if "input" in body:
        extra["input_schema"] = schema("Input", state, body["input"])
    if "output" in body:
        extra["output_schema"] = schema("Output", state, body["output"])
    builder = StateGraph(schema("State", state), context_schema=dict, **extra)
    if "defaults" in body:
        builder.set_node_defaults(**{k: v for k, v in policies(body["defaults"], world).items() if v is not None})
    case = Built(world, {**state, **body.get("private", {})})
    for name, node in body["nodes"].items():
        add_node(builder, name, node, case)
    for names in body.get("sequence", []):
        for first, second in itertools.pairwise(names):
            builder.add_edge(node_name(first), node_name(second))
    for first, second in body.get("edges", []):
        builder.add_edge(node_name(first), node_name(second))
    for names, target in body.get("joins", []):
        builder.add_edge([node_name(name) for name in names], node_name(target))
    for index, branch in enumerate(body.get("branches", [])):
        paths = branch.get("paths")
        if isinstance(paths, dict):
            paths = {key: node_name(target) for key, target in paths.items()}
        elif paths is not None:
            paths = [node_name(target) for target in paths]
        builder.add_conditional_edges(node_name(branch["from"]), route_function(branch, world, index), paths)
    return builder.compile(
        interrupt_before=body.get("interrupt_before"), interrupt_after=body.get("interrupt_after"), **compiled
    )


def task_function(name: str, body: dict[str, Any], world: World):
    """A task of a functional graph."""
    if unknown := set(body) - TASK_KEYS:
        raise KeyError(f"task {name}: unknown {sorted(unknown)}")

    async def run(given: Any) -> Any:
        from langgraph.config import get_config
        from langgraph.runtime import get_runtime

        frame = Frame(world, given, get_config(), get_runtime())
        await perform(body["do"], frame)
        return frame.returned

    run.__name__ = name
    run.__qualname__ = name
    policies_of_task = policies(body, world)
    policies_of_task.pop("error_handler")
    return task(name=name, **policies_of_task)(run)


def functional_graph(body: dict[str, Any], world: World, **compiled: Any) -> Any:
    """An entrypoint and its tasks."""
    world.tasks = {name: task_function(name, item, world) for name, item in body.get("tasks", {}).items()}

    async def workflow(given: Any, config: RunnableConfig, runtime: Runtime) -> Any:
        frame = Frame(world, given, config, runtime)
        await perform(body["do"], frame)
        return frame.returned

    workflow.__name__ = body.get("name", "workflow")
    return entrypoint(context_schema=dict, **compiled)(workflow)


CHECKPOINTERS = {"inherit": None, "own": True, "none": False}


def build(case: dict[str, Any]) -> tuple[Any, World]:
    """The graph of a case, its store and its cache in memory; children first, in the order they are written."""
    world = World()
    for name, child in case.get("graphs", {}).items():
        checkpointer = CHECKPOINTERS[child.get("checkpointer", "inherit")]
        world.graphs[name] = state_graph(child, world, checkpointer=checkpointer, name=name)
    compiled = {"checkpointer": InMemorySaver(), "store": InMemoryStore(), "cache": InMemoryCache()}
    if "functional" in case:
        return functional_graph(case["functional"], world, **compiled), world
    graph = {key: value for key, value in case.items() if key in GRAPH_KEYS}
    return state_graph(graph, world, **compiled), world
