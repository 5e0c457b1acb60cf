"""Measures what a task of a graph costs in LangGraph, on demand: one case for each line on standard input.

Usage, in the virtual environment that `make bench` makes:

    python scripts/bench/langgraph_peer.py

First it prints {"version": …}; then for each line `chain 10 none`, `fan 100 none` or `chain 10 memory` it prints
{"cpu_us_per_task": …}: the CPU time of this process, divided by the tasks that the nodes of the graph ran. The graphs
are those of the example graph_speed: nodes that do next to nothing. It ends with its input.
"""

import json
import operator
import sys
import time
from importlib.metadata import version
from typing import Annotated, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

# How long a case is measured at least, in CPU seconds.
MEASURED_MIN_S = 1.0


class Counter(TypedDict, total=False):
    n: int
    done: Annotated[int, operator.add]


def main():
    print(json.dumps({"version": version("langgraph")}), flush=True)
    for line in sys.stdin:
        case, size, store = line.split()
        print(json.dumps({"cpu_us_per_task": measure(case, int(size), store == "memory")}), flush=True)


def measure(case, size, has_store):
    saver = InMemorySaver() if has_store else None
    graph = {"chain": chain, "fan": fan}[case](size).compile(checkpointer=saver)
    runs = 0

    def run():
        nonlocal runs
        runs += 1
        config = {"recursion_limit": size + 10, "configurable": {"thread_id": str(runs)}}
        graph.invoke({"n": 0}, config)
        if saver:
            saver.delete_thread(str(runs))

    for _ in range(1 + 200 // size):
        run()
    runs, begun = 0, time.process_time()
    while (spent := time.process_time() - begun) < MEASURED_MIN_S:
        run()
    return spent * 1e6 / (runs * size)


def chain(nodes):
    builder = StateGraph(Counter)
    names = [f"n{node:04}" for node in range(nodes)]
    for name in names:
        builder.add_node(name, lambda state: {"n": state["n"] + 1})
    for before, after in zip([START, *names], [*names, END]):
        builder.add_edge(before, after)
    return builder


def fan(tasks):
    builder = StateGraph(Counter)
    builder.add_node("work", lambda item: {"done": 1})
    builder.add_conditional_edges(START, lambda _: [Send("work", item) for item in range(tasks)], ["work"])
    builder.add_edge("work", END)
    return builder


if __name__ == "__main__":
    main()
