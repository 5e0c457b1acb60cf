"""Frames that no honest client sends: each gets its documented error, and the server goes on as before."""

import asyncio
import json
import urllib.error
import urllib.request

import pytest
from conftest import running
from mesh_socket import Answer, ask, ask_once, read_answer
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

# What docs/protocol.md promises: the largest message in bytes.
MESSAGE_BYTES_MAX = 1024 * 1024
# A leak of 60 kB a frame, a sixteenth of the largest.
RESIDENT_GROWTH_BYTES_MAX = 20 * 1024 * 1024


def text(message, code, param=None):
    return (message, code, param, None)


def fields(code="invalid_input", param=None, **values):
    """A request that would be good but for `values`; `None` removes a field."""
    request = {"prompt": "Say hello.", "max_tokens": 4, **values}
    request = {name: value for name, value in request.items() if value is not ...}
    return text(json.dumps(request), code, param)


def form(code="invalid_request", param="response_format", **schema):
    return fields(code, param, response_format={"type": "json_schema", "json_schema": {"schema": schema}})


NO_JSON = [
    "", " ", "{", "}", "{}}", "{]", "[1,2", "nul", "tru", "'a'", "{'prompt': 'a'}", '{"prompt": }', '{"prompt" "a"}',
    '{"prompt": "a",}', '{prompt: "a"}', '{"prompt": "a"} x', '{"prompt": "a"}{"prompt": "b"}', '{"prompt": "\\ud800"}',
    '{"prompt": "\\x41"}', '{"prompt": "a\nb"}', '{"prompt": "\x00"}', '{"max_tokens": NaN}', '{"max_tokens": 1e999}',
    '{"max_tokens": 01}', '{"max_tokens": +1}', '{"max_tokens": 0x10}', "// a\n{}", "\ufeff{}", "[" * 100_000,
    '{"a":' * 100_000, '{"prompt": "' + "a" * 100_000,
]  # fmt: skip

NO_OBJECT = ["[]", "1", "-0.5", '"prompt"', "null", "true", '[{"prompt": "a"}]']

WRONG_FIELDS = [
    fields(prompt=...),
    fields(prompt=None),
    fields(param="prompt", prompt=1),
    fields(param="prompt", prompt=["a"]),
    fields(messages=[{"role": "user", "content": "a"}]),
    fields(raw_prompt="a"),
    fields(prompt=..., messages=[], param="messages"),
    fields(prompt=..., messages={}, param="messages"),
    fields(prompt=..., messages=["a"], param="messages[0]"),
    fields(prompt=..., messages=[{"content": "a"}], param="messages[0].role"),
    fields(prompt=..., messages=[{"role": "king", "content": "a"}], param="messages[0].role"),
    fields(prompt=..., messages=[{"role": "user", "content": 1}], param="messages[0].content"),
    fields(prompt=..., messages=[{"role": "user", "content": "a", "crown": 1}], param="messages[0].crown"),
    fields(param="tempurature", tempurature=1),
    fields(param="__proto__", __proto__={}),
    fields(param="type", type="cancel"),
    fields(param="max_tokens", max_tokens=0),
    fields(param="max_tokens", max_tokens=-1),
    fields(param="max_tokens", max_tokens=1.5),
    fields(param="max_tokens", max_tokens="5"),
    fields(param="max_tokens", max_tokens=10**10),
    fields(param="max_tokens", max_tokens=10**30),
    fields(param="temperature", temperature=-0.1),
    fields(param="temperature", temperature=2.1),
    fields(param="temperature", temperature="hot"),
    fields(param="temperature", temperature=1e300),
    fields(param="top_p", top_p=0),
    fields(param="top_p", top_p=1.1),
    fields(param="top_k", top_k=-1),
    fields(param="top_k", top_k=[1]),
    fields(param="min_p", min_p=2),
    fields(param="min_p", min_p=-1),
    fields(param="seed", seed=-1),
    fields(param="seed", seed=1.5),
    fields(param="seed", seed="seven"),
    fields(param="seed", seed=2**64),
    fields(param="repetition_penalty", repetition_penalty=0),
    fields(param="repetition_penalty", repetition_penalty=-1),
    fields(param="stop", stop=5),
    fields(param="stop", stop=["a"] * 17),
    fields(param="stop", stop=["a" * 257]),
    fields(param="stop", stop=[""]),
    fields(param="stop", stop=""),
    fields(param="logprobs", logprobs="yes"),
    fields(param="top_logprobs", logprobs=True, top_logprobs=21),
    fields(param="top_logprobs", top_logprobs=5),
    fields(param="response_format", response_format="json"),
    fields(param="response_format", response_format={}),
    fields(param="response_format", response_format={"type": "xml"}),
    fields(param="response_format", response_format={"type": "json_schema"}),
    fields(param="response_format", response_format={"type": "json_schema", "json_schema": {"schema": 1}}),
]

