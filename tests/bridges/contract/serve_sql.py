"""A PostgreSQL server to be frozen and killed: `serve_sql.py FOLDER PORT TAGS`.

Ten times a second every tag gets a row with the next number. The server itself listens behind a
relay in this process, so that freezing this one makes it hang, and dies with it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PERIOD_S = 0.1
SCHEMA = """
create role uns login password 'right';
create table log (id bigserial primary key, name text, value numeric, label text, at timestamptz);
create index on log (name, id);
create table setpoints (name text primary key, value numeric);
insert into setpoints values ('Setpoint', 0);
grant select on log, setpoints to uns; grant update on setpoints to uns;
create view seen as select l.id, l.name, coalesce(s.value, l.value) as value, l.label, l.at
  from log l left join setpoints s using (name);
grant select on seen to uns;
"""
ODD = """
insert into log (name, value, label, at) values
  ('Infinite', 'Infinity', null, {at}), ('NoNumber', 'NaN', null, {at}),
  ('Large', 9007199254740993, null, {at}), ('Empty', null, '', {at}),
  ('Foreign', null, 'Größe', {at})
"""


def as_nobody() -> list[str]:
    """PostgreSQL refuses to run as root, and ends with this process."""
    who = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *who, "--pdeathsig=KILL"]


def prepare(folder: Path, port: int) -> Sequence[str]:
    """An empty cluster; returns the command that serves it on `port`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = str(folder / "data")
    initdb = [str(BINARIES[-1] / "initdb"), "-D", data, "-U", "owner", "-N", "-A", "trust"]
    subprocess.run([*as_nobody(), *initdb], check=True, stdout=subprocess.DEVNULL, cwd="/")
    options = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    quick = ["-c", "fsync=off", "-c", "max_connections=500"]
    return [*as_nobody(), str(BINARIES[-1] / "postgres"), *options, *quick]


async def serve(folder: Path, port: int, count: int) -> None:
    """Write rows for as long as this runs."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        inner = sock.getsockname()[1]
    process = subprocess.Popen(prepare(folder, inner), stderr=subprocess.DEVNULL, cwd="/")
    try:
        owner = await _connected(inner)
        await owner.execute(SCHEMA)
        at = f"now() + {os.environ.get('UNS_SKEW_S', '0')} * interval '1 s'"
        await owner.execute(ODD.format(at=at))
        wanted = _listen_to_stdin(count)
        async with await asyncio.start_server(lambda r, w: _relay(inner, r, w), "127.0.0.1", port):
            for value in range(1, 2**31):
                await owner.execute(
                    f"insert into log (name, value, at) select 'T' || n, $1::bigint, {at}"
                    " from generate_series(0, $2::int - 1) n",
                    value,
                    wanted[0],
                )
                await owner.execute(
                    f"insert into log (name, value, at) values ('Setpoint', 0, {at})"
                )
                if value == 1:
                    print("READY", flush=True)
                await asyncio.sleep(PERIOD_S)
    finally:
        process.kill()


async def _connected(port: int) -> asyncpg.Connection:
    for _ in range(200):
        try:
            return await asyncpg.connect(
                host="127.0.0.1", port=port, user="owner", database="postgres"
            )
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
    raise SystemExit("PostgreSQL did not start")


async def _relay(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes both ways until one end closes."""

    async def pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65_536):
                to.write(chunk)
                await to.drain()
        except OSError:
            pass
        finally:
            to.close()

    source, onward = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(pump(reader, onward), pump(source, writer))


def _listen_to_stdin(count: int) -> list[int]:
    """How many tags are wanted; the list's one element changes with each line."""
    wanted = [count]
    asyncio.get_running_loop().add_reader(
        sys.stdin, lambda: wanted.__setitem__(0, int(sys.stdin.readline() or wanted[0]))
    )
    return wanted


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
