"""Chat completions under openai-node: the scripts of tests/clients-node assert for themselves."""

import pathlib

from conftest import running
from node_script import run_node

SCRIPT = pathlib.Path(__file__).with_name("chat_script.toml")


def test_the_node_client_against_a_script():
    with running("--script", SCRIPT) as server:
        assert run_node("chat.mjs", server.http("/v1"), "chat_script", "scripted").endswith("ok\n")


def test_the_node_client_against_smollm2(server):
    assert run_node("chat.mjs", server.http("/v1"), "smollm2", "real").endswith("ok\n")
