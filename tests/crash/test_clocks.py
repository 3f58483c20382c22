"""Clocks that go wrong, and what a file's size and time say of it and what not (docs/library.md)."""

import os
import sqlite3
import time

import pytest
from PIL import Image

from avsearch import media
from avsearch.library import open_library, verify
from indexer.build import index
from indexer.index_job import IndexJob
from tests.crash.running import assert_same, contents, unheard
from tests.tiny import make_film

DAY_NS = 24 * 3600 * 10**9
NOW_NS = 20_000 * DAY_NS
LAST_NS = 2**63 - 1  # which a catalog can hold: in the year 2262


def draw(path, colour):
    """A picture whose size is that of any other."""
    Image.new("RGB", (90, 60), colour).save(path)


@pytest.fixture
def footage(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    draw(folder / "a.bmp", "teal")
    return folder


@pytest.fixture
def run(footage, weights, tmp_path):
    """Index the folder; how many files were indexed, and how many were as before."""

    def index_once():
        result = index(IndexJob([footage], tmp_path / "library", model=weights), unheard)
        assert verify(open_library(tmp_path / "library")) == []
        return result.num_indexed, result.num_unchanged

    return index_once


def hashes(tmp_path):
    return {content_hash for content_hash, _, _ in contents(open_library(tmp_path / "library"))}


@pytest.mark.parametrize("mtime_ns", [-DAY_NS, 0, NOW_NS + 40_000 * DAY_NS, LAST_NS])
def test_a_file_of_any_time_is_indexed_once_and_looked_at_again_when_its_time_changes(footage, run, mtime_ns):
    os.utime(footage / "a.bmp", ns=(mtime_ns, mtime_ns))
    assert [run(), run()] == [(1, 0), (0, 1)]
    os.utime(footage / "a.bmp", ns=(NOW_NS, NOW_NS))
    assert [run(), run()] == [(1, 0), (0, 1)]


def test_a_time_that_no_catalog_can_hold_does_no_harm(footage, run, tmp_path):
    """Such a file is looked at each time; its content is known, and nothing is made again."""
    os.utime(footage / "a.bmp", ns=(LAST_NS + 1, LAST_NS + 1))
    if (footage / "a.bmp").stat().st_mtime_ns <= LAST_NS:
        pytest.skip("this file system has no such times")
    assert [run(), run()] == [(1, 0), (1, 0)]
    assert len(open_library(tmp_path / "library").catalog.all_segments()) == 1


def test_a_clock_that_goes_backwards_changes_nothing_that_is_found(footage, run, tmp_path, monkeypatch):
    genuine = time.time_ns
    run()
    before = contents(open_library(tmp_path / "library"))
    monkeypatch.setattr(time, "time_ns", lambda: genuine() - 4000 * DAY_NS)
    draw(footage / "b.bmp", "coral")
    assert run() == (1, 1)
    after = contents(open_library(tmp_path / "library"))
    assert len(after) == 2
    assert_same({moment: after[moment] for moment in before}, before)
    monkeypatch.undo()
    assert run() == (0, 2)
    with sqlite3.connect(tmp_path / "library" / "catalog.sqlite3") as connection:
        runs = connection.execute("SELECT started_at_us FROM run ORDER BY id").fetchall()
    connection.close()
    assert runs[1] < runs[0] < runs[2], "the clock was not set back at all"


def test_another_content_of_the_same_size_and_time_is_not_noticed_until_its_time_changes(footage, run, tmp_path):
    """The limit that all have who do not read every file each time; `touch` makes it known."""
    os.utime(footage / "a.bmp", ns=(NOW_NS, NOW_NS))
    run()
    before, size = hashes(tmp_path), (footage / "a.bmp").stat().st_size
    draw(footage / "a.bmp", "coral")
    os.utime(footage / "a.bmp", ns=(NOW_NS, NOW_NS))
    assert (footage / "a.bmp").stat().st_size == size
    assert run() == (0, 1)
    assert hashes(tmp_path) == before
    (footage / "a.bmp").touch()
    assert run() == (1, 0)
    assert hashes(tmp_path) == {media.content_hash(footage / "a.bmp")} != before


def test_a_film_that_is_still_being_written_fails_with_a_sentence_and_is_read_when_it_is_whole(
    footage, weights, tmp_path, monkeypatch
):
    """It gains its second half after its beginning was read."""
    whole = make_film(tmp_path / "whole.mkv", seconds=4).read_bytes()
    growing = footage / "growing.mkv"
    growing.write_bytes(whole[: len(whole) // 2])
    genuine = media.read_pass

    def read_pass(path, *arguments, **options):
        yield from genuine(path, *arguments, **options)
        if path == growing:
            growing.write_bytes(whole)

    monkeypatch.setattr(media, "read_pass", read_pass)
    job = IndexJob([footage], tmp_path / "library", model=weights)
    [failure] = index(job, unheard).failures
    assert (failure.path, failure.reason) == (
        growing,
        "it changed while it was read. Index it again when it is complete.",
    )
    assert verify(open_library(tmp_path / "library")) == []
    monkeypatch.undo()
    again = index(job, unheard)
    assert (again.num_indexed, again.num_unchanged, again.failures) == (1, 1, ())
    assert media.content_hash(growing) in hashes(tmp_path)
