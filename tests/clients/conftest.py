"""The real binary under official clients: started on port 0, stopped with SIGTERM, never left behind."""

import contextlib
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("GENESIS_MESH_BIN", ROOT / "target" / "debug" / "genesis-mesh"))
# A start loads and repacks the model, under 2 s even beside a busy build; a stop lets runs end first.
START_SECONDS = 60
STOP_SECONDS = 30
PR_SET_PDEATHSIG = 1


class Server:
    """A running `genesis-mesh` and what it printed."""

    def __init__(self, *arguments, environment=None, binary=BINARY, port=0):
        # On Linux the kernel ends the server with its parent, however the tests end.
        die_with_parent = None
        if sys.platform == "linux":
            prctl = ctypes.CDLL(None).prctl
            die_with_parent = lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # noqa: E731
        self.lines = []
        self.address = None
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            [binary, "--host", "127.0.0.1", "--port", str(port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # The user's data folder is no place for tests; what is to be kept says where.
            env={**os.environ, "GENESIS_MESH_STORE": "memory", **(environment or {})},
            preexec_fn=die_with_parent,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"listening on http://(127\.0\.0\.1:[1-9]\d*)", line):
                self.address = found.group(1)
                self._ready.set()
        self._ready.set()

    def wait_until_ready(self):
        assert self._ready.wait(START_SECONDS) and self.address, f"the server did not start:\n{self.output}"

    @property
    def output(self):
        return "".join(self.lines)

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def ws(self, agent="smollm2"):
        return f"ws://{self.address}/ws/{agent}"

    def http(self, path):
        return f"http://{self.address}{path}"

    def resident_bytes(self):
        """The memory that the server holds, as the kernel counts it."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Waits for the end and gives the exit code; what was printed is complete then."""
        code = self.process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        return code

    def kill(self):
        """Ends it in any case, and lets go of its output."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_SECONDS)
        self.process.stdout.close()


@contextlib.contextmanager
def running(*arguments, environment=None, binary=BINARY):
    """A server for one block: it must be alive at the end, and stop in order when told to."""
    server = Server(*arguments, environment=environment, binary=binary)
    try:
        server.wait_until_ready()
        yield server
        assert server.process.poll() is None, f"the server ended by itself:\n{server.output}"
        server.terminate()
        assert server.wait() == 0, f"the server did not stop in order:\n{server.output}"
        assert "panicked" not in server.output, server.output
    finally:
        server.kill()


def does_not_start(*arguments, **options):
    """What a server says that ends before it serves; nobody can take that for an end in order."""
    server = Server(*arguments, **options)
    try:
        assert server.wait() == 1 and not server.address, server.output
        return server.output
    finally:
        server.kill()


@pytest.fixture(scope="session", autouse=True)
def _binary():
    assert BINARY.is_file(), f"{BINARY} is missing: cargo build, or name another in GENESIS_MESH_BIN"


@pytest.fixture(scope="module")
def server():
    """One server for the tests of a module; it must survive all of them."""
    with running() as server:
        yield server


@pytest.fixture
def start():
    """Starts servers that a test may end itself; none outlives it."""
    started = []

    def start_server(*arguments, **options):
        server = Server(*arguments, **options)
        started.append(server)
        server.wait_until_ready()
        return server

    yield start_server
    for server in started:
        server.kill()
