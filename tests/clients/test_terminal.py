"""`genesis-mesh chat` on a pseudo-terminal, as a person uses it."""

import os
import pty
import select
import subprocess
import time

import pytest
from conftest import BINARY

SCRIPT = """
[[rule]]
when = { contains = "count" }
pieces = ["tick ", "tock "]
repeat = 100000
delay_ms = 50

[[rule]]
text = "It is \\u001b[31mParis."
"""
# Nothing here takes a second; a busy machine may.
WAIT_SECONDS = 60


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, *arguments, environment):
        self.master, side = pty.openpty()
        self.process = subprocess.Popen(
            [BINARY, *arguments],
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            # Ctrl-C comes from the terminal: it must be this program's.
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(side)
        self.seen = ""

    def wait_for(self, text):
        """Reads until `text` has come, and forgets all up to it."""
        end = time.monotonic() + WAIT_SECONDS
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.master, 4096).decode(errors="replace")
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        os.close(self.master)
        return code


@pytest.fixture
def terminal(tmp_path):
    script = tmp_path / "demo.toml"
    script.write_text(SCRIPT)
    terminal = Terminal("chat", "--script", script, environment={"GENESIS_MESH_CACHE_DIR": str(tmp_path)})
    yield terminal
    terminal.close()


def test_a_person_asks_stops_an_answer_and_leaves(terminal, tmp_path):
    terminal.wait_for("talking with demo")
    terminal.wait_for("> ")
    terminal.type("Where?\r")
    answer = terminal.wait_for("first after")
    assert "It is \ufffd[31mParis." in answer, "an answer can't steer the terminal"
    assert "tokens/s" in answer
    terminal.wait_for("> ")
    terminal.type("count\r")
    terminal.wait_for("tick ")
    terminal.type("\x03")
    terminal.wait_for("(cancelled)")
    terminal.wait_for("> ")
    # At the prompt it ends nothing either.
    terminal.type("\x03")
    terminal.wait_for("Ctrl-D ends")
    terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.process.wait(WAIT_SECONDS) == 0
    assert "count" in (tmp_path / "chat-history").read_text()
