"""Makes outcomes comparable: ids become ordinals, and events of tasks that ran side by side get one order.

README.md lists what is lost by this ("What is normalised"). The same function is applied to both sides.
"""

import json
import re
from typing import Any

# A UUID or 32 hex digits; message ids of a model run carry a prefix.
ID = re.compile(
    r"(?:lc_run--|run--)?(?<![0-9a-f])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f])"
)
# Every mode with the rank in which its ids are numbered.
MODES = ["checkpoints", "tasks", "values", "updates", "messages", "custom"]
LAST = 1 << 30


class Ids:
    """Ordinals of ids, in the order in which they were first seen."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def ordinal(self, identifier: str) -> int:
        """The number of an id; a new one where it was not seen yet."""
        return self.known.setdefault(identifier, len(self.known) + 1)

    def replace(self, value: Any) -> Any:
        """The same value with ordinals for ids, in keys too."""
        if isinstance(value, str):
            return ID.sub(lambda found: f"<{self.ordinal(found.group())}>", value)
        if isinstance(value, list):
            return [self.replace(item) for item in value]
        if isinstance(value, dict):
            return {self.replace(key): self.replace(item) for key, item in value.items()}
        return value


def without_ids(value: Any) -> str:
    """A text to sort by that is the same in every run."""
    return ID.sub("<>", json.dumps(value, sort_keys=True))


def closes_a_message(event: dict[str, Any]) -> bool:
    """Whether an event is the chunk with nothing in it by which LangChain ends a streamed message."""
    if event["mode"] != "messages":
        return False
    message = event["data"]["message"]
    return message["type"] == "AIMessageChunk" and not message["content"] and set(message) == {"type", "content", "id"}


def is_start(event: dict[str, Any]) -> bool:
    """Whether an event says that a task starts."""
    return event["mode"] == "tasks" and "triggers" in event["data"]


def is_barrier(event: dict[str, Any]) -> bool:
    """Whether an event is sent between steps, by the loop itself."""
    if event["mode"] == "values":
        return not (isinstance(event["data"], dict) and "__interrupt__" in event["data"])
    return event["mode"] == "checkpoints"


def segments(events: list[dict[str, Any]], functional: bool) -> list[list[dict[str, Any]]]:
    """Cuts the events of one namespace where the loop went from one step to the next."""
    result: list[list[dict[str, Any]]] = [[]]
    previous = None
    for event in events:
        # Without checkpoints and new values only the next tasks show that a step is over. Tasks of a functional
        # graph start at any time within their step.
        starts_anew = not functional and is_start(event) and previous is not None and previous["mode"] != "checkpoints"
        if is_barrier(event) or (starts_anew and not is_start(previous)):
            result.append([])
        result[-1].append(event)
        previous = event
    return [segment for segment in result if segment]


def one_order(segment: list[dict[str, Any]], ids: Ids) -> list[dict[str, Any]]:
    """The events of one step by mode, and within a mode in an order that does not depend on who finished first."""
    starts = [event["data"] for event in segment if is_start(event)]
    for start in starts:
        ids.ordinal(start["id"])
    names = {start["name"]: index for index, start in reversed(list(enumerate(starts)))}

    def key(event: dict[str, Any]) -> tuple[Any, ...]:
        mode, data = event["mode"], event["data"]
        rank = MODES.index(mode)
        if mode == "tasks" and "triggers" not in data:
            return (rank, 1, ids.known.get(data["id"], LAST), without_ids(data))
        if mode == "updates":
            node = next((name for name in data if not name.startswith("__")), None)
            return (rank, names.get(node, LAST), without_ids(data))
        if mode == "messages":
            found = ID.findall(data["metadata"].get("langgraph_checkpoint_ns", ""))
            return (rank, ids.known.get(found[-1], LAST) if found else LAST)
        if mode == "custom" and len(starts) > 1:
            return (rank, 0, without_ids(data))
        if mode == "values":
            return (rank, is_barrier(event) and -1 or 0, without_ids(data))
        return (rank, 0)

    return sorted(segment, key=key)


def streams(events: list[dict[str, Any]], ids: Ids, functional: bool) -> list[dict[str, Any]]:
    """The streams of a run, namespace by namespace, parents first."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for event in events:
        if not closes_a_message(event):
            groups.setdefault(tuple(event["ns"]), []).append(event)

    def place(namespace: tuple[str, ...]) -> list[tuple[str, int]]:
        return [
            (ID.sub("", part), next((ids.known.get(found, LAST) for found in ID.findall(part)), 0))
            for part in namespace
        ]

    result = []
    for depth in sorted({len(namespace) for namespace in groups}):
        for namespace in sorted((item for item in groups if len(item) == depth), key=place):
            ordered = [
                event for segment in segments(groups[namespace], functional) for event in one_order(segment, ids)
            ]
            by_mode = {
                mode: ids.replace([event["data"] for event in ordered if event["mode"] == mode]) for mode in MODES
            }
            result.append(
                {"ns": ids.replace(list(namespace)), **{mode: data for mode, data in by_mode.items() if data}}
            )
    return result


def normalise(outcome: dict[str, Any], functional: bool = False) -> dict[str, Any]:
    """An outcome that two engines can be compared by."""
    ids = Ids()
    steps = []
    for step in outcome["steps"]:
        rest = {key: value for key, value in step.items() if key != "events"}
        first = {"streams": streams(step["events"], ids, functional)} if "events" in step else {}
        steps.append({**first, **ids.replace(rest)})
    return {"name": outcome["name"], "steps": steps, "threads": ids.replace(outcome["threads"])}
