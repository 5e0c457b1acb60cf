"""Faults of what is below a store: small disks, disks that refuse writes, damaged files. All is undone at the end.

Mounts need root: as another user `sudo` without a password is asked. Without both, these tests fail; they are not skipped.
"""

import contextlib
import os
import resource
import subprocess

PAGE = 4096


def as_root(*command):
    words = [*([] if os.geteuid() == 0 else ["sudo", "-n"]), *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}\nthese tests mount file systems: be root or have sudo"
    return done.stdout.strip()


@contextlib.contextmanager
def mounted(folder, *arguments):
    """A file system in `folder` for one block, which belongs to this user."""
    folder.mkdir(exist_ok=True)
    as_root("mount", *arguments, folder)
    try:
        as_root("chown", f"{os.geteuid()}:{os.getegid()}", folder)
        yield folder
    finally:
        # Lazy: a server that a failed test has left is killed after this.
        as_root("umount", "--lazy", folder)


def small_disk(folder, megabytes):
    return mounted(folder, "-t", "tmpfs", "-o", f"size={megabytes}m", "none")


class Ballast:
    """What fills a disk to its last byte."""

    def __init__(self, disk):
        self._path = disk / "ballast"

    def fill(self):
        with open(self._path, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(PAGE)) == PAGE:
                    pass
        left = os.statvfs(self._path)
        assert left.f_bavail == 0, left

    def drop(self):
        self._path.unlink()


def write_protect(server, is_protected):
    """Has the kernel refuse what the server writes to files that it has open, as a disk that went read-only does."""
    # As a remount would, which the kernel allows only while nobody has a file open for writing.
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0 if is_protected else unlimited, unlimited))


def patient_of_limits(tmp_path, binary):
    """The program, with a refused write as an error and not as a signal that ends it."""
    script = tmp_path / "patient"
    script.write_text(f"#!/bin/sh\ntrap '' XFSZ\nexec '{binary}' \"$@\"\n")
    script.chmod(0o755)
    return script


def damage(path, pages):
    """Writes noise over pages of a database file, counted from 0, beneath whoever has it open."""
    with open(path, "r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(b"\xa5" * PAGE)
        os.fsync(file.fileno())


def pages_with(path, text):
    """The pages of a database file that hold this text."""
    data = path.read_bytes()
    found = [at // PAGE for at in range(0, len(data), PAGE) if text in data[at : at + PAGE]]
    assert found, text
    return found
