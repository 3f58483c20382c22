"""A private PostgreSQL server for as long as the tests run, from the binaries that the system has."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

NAMED = "AVSEARCH_TEST_POSTGRES"  # a URL of a server where databases may be made
REQUIRED = "AVSEARCH_REQUIRE_POSTGRES"  # set: that there is no server is a failure
DEBIAN = Path("/usr/lib/postgresql")
START_S = 60

# Serve until the pipe from the tests closes: also when they are killed, no server and no folder is left behind.
WHILE_WE_LIVE = """
trap '' INT TERM HUP
"$@" >log 2>&1 </dev/null &
cat >/dev/null
kill -QUIT $!
wait $!
rm -rf "$PWD"
"""


@contextmanager
def running_server() -> Iterator[str]:
    """The URL of a database on a server: the one named by the environment, else one of our own."""
    if named := os.environ.get(NAMED):
        with psycopg.connect(named) as connection:
            password = connection.info.password
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGPASSWORD", password)  # a library does not keep it
            yield named
        return
    binaries = find_binaries()
    if binaries is None:
        missing = f"no PostgreSQL server is installed (Debian: postgresql), and {NAMED} names none"
        pytest.fail(missing) if os.environ.get(REQUIRED) else pytest.skip(missing)
    with _server_of_our_own(binaries) as url:
        yield url


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database, which is dropped afterwards."""
    name = f"avsearch_test_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        try:
            info = connection.info
            yield f"postgresql://{info.user}@/{name}?host={info.host}&port={info.port}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def find_binaries() -> Path | None:
    """The folder that has `initdb` and `postgres`: Debian keeps it off the path."""
    folders = [path.parent for path in DEBIAN.glob("*/bin/initdb")]
    folders.sort(key=lambda folder: int(folder.parent.name))
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


@contextmanager
def _server_of_our_own(binaries: Path) -> Iterator[str]:
    """One that listens to a socket in a folder of its own, and cares for no crash."""
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="avsearch-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        settings = {"cwd": folder, "text": True, **as_user}
        make = [binaries / "initdb", "-D", "data", "-U", "avsearch", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run([*make, "--no-sync"], check=True, capture_output=True, stdin=subprocess.DEVNULL, **settings)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        serve = ["/bin/sh", "-c", WHILE_WE_LIVE, "sh", binaries / "postgres", "-D", "data", *options]
        with subprocess.Popen(serve, stdin=subprocess.PIPE, **settings):  # its end closes the pipe and waits
            url = f"postgresql://avsearch@/postgres?host={folder}&port=5432"
            _wait_for(url, folder / "log")
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; None: as whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _wait_for(url: str, log: Path) -> None:
    last = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > last:
                raise RuntimeError(f"PostgreSQL does not start: {log.read_text()}") from error
            time.sleep(0.05)
        else:
            return
