"""Chat completions under openai-python: against a scripted model, which always says the same, and against SmolLM2."""

import asyncio
import json
import pathlib

import openai
import pydantic
import pytest
from conftest import running

SCRIPT = pathlib.Path(__file__).with_name("chat_script.toml")
CAPITAL = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of the next days.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}


class Person(pydantic.BaseModel):
    name: str
    age: int


def client_of(server, **options):
    return openai.OpenAI(base_url=server.http("/v1"), api_key="none", **{"max_retries": 0, **options})


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def scripted():
    with running("--script", SCRIPT) as server:
        yield server


@pytest.fixture
def script(scripted):
    with client_of(scripted) as client:
        yield client


@pytest.fixture
def script_model(script):
    return script.models.list().data[0].id


@pytest.fixture
def smol(server):
    with client_of(server) as client:
        yield client


def test_models_are_listed_and_found(script, script_model, smol):
    found = script.models.retrieve(script_model)
    assert (found.id, found.object, found.owned_by) == (script_model, "model", "genesis-mesh")
    assert found.created > 1_700_000_000
    assert "smollm2" in [model.id for model in smol.models.list()]
    with pytest.raises(openai.NotFoundError) as failure:
        script.models.retrieve("nobody")
    assert (failure.value.code, failure.value.param) == ("agent_not_found", "model")


def test_an_answer_in_one_piece(script, script_model):
    answer = script.chat.completions.create(model=script_model, messages=user("please count"))
    assert answer.choices[0].message.content == "one two three"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.object, answer.model) == ("chat.completion", script_model)
    assert answer.id.startswith("chatcmpl-")
    assert answer.system_fingerprint
    assert answer._request_id
    assert answer.usage.completion_tokens == 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3


def test_an_answer_that_streams(script, script_model):
    chunks = list(script.chat.completions.create(model=script_model, messages=user("please count"), stream=True))
    pieces = [chunk.choices[0].delta.content for chunk in chunks]
    assert pieces == ["", "one ", "two ", "three", None]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 4 + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_comes_last_if_it_is_asked_for(script, script_model):
    *before, last = script.chat.completions.create(
        model=script_model, messages=user("count"), stream=True, stream_options={"include_usage": True}
    )
    assert last.choices == [] and last.usage.completion_tokens == 3
    assert all(chunk.usage is None for chunk in before)


def test_the_clients_own_stream_helper_reads_every_event(script, script_model):
    with script.chat.completions.stream(model=script_model, messages=user("please count")) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= set(kinds)
    assert answer.choices[0].message.content == "one two three"


def test_a_tool_is_called_and_its_result_is_read(script, script_model):
    messages = user("How is the weather?")
    asked = script.chat.completions.create(model=script_model, messages=messages, tools=[WEATHER])
    message = asked.choices[0].message
    assert (asked.choices[0].finish_reason, message.content) == ("tool_calls", None)
    call = message.tool_calls[0]
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "Köln", "days": 2}
    # As programs do: the client's own object goes back as it is.
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 17}'}]
    told = script.chat.completions.create(model=script_model, messages=messages, tools=[WEATHER])
    assert told.choices[0].message.content == "It will be 17 degrees."


def test_tool_calls_stream(script, script_model):
    with script.chat.completions.stream(
        model=script_model, messages=user("How is the weather?"), tools=[WEATHER]
    ) as stream:
        kinds = {event.type for event in stream}
        choice = stream.get_final_completion().choices[0]
    assert "tool_calls.function.arguments.done" in kinds
    assert choice.finish_reason == "tool_calls"
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Köln", "days": 2}


def test_an_answer_is_parsed_into_a_class(script, script_model):
    answer = script.chat.completions.parse(
        model=script_model, messages=user("Name a person."), response_format=Person
    )
    assert answer.choices[0].message.parsed == Person(name="Ada", age=36)


def test_a_stream_that_breaks_is_an_error_and_no_end(script, script_model):
    pieces = []
    with pytest.raises(openai.APIError) as failure:
        for chunk in script.chat.completions.create(model=script_model, messages=user("break"), stream=True):
            pieces.append(chunk.choices[0].delta.content)
            assert chunk.choices[0].finish_reason is None
    assert "".join(pieces) == "Never "
    assert failure.value.code == "model_truncated"


