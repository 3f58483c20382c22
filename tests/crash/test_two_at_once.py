"""A second writer is refused and changes nothing; readers see whole commits and nothing else."""

import json
import threading

import pytest

from avsearch.catalog import State
from avsearch.library import open_library, verify
from tests.crash.running import assert_same, assert_sound, committed, contents

OFTEN = {"commit_every_s": 0.1}


@pytest.fixture
def held(start, clips, weights, tmp_path):
    """A run that has made its first commit, and goes on once the file `go-on` is there."""
    words = ["index", clips, "--library", tmp_path / "library", "--model", weights, "--json"]
    process = start(*words, settings={"commit_every_s": 0, "hold": str(tmp_path / "go-on")})
    committed(process)
    return process


def let_go(held, tmp_path):
    """Let it run to its end."""
    (tmp_path / "go-on").touch()
    _, errors = held.communicate(timeout=240)
    assert (held.returncode, errors.count("error")) == (0, 0)


@pytest.mark.slow
def test_a_second_writer_is_told_who_writes_and_the_first_one_is_not_disturbed(
    nursery, held, clips, few, all_of_clips, tmp_path
):
    library = tmp_path / "library"
    sentence = f"error: {library}: another avsearch writes to this library (process {held.pid})."
    before = contents(open_library(library))
    for words in (["index", few], ["library", "remove", clips], ["library", "compact"], ["library", "repair"]):
        printed = nursery.complete(*words, "--library", library, code=1)
        assert printed.splitlines()[-2:] == [sentence, "Wait until it is done."]
    assert_same(contents(open_library(library)), before)
    let_go(held, tmp_path)
    assert_same(assert_sound(library, all_of_clips), all_of_clips)
    assert [root.path for root in open_library(library).catalog.roots()] == [clips]


@pytest.mark.slow
def test_a_query_and_the_status_answer_while_a_run_goes_on(nursery, held, clips, tmp_path):
    library = tmp_path / "library"
    status = json.loads(nursery.complete("library", "status", "--library", library, "--json").splitlines()[0])
    assert 0 < status["files"]["indexed"] < len(list(clips.iterdir()))
    [record] = open_library(library).catalog.media_records([1]).values()
    asked = f"{record.paths[0]}@0"
    hits = nursery.complete("query", asked, "--by", "image", "--find", "image", "--library", library, "--json")
    first = json.loads(hits.splitlines()[0])
    assert (first["rank"], first["path"], first["start_s"]) == (1, str(record.paths[0]), 0.0)
    assert held.poll() is None
    let_go(held, tmp_path)


@pytest.mark.slow
def test_of_two_runs_that_make_one_library_at_the_same_time_one_does_it_all(
    start, clips, weights, all_of_clips, tmp_path
):
    library = tmp_path / "library"
    words = ["index", clips, "--library", library, "--model", weights]
    runs = [start(*words, settings=OFTEN) for _ in range(2)]
    said = [run.communicate(timeout=240)[1] for run in runs]
    assert sorted(run.returncode for run in runs) in ([0, 1], [0, 0]), said
    assert all("Traceback" not in it for it in said)
    assert_same(assert_sound(library, all_of_clips), all_of_clips)


@pytest.mark.slow
def test_readers_see_whole_commits_while_a_run_goes_on(start, clips, weights, all_of_clips, tmp_path):
    """A film has as many sounds as seconds; one that can be found has all of its moments."""
    library = tmp_path / "library"
    words = ["index", clips, "--library", library, "--model", weights, "--json"]
    run = start(*words, settings=OFTEN)
    committed(run)
    draining = threading.Thread(target=run.stdout.read)
    draining.start()
    whole = {}
    for content_hash, modality, start_us in all_of_clips:
        whole.setdefault(content_hash, set()).add((modality, start_us))
    sizes = set()
    while run.poll() is None:
        reader = open_library(library)
        found = contents(reader)
        sizes.add(len(found))
        for content_hash in {it[0] for it in found}:
            assert {it[1:] for it in found if it[0] == content_hash} == whole[content_hash]
        status = reader.catalog.status()
        assert status.files[State.INDEXED] == sum(status.media.values()) >= len({it[0] for it in found})
        assert verify(reader) == []
    draining.join()
    run.communicate()
    assert run.returncode == 0
    assert len(sizes) > 2, "the reader saw too few states"
