"""Who saw what: clients that note every word of a run, and hold the log to it later.

A witness reads one run on a socket in a thread of its own, so that a test can hurt the server meanwhile.
"""

import json
import threading
import time
import urllib.error
import urllib.request

import websockets
from websockets.sync.client import connect

# A state that does not come about within this is a failure; two busy cores need a few seconds.
STATE_SECONDS = 60


def until(look, what):
    """Looks again and again until it sees something, and gives it; each look is a round trip, so this spins slowly."""
    deadline = time.monotonic() + STATE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"never seen: {what}"
    return seen


def request(server, path, body=None, method=None):
    """The status, the JSON and the headers of an answer, whatever its status."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(server.http(path), data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=STATE_SECONDS) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused), refused.headers


def reasons(server):
    """What keeps the server from being ready, by code; it is alive all the while."""
    assert request(server, "/health")[0] == 200
    status, body, _ = request(server, "/ready")
    found = {reason["code"]: reason["message"] for reason in body["reasons"]}
    assert (status, body["status"]) == ((503, "not_ready") if found else (200, "ready")), body
    return found


def not_ready(server, code, advice):
    """Waits until `/ready` gives this reason with this advice, and gives all of its words."""
    look = lambda: next((words for words in [reasons(server).get(code, "")] if advice in words), None)  # noqa: E731
    return until(look, f"/ready with {code}: {advice}")


def is_ready(server):
    until(lambda: not reasons(server), "/ready without a reason")
    return True


def accepted(server, agent, prompt, **more):
    """Has a run accepted over HTTP, and gives its id."""
    status, run, _ = request(server, "/v1/runs", {"agent": agent, "input": {"prompt": prompt}, **more})
    assert status == 202, run
    return run["run_id"]


def refused(server, agent):
    """How a new run is refused, over HTTP and on a socket: the status, the code and the headers."""
    status, body, headers = request(server, "/v1/runs", {"agent": agent, "input": {"prompt": "One more."}})
    assert status >= 500, body
    with connect(server.ws(agent)) as socket:
        socket.send(json.dumps({"prompt": "One more."}))
        update = json.loads(socket.recv(STATE_SECONDS))
    assert update["type"] == "error" and "seq" not in update, update
    assert update["error"]["code"] == body["error"]["code"], (update, body)
    return status, body["error"]["code"], headers


class Witness:
    """Begins a run on a socket, and notes what it is told until the run ends or the connection does."""

    def __init__(self, server, agent, prompt):
        self.told = []
        self._more = threading.Condition()
        self._is_over = False
        socket = connect(server.ws(f"{agent}?on_disconnect=continue"))
        self._thread = threading.Thread(target=self._read, args=(socket, prompt), daemon=True)
        self._thread.start()

    def _read(self, socket, prompt):
        with socket:
            socket.send(json.dumps({"prompt": prompt}))
            try:
                while not self.told or self.told[-1]["type"] not in ("done", "error"):
                    update = json.loads(socket.recv())
                    with self._more:
                        self.told.append(update)
                        self._more.notify_all()
            except websockets.ConnectionClosed:
                pass
        with self._more:
            self._is_over = True
            self._more.notify_all()

    @property
    def run_id(self):
        return self.told[0]["run_id"]

    def hears(self, count):
        """Waits until it has been told so many more updates, or all there are."""
        with self._more:
            enough = len(self.told) + count
            done = self._more.wait_for(lambda: len(self.told) >= enough or self._is_over, STATE_SECONDS)
        assert done, f"no more than this was told: {self.told[-3:]}"

    def ends(self):
        """Waits for the end of the run or of the connection, and gives the last word."""
        with self._more:
            assert self._more.wait_for(lambda: self._is_over, 2 * STATE_SECONDS), f"no end: {self.told[-3:]}"
        self._thread.join()
        return self.told[-1]


TICKS = 300
SLOW = "tick " * TICKS
QUICK = "One two three."
SCRIPT = f"""
[[rule]]
when = {{ contains = "slowly" }}
pieces = ["tick "]
repeat = {TICKS}
delay_ms = 10

[[rule]]
text = "{QUICK}"
"""


class Past:
    """What a server has acknowledged: a run that has ended, one that goes on, and one that a witness reads."""

    def __init__(self, server):
        self.ended = accepted(server, "count", "Count.")
        succeeds(server, self.ended, QUICK)
        self.witness = Witness(server, "count", "Count slowly.")
        self.witness.hears(10)
        self.unseen = accepted(server, "count", "Count slowly.")

    def goes_on(self, server):
        """The run that nobody reads comes further."""
        events = f"/v1/runs/{self.unseen}/events?limit=10000"
        last = request(server, events)[1]["last_seq"]
        until(lambda: request(server, events)[1]["last_seq"] > last, f"more of {self.unseen}")

    def is_kept(self, server):
        """All of it comes to its end, and every word that was told is in a log."""
        succeeds(server, self.ended, QUICK)
        succeeds(server, self.unseen, SLOW)
        told = [update for update in self.witness.told if "seq" in update]
        return len(told) >= 10 and is_in(told, succeeds(server, self.witness.run_id, SLOW))


def log_of(server, run_id):
    """The status of a run and its whole log, whose numbers have no gap."""
    status, page, _ = request(server, f"/v1/runs/{run_id}/events?limit=10000")
    assert status == 200 and not page["has_more"], page
    assert [event["seq"] for event in page["data"]] == list(range(1, len(page["data"]) + 1))
    return page["status"], page["data"]


def succeeds(server, run_id, text):
    """Waits for the end of a run; its log has all of its text, once."""
    ended = ("succeeded", "failed", "cancelled", "interrupted")
    look = lambda: request(server, f"/v1/runs/{run_id}")[1].get("status") in ended  # noqa: E731
    until(look, f"an end of {run_id}")
    status, log = log_of(server, run_id)
    assert status == "succeeded" and log[-1]["type"] == "done", log[-1]
    assert "".join(event["text"] for event in log if event["type"] == "delta") == text
    return log


def is_in(told, log):
    """Whether all that a client was told is in the log: a delta of several pieces has the number of the last."""
    seen = 0
    for update in told:
        seq = update["seq"]
        events = log[seen:seq]
        assert events and events[-1]["seq"] == seq, (update, log[-1])
        if update["type"] == "delta":
            assert update["text"] == "".join(event["text"] for event in events), update
        else:
            assert events == [update], (update, events)
        seen = seq
    return True
