"""A library whose catalog is on a server: killed runs, lost connections, a server that goes down and comes back."""

import json
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from avsearch.library import open_library, verify
from tests.crash.dying import MANY
from tests.crash.running import KILLED, assert_same, assert_sound, committed, contents, is_made
from tests.postgres import _server_user, find_binaries, new_database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

STRIDE = 7  # of the steps that a run has, about fifty
SOME_FAILED = 3
LOST = ["error: The connection to the database was lost.", "Run the same command again."]


@dataclass(frozen=True)
class Server:
    """A server that can be stopped and started."""

    binaries: Path
    folder: Path

    @property
    def url(self):
        return f"postgresql://avsearch@/postgres?host={self.folder}&port=5432"

    def call(self, program, *words):
        user = _server_user()
        as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        command = [self.binaries / program, "-D", self.folder / "data", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **as_user)

    def start(self):
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
        self.call("pg_ctl", "start", "-w", "-o", options, "-l", self.folder / "log")

    def crash(self):
        self.call("pg_ctl", "stop", "-w", "-m", "immediate")


@pytest.fixture
def server():
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here that could be stopped and started")
    folder = Path(tempfile.mkdtemp(prefix="avsearch-pg-"))
    if (user := _server_user()) is not None:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    server = Server(binaries, folder)
    try:
        server.call("initdb", "-U", "avsearch", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        server.start()
        yield server
        server.crash()
    finally:
        shutil.rmtree(folder)


def index_words(footage, weights, library, url):
    return ["index", footage, "--library", library, "--model", weights, "--database", url]


def test_runs_that_are_killed_leave_a_sound_library_on_a_server(
    nursery, few, weights, all_of_few, postgres_url, tmp_path
):
    nums_found = []
    for step in range(3, MANY, STRIDE):
        library = tmp_path / f"{step}"
        with new_database(postgres_url) as url:
            words = [*index_words(few, weights, library, url), "--workers", 1]
            code, printed = nursery.run(*words, die_at=step, commit_every_s=0)
            if code != KILLED:
                assert code == SOME_FAILED, printed
                break
            if is_made(library):
                nums_found.append(len(assert_sound(library, all_of_few)))
            nursery.complete(*words, code=SOME_FAILED)
            assert_same(assert_sound(library, all_of_few), all_of_few)
    assert any(0 < number < len(all_of_few) for number in nums_found)


@pytest.fixture
def held(start, clips, weights, tmp_path):
    """Start a run on a server's database: it has made its first commit, and goes on once `go-on` is there."""

    def begin(url, *, reconnect_after_s):
        words = [*index_words(clips, weights, tmp_path / "library", url), "--json"]
        hold = str(tmp_path / "go-on")
        settings = {"commit_every_s": 0, "hold": hold, "reconnect_after_s": reconnect_after_s}
        process = start(*words, settings=settings)
        committed(process)
        return process

    return begin


def ended(process, tmp_path):
    """Let a run go on: its exit code, what it told, and what it said."""
    (tmp_path / "go-on").touch()
    told, said = process.communicate(timeout=120)
    assert "Traceback" not in said
    return process.returncode, [json.loads(line) for line in told.splitlines()], said.splitlines()


def cut(database):
    """End all connections to a database but one's own; how many they were."""
    with psycopg.connect(database, autocommit=True) as connection:
        cut = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        )
        return len(connection.execute(cut, [connection.info.dbname]).fetchall())


def test_a_run_whose_connection_is_cut_makes_another_and_completes(
    held, clips, weights, all_of_clips, postgres_database, tmp_path
):
    run = held(postgres_database, reconnect_after_s=[0.3])
    assert cut(postgres_database) == 1
    code, told, said = ended(run, tmp_path)
    assert code == 0, said
    assert [it["pause_s"] for it in told if it["event"] == "reconnecting"] == [0.3]
    assert any("The connection to the database was lost. Trying again in 0.3 s" in line for line in said)
    assert told[-1]["event"] == "done"
    assert told[-1]["indexed"] + told[-1]["unchanged"] == sum(it.is_file() for it in clips.rglob("*"))
    assert told[-1]["unchanged"] > 0
    assert_same(assert_sound(tmp_path / "library", all_of_clips), all_of_clips)


def test_a_run_whose_server_is_restarted_waits_for_it_and_completes(held, server, all_of_clips, tmp_path):
    run = held(server.url, reconnect_after_s=[0.1, 1, 2, 4, 8, 16])
    server.crash()
    restarting = threading.Timer(2, server.start)
    restarting.start()
    code, told, said = ended(run, tmp_path)
    restarting.join()
    assert code == 0, said
    assert "reconnecting" in [it["event"] for it in told]
    assert_same(assert_sound(tmp_path / "library", all_of_clips), all_of_clips)


def test_a_run_whose_server_stays_down_says_so_and_the_next_one_completes(
    nursery, held, server, clips, weights, all_of_clips, tmp_path
):
    library = tmp_path / "library"
    run = held(server.url, reconnect_after_s=[0.1, 0.2])
    server.crash()
    code, told, said = ended(run, tmp_path)
    assert (code, said[-2:]) == (1, LOST)
    assert "\n".join(said).count("error:") == 1
    assert [it["pause_s"] for it in told if it["event"] == "reconnecting"] == [0.1, 0.2]
    for words in (index_words(clips, weights, library, server.url), ["library", "verify", "--library", library]):
        printed = nursery.complete(*words, code=1)
        assert "Traceback" not in printed
        assert "connection" in printed
        assert "Trying again" not in printed  # it was never there
    server.start()
    assert verify(open_library(library)) == []
    assert 0 < len(contents(open_library(library))) < len(all_of_clips)
    nursery.complete(*index_words(clips, weights, library, server.url))
    assert_same(assert_sound(library, all_of_clips), all_of_clips)