# Forms that no grammar can be made of, or none that is small enough.
WRONG_FORMS = [
    form(type="nonsense"),
    form(type="object", properties={"a": {"type": "string", "pattern": "("}}),
    form(**{"$ref": "https://example.invalid/schema.json"}),
    form(**{"$ref": "#/$defs/gone"}),
    fields("invalid_request", "response_format", response_format={"type": "regex", "regex": "("}),
    fields("invalid_request", "response_format", response_format={"type": "regex", "regex": "((a{1000}){1000}){1000}"}),
    fields("invalid_request", "response_format", response_format={"type": "grammar", "lark": "start: gone"}),
    fields("invalid_request", "response_format", response_format={"type": "grammar", "lark": "(" * 10_000}),
]

TOO_MUCH = [
    fields("context_length_exceeded", prompt="word " * 20_000),
    fields("context_length_exceeded", prompt="\U0001f600" * 50_000),
    fields("context_length_exceeded", prompt="a" * 900_000),
]

# message, code, param, and the code that the socket is closed with afterwards.
CLOSING = [
    (b"\xff\xfe", "invalid_utf8", None, 1007),
    (b'{"prompt": "\xc3\x28"}', "invalid_utf8", None, 1007),
    (" " * (MESSAGE_BYTES_MAX + 1), "message_too_large", None, 1009),
    ('{"prompt": "' + "a" * (2 * MESSAGE_BYTES_MAX) + '"}', "message_too_large", None, 1009),
]

BINARY = [b"", b"\x00" * 1000, b'{"prompt": "a"}', bytes(range(256))]

FRAMES = (
    [text(message, "invalid_json") for message in NO_JSON]
    + [text(message, "invalid_input") for message in NO_OBJECT]
    + WRONG_FIELDS
    + WRONG_FORMS
    + TOO_MUCH
    + CLOSING
    + [(message, "binary_message", None, None) for message in BINARY]
)


def name(frame):
    message, code, param, _ = frame
    return f"{code} {param or ''} {message[:60]!r}"


async def send(socket, frame):
    """Sends one frame and says what was wrong with what came back; `None` if all was as documented."""
    message, code, param, close_code = frame
    as_text = isinstance(message, str) or code == "invalid_utf8"
    await socket.send(message, text=as_text)
    answer: Answer = await read_answer(socket)
    if answer.end["type"] != "error":
        return f"{name(frame)}: {answer.end}"
    error = answer.end["error"]
    if set(error) != {"code", "message", "param"} or not error["message"]:
        return f"{name(frame)}: {error}"
    found_param = error["param"] or ""
    if error["code"] != code or (param and not found_param.startswith(param)):
        return f"{name(frame)}: {error}"
    if close_code:
        await asyncio.wait_for(socket.wait_closed(), 30)
        if socket.close_code != close_code:
            return f"{name(frame)}: closed with {socket.close_code}"
    return None


async def send_all(url):
    """All frames on one socket, as long as it stays open; a new one after each that ends it."""
    wrong = []
    frames = list(FRAMES)
    while frames:
        async with connect(url, max_size=None) as socket:
            while frames and socket.close_code is None:
                wrong.append(await send(socket, frames.pop(0)))
    return [problem for problem in wrong if problem]


