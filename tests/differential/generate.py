"""Makes the random cases: graphs from a fixed seed, scenarios that follow what LangGraph does with them.

    python generate.py            # writes cases/random/*.json again; the same files each time

A graph has layers of nodes with edges, joins, routes, Sends, commands, bounded loops, subgraphs, deferred nodes,
questions and one node that fails while a flag is not set. The scenario is found by running it: questions are
answered, failures are mended, and at the end the thread is forked, replayed or written to by hand.
"""

import asyncio
import json
import pathlib
import random
import sys
from typing import Any

from reference import Runner

SEED = 20261118
COUNT = 30
# A case that leaves out too much of what the generator can make is drawn again.
NODES = (4, 8)
LARGEST_BYTES = 400_000
FOLDER = pathlib.Path(__file__).parent / "cases" / "random"
State = dict[str, str]
STATE: State = {"x": "last", "n": "add", "log": "append", "d": "merge"}


def read(key: str) -> dict[str, Any]:
    """A key of the node's input."""
    return {"$in": key}


class Draft:
    """One graph while it is drawn."""

    def __init__(self, rng: random.Random, prefix: str, depth: int):
        self.rng = rng
        self.prefix = prefix
        self.depth = depth
        self.layers: list[list[str]] = []
        self.body: dict[str, Any] = {"state": STATE, "nodes": {}, "edges": [], "joins": [], "branches": []}
        self.graphs: dict[str, Any] = {}
        self.failing = False

    def chance(self, part: float) -> bool:
        """True in that part of draws."""
        return self.rng.random() < part

    def ops(self, name: str) -> list[dict[str, Any]]:
        """What a node does."""
        ops: list[dict[str, Any]] = []
        write: dict[str, Any] = {"log": [{"$join": [name, ":", read("n")]}] if self.chance(0.4) else [name], "n": 1}
        if self.chance(0.15):
            ops.append({"custom": {"at": name, "n": read("n")}})
        if self.chance(0.15):
            ops.append({"interrupt": {"node": name, "n": read("n")}, "as": "answer"})
            write["d"] = {name: {"$var": "answer"}}
            if self.chance(0.3):
                ops.append({"interrupt": {"again": name}, "as": "second"})
                write["log"] = [name, {"$var": "second"}]
        if not self.failing and self.chance(0.12):
            self.failing = True
            ops.append({"rest": True, "when": {"$not": {"$flag": "mended"}}})
            ops.append(
                {"raise": {"error": "ValueError", "message": f"in {name}"}, "when": {"$not": {"$flag": "mended"}}}
            )
        if self.chance(0.2):
            write["x"] = {"$add": [read("x"), self.rng.randint(1, 9)]}
        elif self.chance(0.2):
            write["d"] = {**write.get("d", {}), "by": name}
        if self.chance(0.05):
            write["log"] = {"$overwrite": [f"{name} over"]}
        ops.append({"write": write})
        return ops

    def node(self, name: str) -> dict[str, Any]:
        """A node, sometimes a subgraph."""
        if self.depth > 0 and self.chance(0.2):
            child = f"{self.prefix}g{len(self.graphs)}"
            inner = Draft(self.rng, f"{name}_", self.depth - 1)
            inner.failing = self.failing
            inner.draw(self.rng.randint(1, 3))
            self.failing = inner.failing
            self.graphs.update(inner.graphs)
            self.graphs[child] = inner.body
            if self.chance(0.4):
                out = {"log": {"$concat": [{"$in": "log"}, f"from {child}"]}, "n": 1}
                return {"graph": child, "map_in": {"x": read("x"), "n": read("n")}, "map_out": out}
            return {"graph": child}
        found: dict[str, Any] = {"do": self.ops(name)}
        if self.chance(0.08):
            found["retry"] = {"attempts": 2}
        return found

    def draw(self, count: int) -> None:
        """Nodes in layers, and ways from each layer to later ones."""
        names = [f"{self.prefix}{chr(97 + index)}" for index in range(count)]
        while names:
            width = min(len(names), self.rng.choice([1, 1, 2, 3]))
            self.layers.append(names[:width])
            names = names[width:]
        for layer in self.layers:
            for name in layer:
                self.body["nodes"][name] = self.node(name)
        for name in self.layers[0]:
            self.body["edges"].append(["START", name])
        for index, layer in enumerate(self.layers):
            rest = self.layers[index + 1 :]
            if rest:
                self.connect(layer, rest)
            else:
                self.finish(layer)
        if len(self.layers) > 1 and self.chance(0.2):
            self.body["nodes"][self.rng.choice(self.layers[-1])]["defer"] = True

    def connect(self, layer: list[str], rest: list[list[str]]) -> None:
        """From a layer to the next, so that every node of the next can be reached."""
        following = rest[0]
        later = [name for names in rest for name in names]
        if len(layer) > 1 and self.chance(0.5):
            for name in following:
                self.body["joins"].append([layer, name])
            return
        for position, target in enumerate(following):
            source = layer[position % len(layer)]
            self.way(source, target, later)
        for source in layer[len(following) :]:
            self.way(source, self.rng.choice(following), later)

    def way(self, source: str, target: str, later: list[str]) -> None:
        """One way from a node to another: an edge, a route, a Send or a Command."""
        kind = self.rng.choice(["edge", "edge", "route", "many", "send", "command"])
        other = self.rng.choice([*later, "END"])
        body = self.body["nodes"][source]
        if kind == "command" and "do" not in body:
            kind = "edge"
        condition = {"$lt": [read("n"), self.rng.randint(2, 9)]}
        if kind == "edge":
            self.body["edges"].append([source, target])
        elif kind == "route":
            paths = sorted({target, other})
            self.body["branches"].append({"from": source, "route": {"$if": [condition, target, other]}, "paths": paths})
        elif kind == "many":
            chosen = sorted({target, self.rng.choice(later)})
            self.body["branches"].append({"from": source, "route": chosen, "paths": chosen})
        elif kind == "send":
            arg = {"n": {"$var": "i"}, "x": read("x"), "log": []}
            send = {"$map": {"over": self.rng.randint(0, 3), "as": "i", "to": {"$send": {"node": target, "arg": arg}}}}
            self.body["branches"].append({"from": source, "route": send, "paths": [target]})
        else:
            update = {"log": [f"{source} goes"]} if self.chance(0.5) else {}
            goto = {"$if": [condition, target, other]}
            if self.chance(0.3):
                goto = [target, {"$send": {"node": target, "arg": {"n": 7, "log": []}}}]
            body["do"].append({"command": {"update": update, "goto": goto}})
            body["ends"] = sorted({*body.get("ends", []), target, other})
            if self.chance(0.3):
                self.body["edges"].append([source, "END"])

    def finish(self, layer: list[str]) -> None:
        """The last layer ends, or goes round while a count is small."""
        for name in layer:
            if self.depth > 0 and self.chance(0.3):
                back = self.rng.choice(self.rng.choice(self.layers))
                route = {"$if": [{"$lt": [read("n"), self.rng.randint(3, 12)]}, back, "END"]}
                self.body["branches"].append({"from": name, "route": route, "paths": sorted({back, "END"})})
            else:
                self.body["edges"].append([name, "END"])


