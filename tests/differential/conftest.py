"""The program under test: started once, fed a case a line, and started again only where it died."""

import ctypes
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("GENESIS_MESH_DIFFERENTIAL", str(ROOT / "target" / "debug" / "examples" / "differential"))
PR_SET_PDEATHSIG = 1


class Program:
    """Our engine as a filter: cases in, outcomes out."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        """The running program."""
        if self.process is None or self.process.poll() is not None:
            # On Linux the kernel ends the program with its parent, however the tests end.
            die_with_parent = None
            if sys.platform == "linux":
                prctl = ctypes.CDLL(None).prctl
                die_with_parent = lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            self.process = subprocess.Popen(
                shlex.split(PROGRAM),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=die_with_parent,
            )
        return self.process

    def outcome(self, case: dict[str, Any]) -> dict[str, Any]:
        """What the program makes of a case. A timeout of the test ends the program, so that no answer is late."""
        process = self.start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(case) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BaseException:
            self.stop()
            raise
        if not line:
            pytest.fail(f"the program ended with {process.wait()} on case {case['name']}")
        return json.loads(line)

    def stop(self) -> None:
        """Ends the program."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()
            self.process = None


@pytest.fixture(scope="session")
def program():
    """The program, until the tests end."""
    started = Program()
    yield started
    started.stop()
