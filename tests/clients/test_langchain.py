"""Chat completions under langchain-openai: ask, stream, tools, structured output."""

import pathlib

import pydantic
import pytest
from conftest import running
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

SCRIPT = pathlib.Path(__file__).with_name("chat_script.toml")


class Person(pydantic.BaseModel):
    """A person."""

    name: str
    age: int


def get_weather(city: str, days: int) -> str:
    """The weather of the next days."""
    return f"{city}: 17 degrees for {days} days"


def chat(server, model, **options):
    return ChatOpenAI(base_url=server.http("/v1"), api_key="none", model=model, max_retries=0, **options)


@pytest.fixture(scope="module")
def scripted():
    with running("--script", SCRIPT) as server:
        yield chat(server, "chat_script")


def test_invoke_and_stream_say_the_same(scripted):
    answer = scripted.invoke("please count")
    assert answer.content == "one two three"
    assert answer.usage_metadata["output_tokens"] == 3
    assert answer.response_metadata["finish_reason"] == "stop"
    pieces = list(scripted.stream("please count", stream_usage=True))
    assert [piece.content for piece in pieces if piece.content] == ["one ", "two ", "three"]
    assert sum(piece.usage_metadata["output_tokens"] for piece in pieces if piece.usage_metadata) == 3


def test_a_bound_tool_makes_the_round_trip(scripted):
    model = scripted.bind_tools([get_weather])
    question = HumanMessage("How is the weather?")
    asked = model.invoke([question])
    (call,) = asked.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Köln", "days": 2})
    result = ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"])
    assert model.invoke([question, asked, result]).content == "It will be 17 degrees."
    merged = None
    for chunk in model.stream([question]):
        merged = chunk if merged is None else merged + chunk
    assert merged.tool_calls[0]["args"] == call["args"]


def test_structured_output_is_a_class(scripted):
    assert scripted.with_structured_output(Person).invoke("Name a person.") == Person(name="Ada", age=36)


def test_smollm2_streams_and_keeps_to_a_class(server):
    model = chat(server, "smollm2", temperature=0, max_tokens=48)
    pieces = [piece.content for piece in model.stream("What is the capital of France? Answer in one word.")]
    assert "Paris" in "".join(pieces) and len(pieces) > 2
    assert isinstance(model.with_structured_output(Person).invoke("Invent a person."), Person)
