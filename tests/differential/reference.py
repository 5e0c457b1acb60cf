"""Runs cases on LangGraph and prints one outcome a line: the side that is right by definition.

python reference.py cases/three.json           # the outcome as it is
python reference.py --normal cases/*.json      # after normalising, indented
"""

import argparse
import ast
import asyncio
import json
import logging
import pathlib
import sys
import warnings
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.pregel._algo import task_path_str
from langgraph.types import Command, Interrupt, Overwrite, Send, StateSnapshot, StateUpdate

from graphs import build
from language import Frame, as_list, evaluate, node_name
from normalise import normalise

# The default limit of a case, on both sides: LangGraph's own is 10,007.
RECURSION_LIMIT = 25
MODES = ["values", "updates", "tasks", "custom", "checkpoints"]
METADATA = ("langgraph_step", "langgraph_node", "langgraph_triggers", "langgraph_path", "langgraph_checkpoint_ns")
# Errors of the engine that have a general class in LangGraph, by how their text starts.
KINDS = {
    ("RuntimeError", "When there are multiple pending interrupts"): "AmbiguousResume",
    ("RuntimeError", "Cannot use Command(resume=...) without checkpointer"): "NoCheckpointer",
    ("ValueError", "No checkpointer set"): "NoCheckpointer",
    ("RuntimeError", "no running checkpointer"): "NoCheckpointer",
    ("ValueError", "Branch did not return a valid destination"): "InvalidRoute",
    ("ValueError", "Attempting to delete a message"): "UnknownMessage",
    ("ValueError", "recursion_limit must be"): "InvalidLimit",
    ("ValueError", "No supersteps provided"): "EmptyUpdate",
    ("ValueError", "No updates provided"): "EmptyUpdate",
    ("ValidationError", ""): "InvalidResume",
    # An empty Command: LangGraph means to say this, and stumbles over a variable of its own first.
    ("UnboundLocalError", "cannot access local variable 'resume_is_map'"): "EmptyInputError",
    ("KeyError", ""): "InvalidRoute",
}
OWN_TEXT = {"ValueError", "RuntimeError", "ConnectionError", "Failure"}
ENGINE = {
    "GraphRecursionError", "InvalidUpdateError", "EmptyInputError", "NodeTimeoutError", "GraphDrained",
    "UnknownInterruptError", "CancelledError", "NodeCancelledError", "ParentCommand",
}  # fmt: skip


def error_of(error: Any) -> dict[str, Any] | None:
    """An error as data. The text stays for a node's own errors only; from a saver they come back as their repr."""
    if error is None:
        return None
    if isinstance(error, BaseException):
        name, text, own = type(error).__name__, str(error), getattr(error, "of_a_node", None)
    else:
        name, _, rest = str(error).partition("(")
        try:
            text = str(ast.literal_eval(rest.removesuffix(")")))
        except (SyntaxError, ValueError):
            text = rest
        own = None
        if "validation error for" in name:
            name = "ValidationError"
    for (kind, start), meant in KINDS.items():
        if name == kind and text.startswith(start) and not own:
            return {"class": meant, "message": None}
    if name not in ENGINE | OWN_TEXT:
        # Most likely a mistake in a case or in this program: no outcome.
        raise AssertionError(f"an error that no table knows: {name}: {text}") from (
            error if isinstance(error, BaseException) else None
        )
    return {"class": name, "message": text if name in OWN_TEXT else None}


def message_of(message: BaseMessage) -> dict[str, Any]:
    """A message with the fields that the test compares."""
    result = {"type": message.type, "content": message.content, "id": message.id}
    for name in ("name", "tool_call_id"):
        if (value := getattr(message, name, None)) is not None:
            result[name] = value
    if message.type == "AIMessageChunk":
        if message.tool_call_chunks:
            kept = ("name", "args", "id", "index")
            result["tool_call_chunks"] = [{key: call[key] for key in kept} for call in message.tool_call_chunks]
    elif calls := getattr(message, "tool_calls", None):
        result["tool_calls"] = [{key: call[key] for key in ("name", "args", "id")} for call in calls]
    if usage := getattr(message, "usage_metadata", None):
        result["usage"] = {"input": usage["input_tokens"], "output": usage["output_tokens"]}
    return result


