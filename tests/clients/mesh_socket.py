"""The plain agent socket as a client sees it: one request, its updates, one end."""

import asyncio
import dataclasses
import json

from websockets.asyncio.client import connect

# Longer than any answer here takes on two busy cores; a hang is a failure, not a wait.
ANSWER_SECONDS = 120


@dataclasses.dataclass
class Answer:
    """All updates of one request."""

    deltas: list
    end: dict

    @property
    def text(self):
        return "".join(self.deltas)

    @property
    def finish_reason(self):
        assert self.end["type"] == "done", self.end
        return self.end["finish_reason"]


async def read_update(socket):
    message = await asyncio.wait_for(socket.recv(), ANSWER_SECONDS)
    assert isinstance(message, str), "updates are text frames"
    return json.loads(message)


async def read_answer(socket):
    """Reads updates up to `done` or `error`; their numbers rise."""
    deltas, seq = [], 0
    while True:
        update = await read_update(socket)
        # A request that was not accepted has no number.
        number = update.pop("seq", None)
        if number is not None:
            assert number > seq, update
            seq = number
        match update["type"]:
            case "run":
                assert seq == 1 and update["run_id"], update
            case "delta":
                assert set(update) == {"type", "text"} and update["text"] and number, update
                deltas.append(update["text"])
            case other:
                assert other in ("done", "error"), update
                return Answer(deltas, update)


async def ask(socket, **request):
    await socket.send(json.dumps(request))
    return await read_answer(socket)


async def ask_once(url, **request):
    """One request on a socket of its own."""
    async with connect(url) as socket:
        return await ask(socket, **request)


async def ask_together(url, requests, at_once=None):
    """All `requests`, each on a socket of its own, `at_once` of them at a time; answers in their order."""
    gate = asyncio.Semaphore(at_once or len(requests))

    async def one(request):
        async with gate:
            return await ask_once(url, **request)

    return await asyncio.gather(*(one(request) for request in requests))
