"""The values and operations of a case: what a node, a task or a route computes, in plain Python.

README.md of this folder is the definition; this file is the reference's reading of it. It knows LangGraph only
through the few calls that an operation is made of (interrupt, Command, Send, Overwrite, the stream writer, the store).
"""

import asyncio
import dataclasses
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_messages
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.func import entrypoint
from langgraph.types import Command, Overwrite, Send, TimeoutPolicy, interrupt

# So often does an operation that rests let other tasks go first: far more often than any task of a case needs.
TURNS = 500
END_NAMES = {"START": "__start__", "END": "__end__"}


class Failure(Exception):
    """A node's own error that the default retry policy repeats."""


ERRORS = {
    "ValueError": ValueError,
    "RuntimeError": RuntimeError,
    "ConnectionError": ConnectionError,
    "Failure": Failure,
}


def node_name(name: str) -> str:
    """START and END are written short in cases."""
    return END_NAMES.get(name, name)


@dataclasses.dataclass
class World:
    """What outlives one run: flags and counters of the process, and the signals between tasks."""

    flags: dict[str, Any] = dataclasses.field(default_factory=dict)
    counters: dict[str, int] = dataclasses.field(default_factory=dict)
    signals: dict[str, asyncio.Event] = dataclasses.field(default_factory=dict)
    graphs: dict[str, Any] = dataclasses.field(default_factory=dict)
    tasks: dict[str, Any] = dataclasses.field(default_factory=dict)

    def signal(self, name: str) -> asyncio.Event:
        """The event of that name, made when first asked for."""
        return self.signals.setdefault(name, asyncio.Event())


@dataclasses.dataclass
class Frame:
    """One attempt of a node, task, handler or route."""

    world: World
    given: Any
    config: Any = None
    runtime: Any = None
    error: Any = None
    variables: dict[str, Any] = dataclasses.field(default_factory=dict)
    update: dict[str, Any] | None = None
    commands: list[Command] = dataclasses.field(default_factory=list)
    returned: Any = None


def at_path(value: Any, path: str) -> Any:
    """The part of a value at a dotted path; null where there is none."""
    if path == ".":
        return value
    for part in path.split("."):
        if isinstance(value, BaseMessage):
            value = getattr(value, part, None)
        elif isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, (list, tuple)) and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def text(value: Any) -> str:
    """How a value stands in joined text: null is empty."""
    return "" if value is None else str(value)


