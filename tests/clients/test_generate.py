"""Answers over the plain socket: streamed, right, each its own, and the same in company as alone."""

import asyncio

from mesh_socket import ask, ask_once, ask_together
from websockets.asyncio.client import connect

CAPITAL = "What is the capital of France? Answer in one word."
TOPICS = [
    "the sea", "a mountain", "bread", "winter", "a clock", "the moon", "a library", "rust on iron",
    "a violin", "the number seven", "a bridge", "coffee", "a lighthouse", "maps", "a garden", "snow",
]  # fmt: skip


def requests(**settings):
    return [{"prompt": f"Write one sentence about {topic}.", "max_tokens": 32, **settings} for topic in TOPICS]


def test_text_comes_in_several_deltas_before_done(server):
    answer = asyncio.run(ask_once(server.ws(), prompt="Tell me about the sea.", max_tokens=24, temperature=0))
    assert len(answer.deltas) > 5
    assert answer.finish_reason in ("stop", "length")
    usage = answer.end["usage"]
    assert usage["input_tokens"] > 5
    assert 5 < usage["output_tokens"] <= 24
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert set(answer.end) == {"type", "usage", "finish_reason"}


def test_the_capital_of_france_is_paris(server):
    answer = asyncio.run(ask_once(server.ws(), prompt=CAPITAL, temperature=0, max_tokens=32))
    assert "Paris" in answer.text


def test_messages_and_prompt_say_the_same(server):
    messages = [{"role": "user", "content": CAPITAL}]
    by_prompt = asyncio.run(ask_once(server.ws(), prompt=CAPITAL, temperature=0, max_tokens=16))
    by_messages = asyncio.run(ask_once(server.ws(), messages=messages, temperature=0, max_tokens=16))
    assert by_messages.text == by_prompt.text


def test_max_tokens_ends_an_answer_with_length(server):
    answer = asyncio.run(ask_once(server.ws(), prompt="Count to one hundred.", temperature=0, max_tokens=7))
    assert answer.finish_reason == "length"
    assert answer.end["usage"]["output_tokens"] == 7


def test_a_stop_string_ends_an_answer_and_is_not_part_of_it(server):
    free = asyncio.run(ask_once(server.ws(), prompt="Count from 1 to 9.", temperature=0, max_tokens=40))
    stop = free.text[len(free.text) // 2 :][:3]
    cut = asyncio.run(ask_once(server.ws(), prompt="Count from 1 to 9.", temperature=0, max_tokens=40, stop=[stop]))
    assert cut.finish_reason == "stop"
    assert cut.text == free.text[: free.text.index(stop)]


def test_one_socket_answers_several_requests_one_after_the_other(server):
    async def talk():
        async with connect(server.ws()) as socket:
            return [await ask(socket, prompt=CAPITAL, temperature=0, max_tokens=16) for _ in range(3)]

    answers = asyncio.run(talk())
    assert "Paris" in answers[0].text
    assert [answer.text for answer in answers] == [answers[0].text] * 3


def test_sixteen_clients_at_once_each_get_the_answer_they_get_alone(server):
    asked = requests(temperature=0)
    alone = [asyncio.run(ask_once(server.ws(), **request)).text for request in asked]
    together = [answer.text for answer in asyncio.run(ask_together(server.ws(), asked))]
    assert together == alone
    assert len(set(together)) == len(asked), "each client gets its own answer"


def test_a_seeded_answer_is_the_same_alone_and_in_company(server):
    seeded = {"prompt": "Invent a name for a ship.", "max_tokens": 32, "temperature": 1, "seed": 7}
    others = requests(temperature=1)
    alone = asyncio.run(ask_once(server.ws(), **seeded)).text
    together = asyncio.run(ask_together(server.ws(), [*others[:8], seeded, *others[8:]]))
    assert together[8].text == alone


def test_seeds_make_the_difference(server):
    asked = [
        {"prompt": "Invent a name for a ship.", "max_tokens": 24, "temperature": 1, "seed": seed} for seed in range(8)
    ]
    texts = {answer.text for answer in asyncio.run(ask_together(server.ws(), asked))}
    assert len(texts) > 4
