"""A disk that is full, one that can't be written, a damaged file: the documented error, and nothing acknowledged is lost."""

import shutil

import pytest
from conftest import BINARY, does_not_start
from faults import Ballast, as_root, damage, mounted, pages_with, patient_of_limits, small_disk, write_protect
from witness import QUICK, SCRIPT, Past, accepted, is_ready, not_ready, reasons, refused, request, succeeds


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "count.toml"
    path.write_text(SCRIPT)
    return str(path)


def on(script, data):
    """The arguments of a server that keeps its runs in this folder."""
    return ["--script", script, "--store", "sqlite", "--data-dir", str(data), "--drain-seconds", "1"]


def stops(server):
    server.terminate()
    assert server.wait() == 0, server.output
    assert "panicked" not in server.output, server.output


def test_a_full_disk_refuses_new_runs_and_lets_the_others_wait_for_room(start, script, tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        server, ballast = start(*on(script, disk)), Ballast(disk)
        past = Past(server)
        ballast.fill()
        assert str(disk / "genesis-mesh.db") in not_ready(server, "store_full", "make room")
        status, code, headers = refused(server, "count")
        assert (status, code, headers["x-should-retry"]) == (507, "store_full", "true")
        # What is there can be read.
        succeeds(server, past.ended, QUICK)
        ballast.drop()
        assert is_ready(server)
        assert past.witness.ends()["type"] == "done"
        assert past.is_kept(server)
        assert request(server, f"/v1/runs/{past.unseen}")[1]["attempts"] == 1
        succeeds(server, accepted(server, "count", "Count."), QUICK)
        stops(server)


def test_a_server_that_is_started_on_a_full_disk_says_so_and_goes_on_once_there_is_room(start, script, tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        ballast = Ballast(disk)
        ballast.fill()
        said = does_not_start(*on(script, disk))
        assert "(store_full)" in said and "make room" in said, said
        ballast.drop()
        server = start(*on(script, disk))
        past = Past(server)
        stops(server)
        ballast.fill()
        said = does_not_start(*on(script, disk))
        assert "(store_full)" in said and "make room" in said, said
        ballast.drop()
        server = start(*on(script, disk))
        past.goes_on(server)
        # What a killed server leaves is all that is needed to read.
        server.kill()
        ballast.fill()
        again = start(*on(script, disk))
        not_ready(again, "store_full", "make room")
        succeeds(again, past.ended, QUICK)
        ballast.drop()
        assert is_ready(again) and past.is_kept(again)


def test_a_server_does_not_start_in_a_read_only_folder_and_does_once_it_can_write(start, script, tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        server = start(*on(script, disk))
        past = Past(server)
        server.kill()
        as_root("mount", "-o", "remount,ro", disk)
        said = does_not_start(*on(script, disk))
        assert "(store_unavailable)" in said and "genesis-mesh.db" in said and "mount it for writing" in said, said
        as_root("mount", "-o", "remount,rw", disk)
        assert past.is_kept(start(*on(script, disk)))


def test_runs_wait_while_the_system_refuses_writes_and_go_on_after(start, script, tmp_path):
    server = start(*on(script, tmp_path / "data"), binary=patient_of_limits(tmp_path, BINARY))
    past = Past(server)
    write_protect(server, True)
    assert "genesis-mesh.db" in not_ready(server, "store_unavailable", "mounted read-only")
    status, code, headers = refused(server, "count")
    assert (status, code, headers["retry-after"]) == (503, "store_unavailable", "1")
    succeeds(server, past.ended, QUICK)
    write_protect(server, False)
    assert is_ready(server)
    assert past.witness.ends()["type"] == "done"
    assert past.is_kept(server)
    assert request(server, f"/v1/runs/{past.unseen}")[1]["attempts"] == 1
    stops(server)


def test_a_server_on_a_disk_that_has_become_read_only_stops_in_order_and_the_next_goes_on(start, script, tmp_path):
    # As the kernel does after an error of the disk. No server can come back there: the disk has to be checked first.
    image, folder = tmp_path / "image", tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    as_root("mkfs.ext4", "-q", image)
    with mounted(folder, "-o", "loop", image) as disk:
        server = start(*on(script, disk / "data"))
        past = Past(server)
        as_root("mount", "-o", "remount,abort", disk)
        assert "genesis-mesh.db" in not_ready(server, "store_unavailable", "mounted read-only")
        assert refused(server, "count")[:2] == (503, "store_unavailable")
        stops(server)
        assert past.witness.ends()["error"]["code"] == "stopping"
    with mounted(folder, "-o", "loop", image) as disk:
        again = start(*on(script, disk / "data"))
        assert past.is_kept(again)
        stops(again)


@pytest.fixture
def backed_up(start, script, tmp_path):
    """A server that has ended, what it had acknowledged, its database, and a copy of that."""
    server = start(*on(script, tmp_path / "data"))
    past = Past(server)
    past.witness.ends()
    assert past.is_kept(server)
    stops(server)
    path, copy = tmp_path / "data" / "genesis-mesh.db", tmp_path / "copy"
    shutil.copy(path, copy)
    return past, path, copy


@pytest.mark.parametrize("pages", [[0], range(1, 12)], ids=["the header", "the tables"])
def test_a_server_does_not_start_on_a_damaged_file_and_leaves_it_as_it_is(backed_up, start, script, pages):
    past, path, copy = backed_up
    damage(path, pages)
    damaged = path.read_bytes()
    said = does_not_start(*on(script, path.parent))
    assert "(store_corrupt)" in said and str(path) in said and "restore a backup" in said, said
    assert path.read_bytes() == damaged
    shutil.copy(copy, path)
    assert past.is_kept(start(*on(script, path.parent)))


@pytest.mark.parametrize("when", ["at the start", "while it runs"])
def test_damage_is_told_when_it_is_met_and_nothing_more_is_taken_in(backed_up, start, script, when):
    past, path, copy = backed_up
    if when == "at the start":
        damage(path, pages_with(path, b'"tick '))
        server = start(*on(script, path.parent))
    else:
        server = start(*on(script, path.parent))
        # What has never been read is in no memory.
        damage(path, pages_with(path, b'"tick '))
    # Nobody has looked there yet.
    assert not reasons(server)
    assert request(server, f"/v1/runs/{past.unseen}")[0] == 200
    status, body, headers = request(server, f"/v1/runs/{past.unseen}/events")
    assert (status, body["error"]["code"], headers["x-should-retry"]) == (500, "store_corrupt", "false"), body
    assert str(path) in not_ready(server, "store_corrupt", "restore a backup")
    assert refused(server, "count")[:2] == (500, "store_corrupt")
    stops(server)
    assert path.stat().st_size >= copy.stat().st_size
    for left in path.parent.glob("genesis-mesh.db-[ws]*"):
        left.unlink()
    shutil.copy(copy, path)
    again = start(*on(script, path.parent))
    assert is_ready(again) and past.is_kept(again)
