"""Databases to read: a file of SQLite, and a PostgreSQL server of our own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SCHEMA = """
create table orders (id integer primary key, line text, amount double precision, at text);
"""


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The writing end of `orders.db` in the test's folder."""
    db = sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    db.execute(SCHEMA)
    yield db
    db.close()


@dataclass
class Postgres:
    """A server on 127.0.0.1; the user `uns` with the password `right` may read what it is given."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        postgres = str(BINARIES[-1] / "postgres")
        options = ["-D", str(self.folder), "-p", str(self.port), "-h", "127.0.0.1"]
        quick = ["-c", "fsync=off", "-c", f"unix_socket_directories={self.folder}"]
        command = [*_as_nobody(), postgres, *options, *quick]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if "OK" in self.run("select 'OK'", check=False):
                return
            time.sleep(0.1)
        pytest.fail("PostgreSQL did not start within 20 s")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT is a fast shutdown, SIGQUIT a crash."""
        if self.process is not None:
            pid = int((self.folder / "postmaster.pid").read_text().split()[0])
            os.kill(pid, how)
            self.process.wait(20)
            self.process = None

    def run(self, statement: str, *, check: bool = True) -> str:
        """Run SQL as the database's owner."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "owner", "-d", "postgres"]
        done = subprocess.run(
            [str(BINARIES[-1] / "psql"), *where, "-tAqc", statement],
            env={**os.environ, "PGPASSWORD": "owner"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for the whole run; tests that stop it start it again."""
    if not BINARIES or not (BINARIES[-1] / "postgres").exists():
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="uns-postgres-"))
    (folder / "password").write_text("owner")
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    initdb = [str(BINARIES[-1] / "initdb"), "-D", str(folder / "data"), "-U", "owner", "-N"]
    how = ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
    subprocess.run([*_as_nobody(), *initdb, *how], check=True, stdout=subprocess.DEVNULL, cwd="/")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = Postgres(port, folder / "data")
    server.start()
    server.run("create role uns login password 'right'")
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Postgres]:
    """The server with an empty table `orders` that `uns` may read."""
    postgres_server.run(
        "create table orders (id bigserial primary key, line varchar, amount numeric,"
        " at timestamptz default now()); grant select on orders to uns"
    )
    yield postgres_server
    postgres_server.run("drop table orders cascade")


def _as_nobody() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