class Halved(Exception):
    """LangGraph kept half of the writes of a step: what follows from them is nobody's meaning."""


async def follow(case: dict[str, Any], rng: random.Random) -> list[dict[str, Any]]:
    """A scenario that makes sense for the graph, step by step."""
    runner = Runner(case)
    steps: list[dict[str, Any]] = []
    outcomes: list[dict[str, Any]] = []

    async def do(step: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        outcomes.append(await runner.step(step))
        if step.get("durability") == "exit" and is_halved(outcomes[-1]):
            raise Halved
        return outcomes[-1]

    durability = rng.choice(["sync", "async", "exit", None])
    options = {"durability": durability} if durability else {}
    if rng.random() < 0.2:
        options["recursion_limit"] = rng.randint(3, 8)

    async def play(step: dict[str, Any]) -> None:
        result = await do({**step, **options})
        for _ in range(6):
            state = result.get("state", {})
            count = len(state.get("interrupts", []))
            if result["error"]:
                if result["error"]["class"] != "ValueError" or runner.world.flags.get("mended"):
                    break
                await do({"flag": {"mended": True}})
                result = await do({"invoke": None, **options})
            elif count == 1:
                result = await do({"resume": f"r{len(steps)}", **options})
            elif count > 1:
                chosen = range(count) if rng.random() < 0.6 else [rng.randrange(count)]
                result = await do(
                    {"resume_each": {str(index): f"r{len(steps)}.{index}" for index in chosen}, **options}
                )
            elif state.get("next"):
                result = await do({"invoke": None, **options})
            else:
                break

    try:
        await play({"invoke": {"x": 1, "n": rng.randint(0, 2)}})
        await play({"invoke": {"x": rng.randint(2, 5)}})
        await visit(case, rng, runner, do, play)
    except Halved:
        pass
    return steps if sum(len(json.dumps(outcome)) for outcome in outcomes) < LARGEST_BYTES else []


def is_halved(outcome: dict[str, Any]) -> bool:
    """Whether the writes of a step excluded each other, and the thread can be read all the same."""
    error = outcome.get("error") or {}
    return error.get("class") == "InvalidUpdateError" and "error" not in outcome["state"]


async def visit(case: dict[str, Any], rng: random.Random, runner: Runner, do: Any, play: Any) -> None:
    """Something that goes back, changes the state, or leaves the thread alone."""
    history = [item for item in (await runner.step({"get_history": {}}))["history"] if "error" not in item]
    place = rng.randrange(len(history))
    kind = rng.choice(["replay", "fork", "update", "goto", "none", "unsaved"])
    if kind == "replay":
        await play({"invoke": None, "at": {"history": place}})
    elif kind == "fork":
        names = [name for name, node in case["nodes"].items() if "do" in node]
        changed = await do(
            {
                "update_state": {"values": {"n": 1, "log": ["forked"]}, "as_node": rng.choice(names)},
                "at": {"history": place},
            }
        )
        if not changed["error"]:
            await play({"invoke": None})
    elif kind == "update":
        await do({"update_state": {"values": {"x": 77}}})
        await play({"invoke": None})
    elif kind == "goto":
        await play({"command": {"goto": rng.choice(sorted(case["nodes"])), "update": {"log": ["commanded"]}}})
    elif kind == "unsaved":
        await do({"invoke": {"x": 1, "n": 0}, "thread": None})


def draw(index: int, attempt: int) -> dict[str, Any] | None:
    """One case, or none where the draw is too plain or too large."""
    rng = random.Random(f"{SEED}/{index}/{attempt}")
    draft = Draft(rng, "", rng.choice([1, 1, 2]))
    draft.draw(rng.randint(*NODES))
    case: dict[str, Any] = {
        "name": f"random_{index:02}",
        "about": f"drawn from seed {SEED}, draw {attempt}",
        "thread": "t",
    }
    if draft.graphs:
        case["graphs"] = draft.graphs
    case.update({key: value for key, value in draft.body.items() if value})
    if rng.random() < 0.15:
        case[rng.choice(["interrupt_before", "interrupt_after"])] = [rng.choice(sorted(case["nodes"]))]
    case["scenario"] = asyncio.run(follow(case, rng))
    plain = not case.get("branches") and not case.get("joins") and not case.get("graphs")
    return None if plain or len(case["scenario"]) < 3 else case


def written(value: Any, indent: int = 0, width: int = 118) -> str:
    """JSON with short things on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= width or not isinstance(value, (dict, list)) or not value:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        inner = [f"{pad}{json.dumps(key)}: {written(item, indent + 2, width)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + written(item, indent + 2, width) for item in value) + "\n" + " " * indent + "]"


def main() -> None:
    """Writes all random cases."""
    FOLDER.mkdir(exist_ok=True)
    for index in range(COUNT):
        attempt = 0
        while (case := draw(index, attempt)) is None:
            attempt += 1
        (FOLDER / f"{case['name']}.json").write_text(written(case) + "\n")
        print(
            case["name"], "draw", attempt, len(case["nodes"]), "nodes", len(case["scenario"]), "steps", file=sys.stderr
        )


if __name__ == "__main__":
    main()
