"""Ends before the end: a cancel, a client that goes away, a server that is told to stop."""

import asyncio
import json
import time
import urllib.request

import pytest
from mesh_socket import ask, ask_once, read_answer, read_update
from websockets.asyncio.client import connect

# Far more than is ever made here: a run that ends did so because it was stopped.
LONG = {"prompt": "Write a very long story about the sea.", "max_tokens": 4000, "temperature": 1, "seed": 1}
# A stopped run is gone at the engine's next step, tens of milliseconds; this is for a busy machine.
FREE_SECONDS = 10


def health(server):
    with urllib.request.urlopen(server.http("/health"), timeout=10) as response:
        assert response.status == 200
        return json.load(response)


def wait_until_idle(server):
    """Asks until no socket is left: each question is a round trip, so this follows the server's own pace."""
    deadline = time.monotonic() + FREE_SECONDS
    while health(server)["sockets"]:
        assert time.monotonic() < deadline, f"still open: {health(server)}"


async def start_long(socket):
    await socket.send(json.dumps(LONG))
    run, delta = await read_update(socket), await read_update(socket)
    assert (run["type"], delta["type"]) == ("run", "delta"), (run, delta)


def test_cancel_ends_an_answer_with_its_usage_and_the_socket_goes_on(server):
    async def talk():
        async with connect(server.ws()) as socket:
            await start_long(socket)
            await socket.send(json.dumps({"type": "cancel"}))
            cancelled = await read_answer(socket)
            again = await ask(socket, prompt="Say hello.", max_tokens=4, temperature=0)
            return cancelled, again

    cancelled, again = asyncio.run(talk())
    assert cancelled.finish_reason == "cancelled"
    usage = cancelled.end["usage"]
    assert usage["input_tokens"] > 0
    assert 0 < usage["output_tokens"] < 1000
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert again.text


@pytest.mark.parametrize("goodbye", ["close", "abort"])
def test_clients_that_go_away_free_their_slots(server, goodbye):
    # Ten times 16 clients start answers of minutes and leave. If any kept its slot, the engine would be full long
    # before the end, and the answer after it would wait for minutes or be refused.
    async def leave():
        sockets = await asyncio.gather(*(connect(server.ws()) for _ in range(16)))
        await asyncio.gather(*(start_long(socket) for socket in sockets))
        open_sockets = (await asyncio.to_thread(health, server))["sockets"]
        for socket in sockets:
            if goodbye == "close":
                await socket.close()
            else:
                socket.transport.abort()
        return open_sockets

    for _ in range(10):
        assert asyncio.run(leave()) == 16
        wait_until_idle(server)
    start = time.monotonic()
    answer = asyncio.run(ask_once(server.ws(), prompt="Say hello.", max_tokens=4, temperature=0))
    assert answer.text
    assert time.monotonic() - start < FREE_SECONDS


def test_sigterm_while_streaming_ends_the_answer_closes_with_1012_and_exits_in_order(start):
    server = start("--drain-seconds", "2")

    async def stream_until_closed():
        async with connect(server.ws()) as socket:
            await start_long(socket)
            server.terminate()
            answer = await read_answer(socket)
            await asyncio.wait_for(socket.wait_closed(), 30)
            return answer, socket.close_code

    answer, close_code = asyncio.run(stream_until_closed())
    if answer.end["type"] == "error":
        assert answer.end["error"]["code"] == "stopping", answer.end
    assert close_code == 1012
    assert server.wait() == 0, server.output


def test_sigterm_while_idle_ends_open_sockets_and_the_process(start):
    server = start()

    async def wait_until_closed():
        async with connect(server.ws()) as socket:
            await ask(socket, prompt="Say hello.", max_tokens=4, temperature=0)
            server.terminate()
            await asyncio.wait_for(socket.wait_closed(), 30)
            return socket.close_code

    assert asyncio.run(wait_until_closed()) == 1012
    assert server.wait() == 0, server.output


def test_a_stopped_server_refuses_new_sockets(start):
    server = start()
    server.terminate()
    assert server.wait() == 0, server.output
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(ask_once(server.ws(), prompt="Say hello."))