def as_list(value: Any) -> list[Any]:
    """A list for a list, nothing for null, and a list of one for anything else."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def over(value: Any) -> list[Any]:
    """What `over` walks: a list, or 0 up to a number."""
    return list(range(value)) if isinstance(value, int) else list(value or [])


def describe_error(error: BaseException) -> dict[str, Any]:
    """The class and the text of an error that a handler sees."""
    return {"class": type(error).__name__, "message": str(error)}


def map_value(body: dict[str, Any], frame: Frame) -> list[Any]:
    """`$map`: one value for each item."""
    result = []
    for item in over(evaluate(body["over"], frame)):
        inner = dataclasses.replace(frame, variables={**frame.variables, body["as"]: item})
        result.append(evaluate(body["to"], inner))
    return result


def switch_value(body: dict[str, Any], frame: Frame) -> Any:
    """`$switch`: the case whose key is the text of the value, else `else`."""
    key = text(evaluate(body["on"], frame))
    return evaluate(body["cases"].get(key, body.get("else")), frame)


def send_value(body: dict[str, Any], frame: Frame) -> Send:
    """`$send`: a task for one node with an input of its own."""
    return Send(node_name(body["node"]), evaluate(body["arg"], frame), timeout=timeout_policy(body.get("timeout")))


def timeout_policy(body: dict[str, Any] | None) -> TimeoutPolicy | None:
    """The time limits of a node, a task or a Send, in seconds."""
    if body is None:
        return None
    return TimeoutPolicy(
        run_timeout=body.get("run"), idle_timeout=body.get("idle"), refresh_on=body.get("refresh_on", "auto")
    )


OPERATORS = {
    "$lit": lambda body, frame: body,
    "$in": lambda body, frame: at_path(frame.given, body),
    "$var": lambda body, frame: at_path(frame.variables, body),
    "$context": lambda body, frame: at_path(frame.runtime.context, body),
    "$previous": lambda body, frame: at_path(frame.runtime.previous, body),
    "$attempt": lambda body, frame: frame.runtime.execution_info.node_attempt,
    "$error": lambda body, frame: at_path({"node": frame.error.node, **describe_error(frame.error.error)}, body),
    "$flag": lambda body, frame: frame.world.flags.get(body),
    "$count": lambda body, frame: frame.world.counters.get(body, 0),
    "$add": lambda body, frame: sum(evaluate(item, frame) or 0 for item in body),
    "$join": lambda body, frame: "".join(text(evaluate(item, frame)) for item in body),
    "$concat": lambda body, frame: [part for item in body for part in as_list(evaluate(item, frame))],
    "$len": lambda body, frame: len(evaluate(body, frame) or ()),
    "$eq": lambda body, frame: evaluate(body[0], frame) == evaluate(body[1], frame),
    "$lt": lambda body, frame: (evaluate(body[0], frame) or 0) < (evaluate(body[1], frame) or 0),
    "$not": lambda body, frame: not evaluate(body, frame),
    "$if": lambda body, frame: evaluate(body[1] if evaluate(body[0], frame) else body[2], frame),
    "$map": map_value,
    "$switch": switch_value,
    "$send": send_value,
    "$overwrite": lambda body, frame: Overwrite(evaluate(body, frame)),
    "$message": lambda body, frame: convert_to_messages([evaluate(body, frame)])[0],
}


def evaluate(expression: Any, frame: Frame) -> Any:
    """The value of an expression: JSON, where an object with one key that starts with `$` is an operator."""
    if isinstance(expression, list):
        return [evaluate(item, frame) for item in expression]
    if not isinstance(expression, dict):
        return expression
    if len(expression) == 1:
        (name, body), *_ = expression.items()
        if name.startswith("$"):
            return OPERATORS[name](body, frame)
    return {key: evaluate(item, frame) for key, item in expression.items()}


class Speaker(BaseChatModel):
    """A chat model that says given pieces, so that `messages` streams them as a real model's would be."""

    pieces: list[Any]

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        whole = self.pieces[0]
        for piece in self.pieces[1:]:
            whole = whole + piece
        message = AIMessage(
            content=whole.content, id=whole.id, tool_calls=whole.tool_calls, usage_metadata=whole.usage_metadata
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        for piece in self.pieces:
            chunk = ChatGenerationChunk(message=piece)
            if run_manager:
                await run_manager.on_llm_new_token(piece.content, chunk=chunk)
            yield chunk


def chunks(body: dict[str, Any], frame: Frame) -> list[AIMessageChunk]:
    """The pieces of one streamed assistant message: text first, then the arguments of tool calls."""
    identifier = evaluate(body["id"], frame)
    result = [AIMessageChunk(content=piece, id=identifier) for piece in evaluate(body.get("pieces", []), frame)]
    for index, call in enumerate(body.get("tool_calls", [])):
        for position, piece in enumerate(call["pieces"]):
            first = position == 0
            part = {
                "name": call["name"] if first else None,
                "id": call["id"] if first else None,
                "args": piece,
                "index": index,
                "type": "tool_call_chunk",
            }
            result.append(AIMessageChunk(content="", id=identifier, tool_call_chunks=[part]))
    if usage := body.get("usage"):
        counted = {"input_tokens": usage["input"], "output_tokens": usage["output"]}
        counted["total_tokens"] = usage["input"] + usage["output"]
        result.append(AIMessageChunk(content="", id=identifier, usage_metadata=counted))
    return result


async def do_say(op, frame):
    """Streams a message and writes it to its key."""
    body = op["say"]
    message = await Speaker(pieces=chunks(body, frame)).ainvoke([("user", "go")], frame.config)
    key = body.get("key", "messages")
    if key is not None:
        frame.update = {**(frame.update or {}), key: [*(frame.update or {}).get(key, []), message]}
    return message


async def do_write(op, frame):
    """Writes keys of the state."""
    frame.update = {**(frame.update or {}), **evaluate(op["write"], frame)}


async def do_command(op, frame):
    """Returns a Command."""
    body = op["command"]
    goto = as_list(evaluate(body.get("goto"), frame))
    frame.commands.append(
        Command(
            update=evaluate(body.get("update"), frame),
            goto=[node_name(item) if isinstance(item, str) else item for item in goto],
            graph=Command.PARENT if body.get("graph") == "parent" else None,
        )
    )


async def do_raise(op, frame):
    """Fails with an error of the node's own."""
    body = op["raise"]
    error = ERRORS[body["error"]](evaluate(body["message"], frame))
    error.of_a_node = True
    raise error


async def do_interrupt(op, frame):
    """Asks, and gives the answer when the run is resumed."""
    schema = {"int": int, "str": str, "bool": bool}[op["type"]] if "type" in op else op.get("schema")
    return interrupt(evaluate(op["interrupt"], frame), response_schema=schema)


async def do_custom(op, frame):
    """Writes to the custom stream."""
    frame.runtime.stream_writer(evaluate(op["custom"], frame))


async def do_call(op, frame):
    """Runs another graph inside this node."""
    body = op["call"]
    return await frame.world.graphs[body["graph"]].ainvoke(evaluate(body["input"], frame), frame.config)


async def do_run(op, frame):
    """Runs a task of a functional graph."""
    body = op["run"]
    return await frame.world.tasks[body["task"]](evaluate(body["arg"], frame))


async def do_gather(op, frame):
    """Starts one task for each item, then waits for all in order."""
    body = op["gather"]
    futures = []
    for item in over(evaluate(body["over"], frame)):
        inner = dataclasses.replace(frame, variables={**frame.variables, body["as"]: item})
        futures.append(frame.world.tasks[body["task"]](evaluate(body["arg"], inner)))
    return [await future for future in futures]


async def do_store_get(op, frame):
    """Reads one item of the store."""
    item = await frame.runtime.store.aget(tuple(op["store_get"]["namespace"]), op["store_get"]["key"])
    return item.value if item else None


async def do_store_put(op, frame):
    """Writes one item of the store."""
    body = op["store_put"]
    await frame.runtime.store.aput(tuple(body["namespace"]), body["key"], evaluate(body["value"], frame))


async def do_store_delete(op, frame):
    """Deletes one item of the store."""
    await frame.runtime.store.adelete(tuple(op["store_delete"]["namespace"]), op["store_delete"]["key"])


async def do_store_search(op, frame):
    """The values under a namespace prefix that match a filter, sorted by namespace and key."""
    body = op["store_search"]
    found = await frame.runtime.store.asearch(tuple(body["namespace"]), filter=evaluate(body.get("filter"), frame))
    return [item.value for item in sorted(found, key=lambda item: (item.namespace, item.key))]


async def do_rest(op, frame):
    """Lets everything else that can run do so first."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def do_wait(op, frame):
    """Waits for a signal, then rests."""
    await frame.world.signal(op["wait"]).wait()
    await do_rest(op, frame)


async def do_signal(op, frame):
    """Gives a signal."""
    frame.world.signal(op["signal"]).set()


async def do_hang(op, frame):
    """Never ends by itself; counts when it is cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        frame.world.counters[op["hang"]] = frame.world.counters.get(op["hang"], 0) + 1
        raise


async def do_sleep(op, frame):
    """Sleeps some seconds."""
    await asyncio.sleep(op["sleep"])


async def do_heartbeat(op, frame):
    """Says that the node still makes progress."""
    frame.runtime.heartbeat()


async def do_drain(op, frame):
    """Asks the run to stop before its next step."""
    frame.runtime.control.request_drain(op["drain"])


async def do_count(op, frame):
    """Adds one to a counter of the process."""
    frame.world.counters[op["count"]] = frame.world.counters.get(op["count"], 0) + 1


async def do_set(op, frame):
    """Binds a variable."""
    return evaluate(op["set"], frame)


async def do_repeat(op, frame):
    """Does operations once for each item."""
    body = op["repeat"]
    for item in over(evaluate(body["over"], frame)):
        frame.variables[body["as"]] = item
        await perform(body["do"], frame)


async def do_return(op, frame):
    """The result of an entrypoint or task."""
    frame.returned = evaluate(op["return"], frame)


async def do_final(op, frame):
    """The result of an entrypoint, and apart from it what the next run finds as `previous`."""
    body = evaluate(op["final"], frame)
    frame.returned = entrypoint.final(value=body["value"], save=body["save"])


OPERATIONS = {name[3:]: function for name, function in list(globals().items()) if name.startswith("do_")}


async def perform(ops: list[dict[str, Any]], frame: Frame) -> None:
    """Does operations in order."""
    for op in ops:
        (name,) = set(op) - {"when", "as", "schema", "type"}
        if "when" in op and not evaluate(op["when"], frame):
            continue
        result = await OPERATIONS[name](op, frame)
        if "as" in op:
            frame.variables[op["as"]] = result


def node_result(frame: Frame) -> Any:
    """What a node returns: nothing, an update, a Command, or a list that mixes them."""
    if not frame.commands:
        return frame.update
    if frame.update is None and len(frame.commands) == 1:
        return frame.commands[0]
    return [*([frame.update] if frame.update is not None else []), *frame.commands]
