#!/usr/bin/env python3
"""Kills the server in the middle of a sentence, starts it again, and reads the rest of the sentence.

    pip install websockets
    cargo build --release
    python3 examples/kill9/kill9.py [PATH OF genesis-mesh]

What you see: an answer of SmolLM2 that nothing disturbs; the same question, the server killed with `kill -9` after some
words; the words of the second server, which goes on at the next token; and whether both texts are equal.
"""

import asyncio
import json
import os
import pathlib
import re
import signal
import sys
import tempfile

import websockets

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUESTION = {"prompt": "Tell me a short story about a lighthouse keeper.", "max_tokens": 80, "temperature": 0.8, "seed": 7}
# So many pieces are read before the server is killed.
PIECES = 25


async def start(binary, data_dir):
    """Starts a server and gives it with its address."""
    server = await asyncio.create_subprocess_exec(
        binary, "--port", "0", "--data-dir", data_dir, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    async for line in server.stdout:
        if found := re.search(r"listening on http://(\S+)", line.decode()):
            return server, found.group(1)
    raise SystemExit(f"{binary} did not start; run it by hand to see why")


async def kill(server):
    server.send_signal(signal.SIGKILL)
    await server.wait()


async def read(socket, seen, pieces=None):
    """Reads updates into `seen` until the end, or so many pieces of text."""
    async for message in socket:
        update = json.loads(message)
        if update["type"] == "error":
            raise SystemExit(f"the run failed: {update}")
        seen.append(update)
        if update["type"] == "delta":
            print(update["text"], end="", flush=True)
            pieces = pieces - 1 if pieces else None
        if update["type"] == "done" or pieces == 0:
            return


def text(updates):
    return "".join(update["text"] for update in updates if update["type"] == "delta")


async def main(binary):
    with tempfile.TemporaryDirectory() as data_dir:
        server, address = await start(binary, data_dir)
        try:
            print("--- nothing disturbs this answer:")
            undisturbed = []
            async with websockets.connect(f"ws://{address}/ws/smollm2") as socket:
                await socket.send(json.dumps(QUESTION))
                await read(socket, undisturbed)

            print("\n\n--- the same question, and kill -9 in the middle:")
            seen = []
            async with websockets.connect(f"ws://{address}/ws/smollm2") as socket:
                await socket.send(json.dumps(QUESTION))
                await read(socket, seen, PIECES)
                await kill(server)
            run_id, cursor = seen[0]["run_id"], seen[-1]["seq"]
            before = len(text(seen))

            server, address = await start(binary, data_dir)
            print(f"\n--- a new process; the client comes back to {run_id} with its cursor {cursor}:")
            async with websockets.connect(f"ws://{address}/ws/smollm2") as socket:
                await socket.send(json.dumps({"type": "resume", "run_id": run_id, "after": cursor}))
                await read(socket, seen)
        finally:
            if server.returncode is None:
                await kill(server)

        numbers = [update["seq"] for update in seen]
        is_whole = numbers == list(range(1, len(numbers) + 1))
        is_equal = text(seen) == text(undisturbed)
        print(f"\n\n--- {before} characters before the kill, {len(text(seen)) - before} after it")
        print(f"--- no gap, no duplicate: {is_whole}; equal to the undisturbed answer: {is_equal}")
        return 0 if is_whole and is_equal else 1


if __name__ == "__main__":
    default = os.environ.get("GENESIS_MESH_BIN", ROOT / "target" / "release" / "genesis-mesh")
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else str(default))))
