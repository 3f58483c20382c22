"""A library whose catalog is on a server: killed runs, lost connections, a server that goes down and comes back."""

import shutil
import subprocess
import tempfile
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

    def begin(url):
        words = [*index_words(clips, weights, tmp_path / "library", url), "--json"]
        process = start(*words, settings={"commit_every_s": 0, "hold": str(tmp_path / "go-on")})
        committed(process)
        return process

    return begin


def assert_ends_with_sentence(process, tmp_path):
    (tmp_path / "go-on").touch()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.splitlines()[-2:] == LOST
    assert errors.count("error:") == 1
    assert "Traceback" not in errors


def test_a_run_whose_connection_is_cut_says_so_and_the_next_one_completes(
    nursery, held, clips, weights, all_of_clips, postgres_database, tmp_path
):
    run = held(postgres_database)
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        cut = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        )
        assert connection.execute(cut, [connection.info.dbname]).fetchall() == [(True,)]
    assert_ends_with_sentence(run, tmp_path)
    assert 0 < len(assert_sound(tmp_path / "library", all_of_clips)) < len(all_of_clips)
    nursery.complete(*index_words(clips, weights, tmp_path / "library", postgres_database))
    assert_same(assert_sound(tmp_path / "library", all_of_clips), all_of_clips)


def test_a_run_whose_server_goes_down_says_so_and_completes_when_it_is_back(
    nursery, held, server, clips, weights, all_of_clips, tmp_path
):
    library = tmp_path / "library"
    run = held(server.url)
    server.crash()
    assert_ends_with_sentence(run, tmp_path)
    for words in (index_words(clips, weights, library, server.url), ["library", "verify", "--library", library]):
        printed = nursery.complete(*words, code=1)
        assert "Traceback" not in printed
        assert "connection" in printed
    server.start()
    assert verify(open_library(library)) == []
    assert 0 < len(contents(open_library(library))) < len(all_of_clips)
    nursery.complete(*index_words(clips, weights, library, server.url))
    assert_same(assert_sound(library, all_of_clips), all_of_clips)
