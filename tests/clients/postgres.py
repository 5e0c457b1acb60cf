"""A PostgreSQL cluster of a test's own: in a temporary folder, on a socket there, gone at the end however that comes."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from witness import until

PROGRAMS = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
PASSWORD = "a-password-of-tests"


def _as_nobody(*command):
    """PostgreSQL refuses root; as another user it runs as that one. It ends with whoever started it."""
    words = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        words += ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    return [*words, *map(str, command)]


class Cluster:
    """A cluster whose user `mesh` has a password; the socket's folder is not readable by others."""

    def __init__(self, folder):
        self._folder = folder
        self._data = folder / "data"
        self._process = None
        initdb = ["--pgdata", self._data, "--username", "admin", "--auth", "trust", "--no-sync", "--locale", "C"]
        subprocess.run(_as_nobody(PROGRAMS / "initdb", *initdb), check=True, capture_output=True, cwd="/")
        hba = self._data / "pg_hba.conf"
        hba.write_text("local all admin trust\nlocal all mesh scram-sha-256\n")
        self.start()
        self.sql(f"CREATE ROLE mesh LOGIN PASSWORD '{PASSWORD}'", "CREATE DATABASE mesh OWNER mesh")

    def url(self, password=PASSWORD):
        return f"postgres://mesh:{password}@{str(self._folder).replace('/', '%2F')}/mesh"

    def _psql(self, *statements):
        words = [PROGRAMS / "psql", "-h", self._folder, "-U", "admin", "-d", "postgres", "-qAt"]
        for statement in statements:
            words += ["-c", statement]
        return subprocess.run(words, capture_output=True, text=True)

    def sql(self, *statements):
        done = self._psql(*statements)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def start(self):
        log = open(self._folder / "log", "ab")
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self._folder}"]
        with log:
            words = _as_nobody(PROGRAMS / "postgres", "-D", self._data, *settings)
            self._process = subprocess.Popen(words, stdout=log, stderr=log, cwd="/")
        until(lambda: self._psql("SELECT 1").returncode == 0, "PostgreSQL answers")

    def kill(self):
        """Ends all of its processes at once, as the end of its machine would."""
        pid = self._process.pid
        # Held first, so that it starts no other child.
        os.kill(pid, signal.SIGSTOP)
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in [*map(int, children), pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        until(lambda: not any(pathlib.Path(f"/proc/{child}").exists() for child in children), "no process of it")

    def cut_connections(self):
        self.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'mesh'")

    def set_password(self, password):
        self.sql(f"ALTER ROLE mesh PASSWORD '{password}'")

    def stop(self):
        if self._process.poll() is None:
            self.kill()


@contextlib.contextmanager
def cluster():
    assert PROGRAMS, "PostgreSQL is missing: install it (Debian: postgresql)"
    # Paths of sockets are short: pytest's own folders are too deep.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mesh-pg-"))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    made = None
    try:
        made = Cluster(folder)
        yield made
    finally:
        if made:
            made.stop()
        shutil.rmtree(folder)
