"""PostgreSQL that is away, or wants another password: the documented error, and all goes on when it is back."""

import os
import time

import pytest
from conftest import does_not_start
from postgres import PASSWORD, cluster
from witness import QUICK, SCRIPT, Past, accepted, is_ready, not_ready, reasons, refused, request, succeeds

# How long it stays away; 0: only until all has been seen that is to be seen then.
AWAY_SECONDS = float(os.environ.get("GENESIS_MESH_TEST_AWAY_SECONDS", "0"))


@pytest.fixture
def postgres():
    with cluster() as made:
        yield made


@pytest.fixture
def arguments(tmp_path, postgres):
    path = tmp_path / "count.toml"
    path.write_text(SCRIPT)
    return ["--script", str(path), "--drain-seconds", "1", "--store", postgres.url()]


def test_runs_wait_for_a_database_that_is_away_and_go_on_when_it_is_back(start, arguments, postgres):
    server = start(*arguments)
    past = Past(server)
    postgres.kill()
    gone = time.monotonic()
    assert "PostgreSQL at mesh@" in not_ready(server, "store_unavailable", "look whether the server runs")
    status, code, headers = refused(server, "count")
    assert (status, code, headers["retry-after"]) == (503, "store_unavailable", "1")
    assert request(server, f"/v1/runs/{past.ended}")[0] == 503
    while (left := gone + AWAY_SECONDS - time.monotonic()) > 0:
        assert "store_unavailable" in reasons(server)
        time.sleep(min(1, left))
    # However long that is: no end is told that is not kept.
    assert past.witness.told[-1]["type"] == "delta"
    postgres.start()
    back = time.monotonic()
    assert is_ready(server)
    ready = time.monotonic()
    assert past.witness.ends()["type"] == "done"
    ended = time.monotonic()
    assert past.is_kept(server)
    succeeds(server, accepted(server, "count", "Count."), QUICK)
    attempts = [request(server, f"/v1/runs/{run}")[1]["attempts"] for run in (past.unseen, past.witness.run_id)]
    print(f"away {back - gone:.1f} s, ready after {ready - back:.2f} s, ended after {ended - back:.2f} s, {attempts=}")


def test_a_server_is_stopped_in_order_while_its_database_is_away_and_the_next_goes_on(start, arguments, postgres):
    server = start(*arguments)
    past = Past(server)
    postgres.kill()
    not_ready(server, "store_unavailable", "look whether the server runs")
    server.terminate()
    assert server.wait() == 0, server.output
    assert past.witness.ends()["error"]["code"] == "stopping"
    postgres.start()
    again = start(*arguments)
    assert is_ready(again) and past.is_kept(again)


def test_a_wrong_password_at_the_start_is_told_without_the_password(arguments, postgres):
    said = does_not_start(*arguments[:-1], postgres.url("not-the-password"))
    assert "(store_refused)" in said and "look at the user and the password" in said, said
    assert "not-the-password" not in said, said


def test_a_password_that_was_changed_is_told_and_comes_back_with_it(start, arguments, postgres):
    server = start(*arguments)
    past = Past(server)
    postgres.set_password("another-one")
    # Who is in stays in; it shows when connections are made anew.
    assert not reasons(server)
    postgres.cut_connections()
    assert PASSWORD not in not_ready(server, "store_unavailable", "look at the user and the password")
    assert refused(server, "count")[:2] == (503, "store_unavailable")
    postgres.set_password(PASSWORD)
    assert is_ready(server)
    assert past.witness.ends()["type"] == "done"
    assert past.is_kept(server)
    assert PASSWORD not in server.output
