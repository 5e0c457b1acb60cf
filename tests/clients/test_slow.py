"""Good clients beside 500 slow ones: slowhttptest sends headers and bodies in drips, and reads answers in drips."""

import http.client
import json
import subprocess
import time

import pytest
from conftest import running

SLOW_CLIENTS = 500
REQUESTS = 200
SCRIPT = """
[[rule]]
when = { contains = "much" }
pieces = ["0123456789012345678901234567890123456789012345678901234567890123456789"]
repeat = 20000

[[rule]]
text = "Hello there."
"""
BODY = {"model": "slow", "messages": [{"role": "user", "content": "Say hello."}]}
# -H slow headers, -B slow bodies, -X slow reads; -i seconds between drips, -r connections a second, -l seconds.
ATTACKS = {
    "headers": ["-H", "-i", "2"],
    "bodies": ["-B", "-i", "2", "-s", "100000", "-t", "POST", "-f", "application/json"],
    "reads": ["-X", "-w", "128", "-y", "256", "-n", "2", "-z", "16", "-k", "1"],
}


@pytest.fixture
def server(tmp_path):
    path = tmp_path / "slow.toml"
    path.write_text(SCRIPT)
    with running("--script", str(path)) as server:
        yield server


def good(server, count):
    """Seconds that each of `count` requests took, one after the other on one connection."""
    connection = http.client.HTTPConnection(server.address, timeout=30)
    times = []
    for _ in range(count):
        start = time.monotonic()
        connection.request("POST", "/v1/chat/completions", json.dumps(BODY), {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200 and b"Hello there." in answer.read()
        times.append(time.monotonic() - start)
    connection.close()
    return sorted(times)


def p99_ms(times):
    return times[int(len(times) * 0.99) - 1] * 1000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("attack", ATTACKS)
def test_good_clients_are_served_beside_slow_ones(server, attack, record_property):
    path = "/v1/chat/completions" if attack == "bodies" else "/docs/swagger-ui-bundle.js"
    good(server, REQUESTS)
    alone = good(server, REQUESTS)
    before = server.resident_bytes()
    command = ["slowhttptest", *ATTACKS[attack], "-c", str(SLOW_CLIENTS), "-r", "500", "-l", "12", "-p", "5"]
    slow = subprocess.Popen([*command, "-u", server.http(path)], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        metrics = ""
        while slow.poll() is None and connections(server) < SLOW_CLIENTS // 2:
            pass
        beside = good(server, REQUESTS)
        grown = server.resident_bytes() - before
        metrics = f"{attack}: p99 alone {p99_ms(alone):.2f} ms, beside {p99_ms(beside):.2f} ms, {grown >> 20} MiB more"
        print(metrics)
        record_property("slow", metrics)
        assert slow.poll() is None, "the attack ended before the good clients did"
    finally:
        slow.kill()
        slow.wait()
    # 500 connections with their buffers; an attack must not take memory by the gigabyte.
    assert grown < 256 << 20, metrics


def connections(server):
    """Connections that the server has open, as it counts them."""
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    counts = [line.split()[-1] for line in lines if line.startswith("genesis_http_connections_open")]
    return int(float(counts[0])) if counts else 0