def test_a_hundred_hostile_frames_each_get_their_error(server):
    assert len(FRAMES) >= 100
    hello = {"prompt": "Say hello.", "max_tokens": 8, "temperature": 0}
    before = asyncio.run(ask_once(server.ws(), **hello)).text
    wrong = asyncio.run(send_all(server.ws()))
    assert not wrong, f"{len(wrong)} of {len(FRAMES)}:\n" + "\n".join(wrong)
    assert asyncio.run(ask_once(server.ws(), **hello)).text == before


def test_hostile_frames_cost_no_memory():
    # The allocator keeps what the largest frames needed, in each thread that had one, and gives some of it back at
    # times: a leak is what the last rounds have more at their least than the first rounds had at their most.
    with running() as server:
        resident = []
        for _ in range(6):
            asyncio.run(send_all(server.ws()))
            resident.append(server.resident_bytes())
    grown = min(resident[3:]) - max(resident[:3])
    assert grown < RESIDENT_GROWTH_BYTES_MAX, f"{resident} bytes after each round of {len(FRAMES)} frames"


def test_frames_that_break_the_protocol_end_their_socket_alone(server):
    # Written by hand: the client library would refuse to send them.
    frames = {
        "unmasked": b"\x81\x02hi",
        "reserved bits": b"\xf1\x80\x00\x00\x00\x00",
        "reserved opcode": b"\x83\x80\x00\x00\x00\x00",
        "fragmented ping": b"\x09\x80\x00\x00\x00\x00",
        "long ping": b"\x89\xfe\x01\x00" + bytes(4) + bytes(256),
        "continuation of nothing": b"\x80\x80\x00\x00\x00\x00",
    }

    async def break_all():
        codes = {}
        async with connect(server.ws()) as other:
            for kind, frame in frames.items():
                async with connect(server.ws()) as socket:
                    socket.transport.write(frame)
                    await asyncio.wait_for(socket.wait_closed(), 30)
                    codes[kind] = socket.close_code
            answer = await ask(other, prompt="Say hello.", max_tokens=4, temperature=0)
        return codes, answer

    codes, answer = asyncio.run(break_all())
    assert codes == dict.fromkeys(frames, 1002)
    assert answer.text


def test_a_second_request_before_the_first_ended_is_refused_and_the_first_goes_on(server):
    async def talk():
        async with connect(server.ws()) as socket:
            first = {"prompt": "Tell me about the sea.", "max_tokens": 40, "temperature": 0}
            await socket.send(json.dumps(first))
            await socket.send(json.dumps({"prompt": "And the moon?"}))
            deltas, errors = [], []
            while True:
                update = json.loads(await socket.recv())
                if update["type"] == "done":
                    return "".join(deltas), errors
                if update["type"] == "delta":
                    deltas.append(update["text"])
                elif update["type"] == "error":
                    errors.append(update["error"]["code"])

    text_in_spite, errors = asyncio.run(talk())
    assert errors == ["run_in_progress"]
    alone = asyncio.run(ask_once(server.ws(), prompt="Tell me about the sea.", max_tokens=40, temperature=0))
    assert text_in_spite == alone.text


def test_wrong_names_are_refused_before_the_upgrade(server):
    async def refused(agent):
        with pytest.raises(InvalidStatus) as refusal:
            async with connect(server.ws(agent)):
                pass
        return refusal.value.response

    response = asyncio.run(refused("smollm3"))
    assert response.status_code == 404
    error = json.loads(response.body)["error"]
    assert error["code"] == "agent_not_found"
    assert "smollm2" in error["message"], "the error names the agents that there are"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/nowhere", 404, "route_not_found"), ("/ws/smollm2", 426, "upgrade_required"), ("/ws/nobody", 404, "agent_not_found")],
)
def test_wrong_http_requests_get_their_status_and_code(server, path, status, code):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(server.http(path), timeout=10)
    assert refusal.value.code == status
    assert json.load(refusal.value)["error"]["code"] == code


def test_health_tells_state_version_and_sockets(server):
    with urllib.request.urlopen(server.http("/health"), timeout=10) as response:
        health = json.load(response)
    assert health["status"] == "ok"
    assert health["sockets"] == 0
    assert health["version"]