def plain(value: Any) -> Any:
    """Any value of LangGraph as JSON."""
    match value:
        case BaseMessage():
            return message_of(value)
        case Interrupt():
            return {"value": plain(value.value), "id": value.id, "response_schema": plain(value.response_schema)}
        case Send():
            return {"send": value.node, "arg": plain(value.arg)}
        case Overwrite():
            return {"overwrite": plain(value.value)}
        case StateSnapshot():
            return snapshot_of(value)
        case BaseException():
            return error_of(value)
        case {"__overwrite__": replaced} if len(value) == 1:
            return {"overwrite": plain(replaced)}
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"no JSON for {type(value)}: {value!r}")


def checkpoint_of(config: dict[str, Any] | None) -> dict[str, Any] | None:
    """Where a config points: namespace and checkpoint id, no id where only the newest is meant."""
    if config is None:
        return None
    where = config["configurable"]
    return {"ns": where.get("checkpoint_ns", ""), "id": where.get("checkpoint_id")}


def metadata_of(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the metadata of a checkpoint says of the engine."""
    return metadata and {key: metadata[key] for key in ("source", "step", "parents") if key in metadata}


def sub_state(state: Any) -> Any:
    """The state of a task's subgraph: a snapshot, or where to find it."""
    return checkpoint_of(state) if isinstance(state, dict) else plain(state)


def by_path(task: Any) -> str:
    """Where a task stands among its step's: those that an edge started by name, then those that were sent, in order."""
    return task_path_str(task.path)


def snapshot_of(snapshot: StateSnapshot) -> dict[str, Any]:
    """A state snapshot without times, its tasks by path."""
    tasks = sorted(snapshot.tasks, key=by_path)
    return {
        "values": plain(snapshot.values),
        "next": sorted(snapshot.next),
        "tasks": [
            {
                "id": task.id,
                "name": task.name,
                "path": plain(task.path),
                "error": error_of(task.error),
                "interrupts": plain(task.interrupts),
                "result": plain(task.result),
                "state": sub_state(task.state),
            }
            for task in tasks
        ],
        "metadata": metadata_of(snapshot.metadata),
        "checkpoint": checkpoint_of(snapshot.config),
        "parent": checkpoint_of(snapshot.parent_config),
        "interrupts": [plain(item) for task in tasks for item in task.interrupts],
    }


def event_of(namespace: tuple[str, ...], mode: str, data: Any) -> dict[str, Any]:
    """One event of a stream."""
    if mode == "checkpoints":
        tasks = [
            {**plain({k: v for k, v in task.items() if k not in ("state", "error")}),
             "error": error_of(task.get("error")), "state": sub_state(task.get("state"))}
            for task in data["tasks"]
        ]  # fmt: skip
        data = {
            "checkpoint": checkpoint_of(data["config"]),
            "parent": checkpoint_of(data["parent_config"]),
            "values": data["values"],
            "metadata": metadata_of(data["metadata"]),
            "next": data["next"],
            "tasks": tasks,
        }
    elif mode == "tasks":
        data = {key: value for key, value in data.items() if key != "metadata"}
        if "error" in data:
            data["error"] = error_of(data["error"])
    elif mode == "messages":
        message, metadata = data
        data = {"message": message, "metadata": {key: metadata[key] for key in METADATA if key in metadata}}
    return {"ns": list(namespace), "mode": mode, "data": plain(data)}


async def newest(graph: Any, thread: str, **options: Any) -> dict[str, Any]:
    """The state of a thread, or why it can't be read: LangGraph applies the pending writes for it, which may fail."""
    try:
        return snapshot_of(await graph.aget_state({"configurable": {"thread_id": thread}}, **options))
    except Exception as raised:  # noqa: BLE001 - every error is an outcome
        return {"error": error_of(raised)}


async def all_history(graph: Any, config: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """A thread's history, newest first; where it can't be read on, the error stands last."""
    found = []
    try:
        async for item in graph.aget_state_history(config, **options):
            found.append(snapshot_of(item))
    except Exception as raised:  # noqa: BLE001 - every error is an outcome
        found.append({"error": error_of(raised)})
    return found


class Runner:
    """Plays the scenario of one case."""

    def __init__(self, case: dict[str, Any]):
        self.case = case
        self.graph, self.world = build(case)
        self.modes = [*MODES, "messages"] if case.get("messages") else MODES
        self.threads: dict[str, None] = {}

    async def config(self, step: dict[str, Any]) -> dict[str, Any]:
        """The config of a step: its thread, its checkpoint, its limit."""
        thread = step.get("thread", self.case.get("thread"))
        if thread is not None:
            self.threads[thread] = None
        config = {
            "configurable": {"thread_id": thread},
            "recursion_limit": step.get("recursion_limit", RECURSION_LIMIT),
        }
        if "at" in step:
            config = {**config, **await self.checkpoint(config, step["at"])}
        return config

    async def checkpoint(self, config: dict[str, Any], at: dict[str, Any]) -> dict[str, Any]:
        """The n-th of the thread's history, newest first; `task` means the newest state of that task's subgraph."""
        history = [item async for item in self.graph.aget_state_history(config)]
        found = history[at["history"]]
        if "task" in at:
            detailed = await self.graph.aget_state(found.config, subgraphs=True)
            (task,) = [task for task in detailed.tasks if task.name == at["task"]]
            return task.state.config
        return found.config

    async def input(self, step: dict[str, Any], config: dict[str, Any]) -> Any:
        """The input of a run: a value, an answer, or a command."""
        frame = Frame(self.world, None)
        if "invoke" in step:
            return evaluate(step["invoke"], frame)
        if "resume" in step:
            return Command(resume=evaluate(step["resume"], frame))
        if "resume_each" in step:
            state = await self.graph.aget_state({"configurable": config["configurable"]})
            pending = [item for task in sorted(state.tasks, key=by_path) for item in task.interrupts]
            answers = {pending[int(index)].id: answer for index, answer in step["resume_each"].items()}
            return Command(resume=answers)
        body = step["command"]
        goto = [
            node_name(item) if isinstance(item, str) else item for item in as_list(evaluate(body.get("goto"), frame))
        ]
        return Command(update=evaluate(body.get("update"), frame), resume=body.get("resume"), goto=goto)

    async def run(self, step: dict[str, Any]) -> dict[str, Any]:
        """Runs the graph and keeps every event of every stream."""
        config = await self.config(step)
        options = {
            key: step[key] for key in ("durability", "interrupt_before", "interrupt_after", "context") if key in step
        }
        graph = self.graph
        if config["configurable"]["thread_id"] is None:
            graph = graph.copy({"checkpointer": None})
            config = {**config, "configurable": {}}
        events, error = [], None
        try:
            given = await self.input(step, config)
            stream = graph.astream(given, config, stream_mode=self.modes, subgraphs=True, **options)
            async for namespace, mode, data in stream:
                # Encoded at once: a value may still change after it was sent.
                events.append(self.argument_alone(event_of(namespace, mode, data)))
        except Exception as raised:  # noqa: BLE001 - every error is an outcome
            error = error_of(raised)
        result = {"events": events, "error": error}
        if config["configurable"].get("thread_id") is not None:
            result["state"] = await newest(self.graph, config["configurable"]["thread_id"])
        return result

    def argument_alone(self, event: dict[str, Any]) -> dict[str, Any]:
        """The same event; the input of a functional task is its one argument, not how Python calls it."""
        data = event["data"]
        if "functional" in self.case and event["mode"] == "tasks" and data.get("triggers") == ["__pregel_push"]:
            data["input"] = data["input"][0][0]
        return event

    async def update(self, step: dict[str, Any]) -> dict[str, Any]:
        """Changes the state by hand."""
        config = await self.config(step)
        try:
            if "bulk_update_state" in step:
                supersteps = [
                    [
                        StateUpdate(evaluate(item["values"], Frame(self.world, None)), self.as_node(item))
                        for item in items
                    ]
                    for items in step["bulk_update_state"]
                ]
                found = await self.graph.abulk_update_state(config, supersteps)
            else:
                body = step["update_state"]
                values = evaluate(body["values"], Frame(self.world, None))
                found = await self.graph.aupdate_state(config, values, self.as_node(body))
        except Exception as raised:  # noqa: BLE001 - every error is an outcome
            return {"error": error_of(raised)}
        state = await newest(self.graph, config["configurable"]["thread_id"])
        return {"error": None, "checkpoint": checkpoint_of(found), "state": state}

    @staticmethod
    def as_node(body: dict[str, Any]) -> str | None:
        """The node whose write an update is."""
        name = body.get("as_node")
        return name and node_name(name)

    async def read(self, step: dict[str, Any]) -> dict[str, Any]:
        """Reads state or history."""
        config = await self.config(step)
        config = {"configurable": config["configurable"]}
        try:
            if "get_state" in step:
                return {"state": snapshot_of(await self.graph.aget_state(config, **step["get_state"]))}
            body = dict(step["get_history"])
            if "before" in body:
                body["before"] = await self.checkpoint(config, {"history": body["before"]})
            return {"history": await all_history(self.graph, config, **body)}
        except Exception as raised:  # noqa: BLE001 - every error is an outcome
            return {"error": error_of(raised)}

    async def step(self, step: dict[str, Any]) -> dict[str, Any]:
        """One step of the scenario."""
        if {"invoke", "resume", "resume_each", "command"} & set(step):
            return await self.run(step)
        if {"update_state", "bulk_update_state"} & set(step):
            return await self.update(step)
        if {"get_state", "get_history"} & set(step):
            return await self.read(step)
        if "flag" in step:
            self.world.flags.update(step["flag"])
            return {}
        if "counters" in step:
            return {"counters": dict(sorted(self.world.counters.items()))}
        if "store" in step:
            found = await self.graph.store.asearch(tuple(step["store"]))
            items = [{"namespace": list(item.namespace), "key": item.key, "value": item.value} for item in found]
            return {"items": sorted(items, key=lambda item: (item["namespace"], item["key"]))}
        if "clear_cache" in step:
            await self.graph.aclear_cache(step["clear_cache"] or None)
            return {}
        raise KeyError(f"unknown step {sorted(step)}")

    async def play(self) -> dict[str, Any]:
        """The whole scenario, then what every thread became."""
        steps = [await self.step(step) for step in self.case["scenario"]]
        threads = {}
        for thread in self.threads:
            config = {"configurable": {"thread_id": thread}}
            state = await newest(self.graph, thread, subgraphs=True)
            threads[thread] = {"state": state, "history": await all_history(self.graph, config)}
        return {"name": self.case["name"], "steps": steps, "threads": threads}


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What LangGraph makes of a case."""
    return asyncio.run(Runner(case).play())


def main() -> None:
    """Prints outcomes of the named cases, or of those on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", type=pathlib.Path)
    parser.add_argument("--normal", action="store_true")
    arguments = parser.parse_args()
    texts = [path.read_text() for path in arguments.cases] if arguments.cases else sys.stdin
    for text in texts:
        result = outcome(json.loads(text))
        if arguments.normal:
            print(json.dumps(normalise(result, "functional" in json.loads(text)), indent=1))
        else:
            print(json.dumps(result), flush=True)


# What LangGraph says on the side (an unknown channel, an unknown type in a checkpoint) is no part of an outcome.
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

if __name__ == "__main__":
    main()
