"""A server of a library whose catalog is on PostgreSQL answers from what others commit to it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avsearch.library import open_library
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import tones, write_wav
from tests.web.serving import running, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def indexed_elsewhere(footage, library):
    """Index in a process of its own, as another machine would; how many files were indexed."""
    words = [sys.executable, "-m", "avsearch", "index", footage, "--library", library, "--json"]
    paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["indexed"]


def names_found(server, upload_id):
    return {hit["name"] for hit in server.search("audio", {"upload_id": upload_id})["hits"]}


def test_a_server_answers_from_what_another_process_commits_without_a_restart(postgres_database, weights, tmp_path):
    footage, library = tmp_path / "footage", tmp_path / "library"
    footage.mkdir()
    write_wav(footage / "first.wav", tones(2.0))
    index(IndexJob([footage], library, model=weights, database_url=postgres_database), lambda _event: None)
    with running(library, tmp_path / "cache") as server:
        before = server.get("/v1/library").json()
        assert before["media"]["sound"] == 1
        write_wav(footage / "second.wav", tones(3.0)[::-1].copy())
        asked = server.upload(footage / "second.wav")
        assert names_found(server, asked) == {"first.wav"}
        assert indexed_elsewhere(footage, library) == 1
        until(lambda: server.get("/v1/library").json()["media"]["sound"] == 2)
        until(lambda: names_found(server, asked) == {"first.wav", "second.wav"})
        status = open_library(library).catalog.status()
        after = server.get("/v1/library").json()
        assert [root["files"]["indexed"] for root in after["roots"]] == [status.files["indexed"]] == [2]
        assert after["moments"]["audio"] == status.moments["audio"] == 5
