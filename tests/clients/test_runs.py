"""Runs are logs: whoever comes back reads on, whatever became of the connection or of the server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import conftest
import openai
import pytest
from mesh_socket import ANSWER_SECONDS, read_update
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

TICKS = 150
SCRIPT = f"""
[[rule]]
when = {{ contains = "slowly" }}
pieces = ["tick "]
repeat = {TICKS}
delay_ms = 10

[[rule]]
text = "One two three."
"""
SLOWLY = {"prompt": "Count slowly."}


@pytest.fixture
def script(tmp_path):
    """The arguments of a server that keeps what it runs."""
    path = tmp_path / "count.toml"
    path.write_text(SCRIPT)
    return ["--script", str(path), "--store", "sqlite", "--data-dir", str(tmp_path / "data")]


async def begin(socket, request=SLOWLY, deltas=10):
    """Sends a request and reads some of its answer."""
    await socket.send(json.dumps(request))
    return [await read_update(socket) for _ in range(1 + deltas)]


async def read_on(socket, told):
    """Reads after what was told, up to the end of the run."""
    await socket.send(json.dumps({"type": "resume", "run_id": told[0]["run_id"], "after": told[-1]["seq"]}))
    more = []
    while not more or more[-1]["type"] not in ("done", "error"):
        more.append(await read_update(socket))
    return more


def text(told):
    return "".join(update["text"] for update in told if update["type"] == "delta")


def is_whole(told):
    """No gap, no duplicate: deltas that share a message have the number of the last of them."""
    seq = 0
    for update in told:
        pieces = update["text"].count("tick") if update["type"] == "delta" else 1
        assert update["seq"] == seq + pieces, (seq, update)
        seq = update["seq"]
    assert told[-1]["type"] == "done", told[-1]
    assert text(told) == "tick " * TICKS
    return True


def get(server, path, **headers):
    request = urllib.request.Request(server.http(path), headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read().decode()


def test_the_example_goes_on_in_the_middle_of_a_sentence(tmp_path):
    example = conftest.ROOT / "examples" / "kill9" / "kill9.py"
    environment = {**os.environ, "GENESIS_MESH_BIN": str(conftest.BINARY)}
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no gap, no duplicate: True; equal to the undisturbed answer: True" in done.stdout


def test_a_killed_server_goes_on_within_a_second_of_being_ready(start, script):
    server = start(*script)

    async def cut():
        async with connect(server.ws("count")) as socket:
            told = await begin(socket)
            server.process.send_signal(signal.SIGKILL)
            return told

    told = asyncio.run(cut())
    server.wait()
    again = start(*script)
    ready = time.monotonic()

    async def back():
        async with connect(again.ws("count")) as socket:
            return await read_on(socket, told)

    def progress():
        return json.loads(get(again, f"/v1/runs/{told[0]['run_id']}"))["last_seq"]

    # What was told before the kill may be less than what was logged, but not by much: the run goes on from there.
    at = progress()
    while progress() == at:
        assert time.monotonic() - ready < ANSWER_SECONDS
    waited = time.monotonic() - ready
    more = asyncio.run(back())
    assert waited < 1, f"{waited:.2f} s until the run went on"
    assert is_whole([*told, *more])
    run = json.loads(get(again, f"/v1/runs/{told[0]['run_id']}"))
    assert (run["status"], run["attempts"]) == ("succeeded", 2)
    assert again.process.poll() is None


def test_a_client_that_is_cut_off_reads_on_and_its_run_never_stops(start, script):
    server = start(*script)

    async def talk():
        async with connect(server.ws("count?on_disconnect=grace=30s")) as socket:
            told = await begin(socket)
            socket.transport.abort()
        async with connect(server.ws("count")) as socket:
            return [*told, *await read_on(socket, told)]

    told = asyncio.run(talk())
    assert is_whole(told)
    assert json.loads(get(server, f"/v1/runs/{told[0]['run_id']}"))["attempts"] == 1


def test_the_iterator_of_websockets_reads_on_over_a_restart(start, script):
    # SIGTERM with a drain that is too short: the run is given back, the client sees 1012, and its library connects
    # again by itself.
    server = start(*script, "--drain-seconds", "0")

    async def talk():
        told = []
        async for socket in connect(server.ws("count?on_disconnect=continue")):
            try:
                if told:
                    return told + await read_on(socket, told)
                told = await begin(socket)
                server.terminate()
                while True:
                    update = await read_update(socket)
                    if update["type"] != "error":
                        told.append(update)
                    else:
                        # No event of the run: another server goes on with it.
                        assert update["error"]["code"] == "stopping" and "seq" not in update, update
            except ConnectionClosed as closed:
                assert closed.rcvd.code == 1012
                await asyncio.to_thread(restart)

    def restart():
        assert server.wait() == 0, server.output
        start(*script, port=server.port)

    told = asyncio.run(asyncio.wait_for(talk(), ANSWER_SECONDS))
    assert is_whole(told)


def test_sigterm_lets_a_run_end_within_its_drain_time(start, script):
    server = start(*script, "--drain-seconds", "20")

    async def talk():
        async with connect(server.ws("count")) as socket:
            told = await begin(socket)
            server.terminate()
            while told[-1]["type"] not in ("done", "error"):
                told.append(await read_update(socket))
            await asyncio.wait_for(socket.wait_closed(), 30)
            return told, socket.close_code

    told, code = asyncio.run(talk())
    assert is_whole(told) and code == 1012
    assert server.wait() == 0, server.output


def test_a_model_that_cannot_go_on_begins_again_and_says_so(start, script, tmp_path):
    (tmp_path / "count.toml").write_text("goes_on = false\n" + SCRIPT)
    server = start(*script)

    async def cut():
        async with connect(server.ws("count")) as socket:
            told = await begin(socket)
            server.process.send_signal(signal.SIGKILL)
            return told

    told = asyncio.run(cut())
    server.wait()
    again = start(*script)

    async def back():
        async with connect(again.ws("count")) as socket:
            return await read_on(socket, told)

    more = asyncio.run(back())
    kinds = [update["type"] for update in more]
    at = kinds.index("reset")
    assert more[at]["attempt"] == 2 and text(more[at:]) == "tick " * TICKS


def test_a_stored_completion_is_read_again_as_json_and_as_events(start, script):
    server = start(*script)
    with openai.OpenAI(base_url=server.http("/v1"), api_key="unused") as client:
        asked = {"model": "count", "messages": [{"role": "user", "content": "Count."}], "store": True}
        whole = client.chat.completions.create(**asked)
        streamed = list(client.chat.completions.create(**asked, stream=True))
        for id, said in [
            (whole.id, whole.choices[0].message.content),
            (streamed[0].id, "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)),
        ]:
            assert said == "One two three."
            log = json.loads(get(server, f"/v1/runs/{id}/events"))
            assert (log["status"], text(log["data"])) == ("succeeded", said)
            events = get(server, f"/v1/runs/{id}/events", accept="text/event-stream")
            ids = [int(line[4:]) for line in events.splitlines() if line.startswith("id: ")]
            data = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
            assert data == log["data"] and ids == [event["seq"] for event in data]
            rest = get(server, f"/v1/runs/{id}/events", accept="text/event-stream", **{"last-event-id": str(ids[1])})
            assert [json.loads(line[6:]) for line in rest.splitlines() if line.startswith("data: ")] == data[2:]
        unstored = client.chat.completions.create(**{**asked, "store": False})
        with pytest.raises(urllib.error.HTTPError) as error:
            get(server, f"/v1/runs/{unstored.id}")
        with error.value as refused:
            assert refused.code == 404


def test_chat_on_the_command_line_reads_on_over_a_killed_server(start, script):
    server = start(*script)
    chat = subprocess.Popen(
        [conftest.BINARY, "chat", "count", "--url", f"ws://{server.address}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        chat.stdin.write(b"Count slowly.\n")
        chat.stdin.flush()
        seen = b""
        while seen.count(b"tick") < 10:
            seen += os.read(chat.stdout.fileno(), 4096)
        server.process.send_signal(signal.SIGKILL)
        server.wait()
        start(*script, port=server.port)
        out, err = chat.communicate(timeout=ANSWER_SECONDS)
    finally:
        chat.kill()
    assert (seen + out).decode() == "tick " * TICKS + "\n", err
    assert chat.returncode == 0 and b"coming back" in err, err
