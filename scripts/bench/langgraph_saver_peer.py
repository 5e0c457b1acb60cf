"""Measures how many durable steps a second LangGraph's SqliteSaver keeps, on demand: a case a line on standard input.

Usage, in the virtual environment that `make bench-store` makes:

    python scripts/bench/langgraph_saver_peer.py

First it prints {"version": …}; then for each line `steps PATH RUNS NODES SECONDS DURABILITY` it prints
{"steps_per_second": …}: RUNS chains of NODES nodes at one time, each on a new thread, on one saver over the database at
PATH. With DURABILITY `sync` each step is on disk before the next one begins; `async` writes it while the next one runs.
It ends with its input.
"""

import json
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import count

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph_peer import chain

NUMBERS = count()


def main():
    print(json.dumps({"version": version("langgraph-checkpoint-sqlite")}), flush=True)
    for line in sys.stdin:
        _, path, runs, nodes, seconds, durability = line.split()
        speed = measure(path, int(runs), int(nodes), float(seconds), durability)
        print(json.dumps({"steps_per_second": speed}), flush=True)


def measure(path, runs, nodes, seconds, durability):
    # As SqliteSaver.from_conn_string opens it; its setup turns WAL on, and SQLite syncs each commit by default.
    connection = sqlite3.connect(path, check_same_thread=False)
    graph = chain(nodes).compile(checkpointer=SqliteSaver(connection))

    def run():
        config = {"recursion_limit": nodes + 10, "configurable": {"thread_id": str(next(NUMBERS))}}
        graph.invoke({"n": 0}, config, durability=durability)

    def load(end):
        done = 0
        while time.monotonic() < end:
            run()
            done += nodes
        return done

    run()
    begun = time.monotonic()
    with ThreadPoolExecutor(runs) as pool:
        done = sum(pool.map(load, [begun + seconds] * runs))
    speed = done / (time.monotonic() - begun)
    connection.close()
    return speed


if __name__ == "__main__":
    main()
