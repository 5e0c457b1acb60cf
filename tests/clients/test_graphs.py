"""The eight fixture graphs, served as agents, as a WebSocket client and the OpenAI client see them."""

import asyncio
import json
import os
import pathlib

import conftest
import openai
import pytest
from websockets.asyncio.client import connect

FIXTURES = pathlib.Path(
    os.environ.get("GENESIS_MESH_FIXTURES", conftest.ROOT / "target" / "debug" / "examples" / "fixtures")
)
# The slowest graph takes four seconds of sleep.
ANSWER_SECONDS = 60


@pytest.fixture(scope="module")
def fixtures():
    """One server of all fixture graphs."""
    assert FIXTURES.is_file(), f"{FIXTURES} is missing: cargo build --examples, or name it in GENESIS_MESH_FIXTURES"
    with conftest.running(binary=FIXTURES) as server:
        yield server


async def updates(url, request):
    """All updates of one run after the first, up to its end; they are numbered without a gap."""
    found = []
    async with connect(url) as socket:
        await socket.send(json.dumps(request))
        while not found or found[-1]["type"] not in ("done", "error"):
            found.append(json.loads(await asyncio.wait_for(socket.recv(), ANSWER_SECONDS)))
    if "seq" not in found[0]:
        # Refused: there is no run.
        return found
    seq = 0
    for update in found:
        # Deltas that share a message have the number of the last of them.
        assert update["seq"] == seq + 1 or (update["type"] == "delta" and update["seq"] > seq), found
        seq = update.pop("seq")
    assert found[0]["type"] == "run", found
    return found[1:]


def run(server, agent, **request):
    return asyncio.run(updates(server.ws(agent), request))


def written(found):
    """What nodes wrote, with their names."""
    return [(update["node"], update["values"]) for update in found if update["type"] == "update"]


def output(found):
    """What the run came to; it must have ended well."""
    assert found[-1]["type"] == "done" and found[-2]["type"] == "output", found
    return found[-2]["value"]


def test_three_nodes_run_one_after_the_other(fixtures):
    found = run(fixtures, "three", x=1)
    assert written(found) == [(name, {"x": x, "log": [name]}) for name, x in (("a", 2), ("b", 3), ("c", 4))]
    assert output(found) == {"x": 4, "log": ["a", "b", "c"]}


def test_a_message_comes_in_pieces_between_what_the_node_writes_itself(fixtures):
    found = run(fixtures, "chat", messages=[{"role": "user", "content": "hi"}])
    kinds = [update["type"] for update in found]
    assert kinds == ["custom", *["delta"] * 5, "custom", "update", "output", "done"]
    assert [update["value"]["progress"] for update in found if update["type"] == "custom"] == [0.5, 1.0]
    assert [update["text"] for update in found if update["type"] == "delta"] == "Hello |from |the |mesh |engine".split("|")
    said = output(found)["messages"]
    assert [(message["role"], message["content"]) for message in said] == [
        ("user", "hi"),
        ("assistant", "Hello from the mesh engine"),
    ]


def test_a_question_to_a_person_is_told_and_stops_the_run(fixtures):
    found = run(fixtures, "hitl", q="sure?")
    [asked] = [update["interrupts"] for update in found if update["type"] == "interrupt"]
    assert [question["value"] for question in asked] == [{"question": "sure?"}]
    assert output(found) == {"q": "sure?", "log": []}


def test_a_graph_within_a_graph_tells_its_nodes_in_a_namespace(fixtures):
    found = run(fixtures, "sub")
    inner = [update for update in found if update.get("ns")]
    assert [update["node"] for update in inner] == ["inner1", "inner2"]
    assert len({update["ns"] for update in inner}) == 1 and inner[0]["ns"].startswith("child:")
    assert output(found) == {"x": 3, "log": ["outer", "outer", "inner1", "inner2"]}


def test_a_slow_node_tells_its_ticks_while_it_works(fixtures):
    found = run(fixtures, "slow")
    assert [update["value"] for update in found if update["type"] == "custom"] == [{"tick": i} for i in range(20)]
    assert output(found) == {"x": 1, "log": ["slow"]}


def test_a_node_that_fails_ends_the_run_with_its_words(fixtures):
    [error] = run(fixtures, "err")
    assert error["error"]["code"] == "node_failed"
    assert "boom: deliberate failure" in error["error"]["message"]


def test_five_workers_write_in_the_order_in_which_they_were_sent(fixtures):
    found = run(fixtures, "fan")
    assert output(found) == {"log": ["plan", *(f"w{i}" for i in range(5))]}
    assert [node for node, _ in written(found)].count("worker") == 5


def test_a_tool_call_comes_in_pieces_and_its_result_is_used(fixtures):
    found = run(fixtures, "toolg", messages=[{"role": "user", "content": "2 + 3?"}])
    pieces = [update["arguments"] for update in found if update["type"] == "tool_call_delta"]
    assert pieces == ['{"a": 2', ', "b": 3}']
    said = output(found)["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "assistant"]
    assert (said[2]["content"], said[3]["content"]) == ("5", "The sum is 5")
    assert found[-1]["usage"] == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


def test_an_input_that_does_not_fit_the_state_names_the_field(fixtures):
    [error] = run(fixtures, "three", x="one")
    assert (error["error"]["code"], error["error"]["param"]) == ("invalid_input", "x")


def test_the_openai_client_talks_to_a_graph(fixtures):
    client = openai.OpenAI(base_url=fixtures.http("/v1"), api_key="none", max_retries=0)
    asked = [{"role": "user", "content": "hi"}]
    whole = client.chat.completions.create(model="chat", messages=asked)
    assert whole.choices[0].message.content == "Hello from the mesh engine"
    pieces = client.chat.completions.create(model="chat", messages=asked, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == "Hello from the mesh engine"
