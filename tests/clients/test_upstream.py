"""A provider behind the real server: what becomes of its faults, and what it sees of a client that leaves."""

import http.client
import json
import pathlib
import socket
import threading
import time

import pytest
from conftest import running

WAIT_SECONDS = 20
CHUNK = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]}\n\n'
ROLE = CHUNK % '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}'
TOKEN = CHUNK % '{"index":0,"delta":{"content":"tick "},"finish_reason":null}'
STOP = CHUNK % '{"index":0,"delta":{},"finish_reason":"stop"}'
DONE = "data: [DONE]\n\n"
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
# What the provider sends before it closes, for each fault; None after it: it keeps the connection open and waits.
FAULTS = {
    "whole": (HEAD + ROLE + TOKEN + STOP + DONE, True),
    "cut before the head": ("", False),
    "cut in the head": (HEAD[:20], False),
    "cut before the first token": (HEAD + ROLE, False),
    "cut after a token": (HEAD + ROLE + TOKEN, False),
    "cut in an event": (HEAD + ROLE + TOKEN + TOKEN[:30], False),
    "fake done at once": (HEAD + DONE, False),
    "fake done after a token": (HEAD + ROLE + TOKEN + DONE, False),
    "no JSON": (HEAD + ROLE + TOKEN + "data: {oops\n\n", False),
    "an error event": (HEAD + ROLE + TOKEN + 'data: {"error":{"message":"overloaded","code":"x"}}\n\n', False),
    "a page": ("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>hello</html>", False),
    "429": ("HTTP/1.1 429 X\r\nretry-after: 60\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", False),
    "500": ("HTTP/1.1 500 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", False),
    "401": ("HTTP/1.1 401 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", False),
    "length too long": (HEAD.replace("connection", "content-length: 9999\r\nconnection") + ROLE + TOKEN + STOP, False),
}


class Provider:
    """Answers each request with the bytes of the fault that its prompt names, or stalls."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self.left_at = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            head, body = request.split(b"\r\n\r\n", 1)
            length = int(next(line for line in head.lower().split(b"\r\n") if b"content-length" in line).split(b":")[1])
            while len(body) < length:
                body += connection.recv(65536)
            prompt = json.loads(body)["messages"][-1]["content"]
            if prompt in FAULTS:
                connection.sendall(FAULTS[prompt][0].encode())
                return
            if prompt == "stall after a token":
                connection.sendall((HEAD + ROLE + TOKEN).encode())
            self.asked.release()
            while True:
                try:
                    if not connection.recv(1024):
                        break
                except OSError:
                    break
            self.left_at = time.monotonic()
            self.left.release()


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.listener.close()


@pytest.fixture(scope="module")
def through(provider, tmp_path_factory):
    config = pathlib.Path(tmp_path_factory.mktemp("upstream") / "mesh.toml")
    config.write_text(
        f'[models.far]\nupstream = "http://127.0.0.1:{provider.port}/v1"\nmodel = "m"\nretries = 0\n'
    )
    with running("--config", str(config)) as server:
        yield server


def ask(server, prompt, stream):
    connection = http.client.HTTPConnection(server.address, timeout=WAIT_SECONDS)
    body = {"model": "far", "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    return connection


def answered(server, prompt, stream):
    connection = ask(server, prompt, stream)
    try:
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_only_a_whole_answer_ends_cleanly(through, fault):
    is_clean = FAULTS[fault][1]
    status, text = answered(through, fault, stream=False)
    body = json.loads(text)
    if is_clean:
        assert status == 200 and body["choices"][0]["message"]["content"] == "tick "
    else:
        assert status >= 429 and body["error"]["code"].startswith("model_"), (status, body)
    _, text = answered(through, fault, stream=True)
    assert text.rstrip().endswith("data: [DONE]") == is_clean, text
    assert ('"finish_reason":"stop"' in text) == is_clean, text
    assert ('"error"' in text) != is_clean, text


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("prompt", ["stall before the head", "stall after a token"])
def test_a_client_that_leaves_stops_the_provider(through, provider, prompt, stream, record_property):
    connection = ask(through, prompt, stream)
    assert provider.asked.acquire(timeout=WAIT_SECONDS)
    if stream and "after" in prompt:
        response = connection.getresponse()
        while b"tick" not in response.readline():
            pass
    left_at = time.monotonic()
    # Also what a response holds of it, or the socket stays open.
    connection.sock and connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    if stream and "after" in prompt:
        response.close()
    assert provider.left.acquire(timeout=WAIT_SECONDS), "the provider still serves a client that is gone"
    # The bound is 50 ms; a time is told and not asserted, since machines differ.
    record_property("stopped_after_ms", (provider.left_at - left_at) * 1000)
    print(f"stopped after {(provider.left_at - left_at) * 1000:.1f} ms")