def test_mistakes_are_the_clients_own_exceptions(script, script_model):
    create = script.chat.completions.create
    with pytest.raises(openai.BadRequestError) as failure:
        create(model=script_model, messages=user("hi"), temperature=3)
    error = failure.value
    assert (error.status_code, error.code, error.param) == (400, "invalid_input", "temperature")
    assert error.type == "invalid_request_error"
    assert error.request_id
    assert "got 3" in error.message
    with pytest.raises(openai.NotFoundError) as failure:
        create(model="nobody", messages=user("hi"))
    assert failure.value.code == "agent_not_found"
    with pytest.raises(openai.InternalServerError) as failure:
        create(model=script_model, messages=user("busy"))
    assert (failure.value.status_code, failure.value.code) == (503, "model_busy")
    assert failure.value.response.headers["retry-after"] == "1"
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
    with pytest.raises(openai.BadRequestError) as failure:
        create(model=script_model, messages=[{"role": "user", "content": image}])
    assert failure.value.param == "messages[0].content[0].type"


def test_the_async_client_asks_many_at_once(scripted, script_model):
    async def ask_all():
        async with openai.AsyncOpenAI(base_url=scripted.http("/v1"), api_key="none") as client:
            asked = [client.chat.completions.create(model=script_model, messages=user("count")) for _ in range(50)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask_all()) == ["one two three"] * 50


def test_smollm2_knows_the_capital_of_france_in_both_ways(smol):
    asked = {"model": "smollm2", "messages": CAPITAL, "temperature": 0, "max_completion_tokens": 32}
    whole = smol.chat.completions.create(**asked)
    assert "Paris" in whole.choices[0].message.content
    chunks = list(smol.chat.completions.create(**asked, stream=True))
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert streamed == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"


def test_smollm2_keeps_to_a_class(smol):
    answer = smol.chat.completions.parse(
        model="smollm2",
        messages=user("Invent a person with a name and an age."),
        response_format=Person,
        temperature=0,
        max_completion_tokens=64,
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_smollm2_makes_a_json_object(smol):
    answer = smol.chat.completions.create(
        model="smollm2",
        messages=user("Give me a small JSON object about a cat."),
        response_format={"type": "json_object"},
        temperature=0,
        max_completion_tokens=100,
        stop=["\n\n\n"],
    )
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)
    else:
        assert answer.choices[0].message.content.startswith("{")


def test_smollm2_calls_the_tool_that_it_is_told_to(smol):
    asked = {
        "model": "smollm2",
        "messages": user("How is the weather in Paris in the next 3 days?"),
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "temperature": 0,
        "max_completion_tokens": 64,
    }
    whole = smol.chat.completions.create(**asked).choices[0]
    (call,) = whole.message.tool_calls
    arguments = json.loads(call.function.arguments)
    assert call.function.name == "get_weather"
    assert set(arguments) == {"city", "days"} and isinstance(arguments["days"], int)
    with smol.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.message.tool_calls[0].function.arguments == call.function.arguments
    assert streamed.finish_reason == whole.finish_reason == "tool_calls"


def test_smollm2_tells_log_probabilities(smol):
    asked = {"model": "smollm2", "messages": CAPITAL, "temperature": 0, "max_completion_tokens": 4}
    asked |= {"logprobs": True, "top_logprobs": 3}
    entries = smol.chat.completions.create(**asked).choices[0].logprobs.content
    assert len(entries) in (3, 4)
    for entry in entries:
        assert entry.logprob <= 0 and bytes(entry.bytes).decode(errors="replace") == entry.token
        assert len(entry.top_logprobs) == 3
        assert entry.top_logprobs[0].logprob == max(rival.logprob for rival in entry.top_logprobs)
        # Greedy: the most likely token is picked.
        assert entry.token == entry.top_logprobs[0].token
    streamed = smol.chat.completions.create(**asked, stream=True)
    logprobs = [chunk.choices[0].logprobs for chunk in streamed]
    tokens = [entry.token for some in logprobs if some for entry in some.content]
    assert tokens == [entry.token for entry in entries]


def test_a_seed_repeats_an_answer_and_choices_differ(smol):
    asked = {"model": "smollm2", "messages": user("Say something about the sea."), "max_completion_tokens": 16}
    one, two = (smol.chat.completions.create(**asked, seed=7, n=3) for _ in range(2))
    texts = [choice.message.content for choice in one.choices]
    assert texts == [choice.message.content for choice in two.choices]
    assert len(set(texts)) == 3
    # The second choice of seed 7 is the first one of seed 8.
    assert smol.chat.completions.create(**asked, seed=8).choices[0].message.content == texts[1]


def test_a_client_that_leaves_frees_its_place(smol):
    asked = {"model": "smollm2", "messages": user("Count to a thousand."), "temperature": 0}
    for _ in range(20):
        stream = smol.chat.completions.create(**asked, stream=True)
        next(iter(stream))
        stream.close()
    answer = smol.chat.completions.create(**asked, max_completion_tokens=4)
    assert answer.choices[0].finish_reason == "length"
