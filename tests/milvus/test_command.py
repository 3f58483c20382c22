"""`avsearch library engine`, and what other commands say of it."""

import pytest

from avsearch.library import move_to_milvus, open_library
from avsearch.moments import Modality, Silent
from tests.cli.command import avsearch, here, objects
from tests.milvus.asked import counted_searches

pytestmark = pytest.mark.milvus


def engine(library, *words):
    return here("library", "engine", *words, "--library", library.directory)


def like(library, *words):
    """Moment ids that a query with a stored moment finds."""
    words = ["--like", "7:audio:3000000", "--find", "image", "-k", "5", "--json", *words]
    code, out, errors = here("query", *words, "--library", library.directory)
    assert code == 0, errors
    return [it["moment_id"] for it in objects(out)], errors


@pytest.mark.slow
def test_one_command_moves_a_library_there_and_back(filled, milvus, monkeypatch):
    before, _ = like(filled)
    code, out, errors = engine(filled, "--milvus", milvus.uri, "--json")
    assert code == 0, errors
    assert [(it["modality"], it["moments"], it["written"], it["deleted"]) for it in objects(out)] == [
        ("image", 1000, 1000, 0),
        ("audio", 1000, 1000, 0),
    ]
    assert {it["milvus"] for it in objects(out)} == {milvus.uri}
    assert "copy: 1000 moments" in errors
    assert "image: 1000 moments in Milvus; 1000 written, 0 deleted." in errors
    asked = counted_searches(monkeypatch)
    assert like(filled)[0] == before
    assert len(asked) > 0
    del asked[:]
    assert like(filled, "--exact")[0] == before
    assert asked == []
    code, out, errors = engine(filled, "--local", "--json")
    assert code == 0
    (told,) = objects(out)
    assert (told["milvus"], len(told["deleted"])) == (None, 2)
    assert all(f"Deleted from {milvus.uri}: {name}." in errors for name in told["deleted"])
    assert like(filled)[0] == before
    assert asked == []


def test_status_and_verify_tell_about_it(moved, milvus, add):
    table = here("library", "status", "--library", moved.directory)[1]
    lines = [" ".join(line.split()) for line in table.splitlines()]
    assert f"milvus {milvus.uri}" in lines
    assert "image in milvus 1000 of 1000 moments" in lines
    add("c0", seed=3)
    table = here("library", "status", "--library", moved.directory)[1]
    assert "1000 of 1010 moments, 0 that are gone; `avsearch library engine` takes in" in table
    (told,) = objects(here("library", "status", "--library", moved.directory, "--json")[1])
    assert told["milvus"] == milvus.uri
    assert {it["num_held"] for it in told["copies"].values()} == {1000}
    assert here("library", "verify", "--library", moved.directory)[0] == 0
    milvus.client().delete(told["copies"]["image"]["collection"], ids=["7:3000000"])
    code, out, _ = here("library", "verify", "--library", moved.directory)
    assert code == 1
    assert "lacks 1 of 1000 moments, as 7:3000000; run `avsearch library engine`" in out.replace("\n", " ")
    assert engine(moved)[0] == 0
    assert here("library", "verify", "--library", moved.directory)[0] == 0


def test_a_library_that_is_in_no_milvus_says_nothing_of_it(filled):
    (told,) = objects(here("library", "status", "--library", filled.directory, "--json")[1])
    assert (told["milvus"], told["copies"]) == (None, {})
    assert "milvus" not in here("library", "status", "--library", filled.directory)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "is in no Milvus"),
        (["--local"], "is in no Milvus"),
        (["--milvus", "http://h:1", "--local"], "is in Milvus or is not"),
        (["--milvus", "milvus.db"], "is not the address of a Milvus server"),
        (["--milvus", "http://root:secret@h:1"], "must not hold credentials"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(filled, words, said):
    code, _, errors = engine(filled, *words)
    assert code == 2
    assert errors.startswith("error: ")
    assert said in errors
    assert "secret" not in errors


@pytest.mark.slow
def test_a_server_that_is_down_is_one_line_of_a_query_and_one_sentence_of_the_command(filled, own_milvus, caplog):
    before, _ = like(filled)
    move_to_milvus(filled, own_milvus.uri, progress=Silent())
    own_milvus.kill()
    assert like(filled)[0] == before
    assert caplog.text.count("Search is exact.") == 1
    code, out, errors = avsearch("library", "engine", "--local", "--library", filled.directory)
    assert (code, out) == (1, "")
    assert errors.startswith(f"error: {own_milvus.uri}: Milvus does not answer")
    assert f"delete the folder {filled.directory / 'milvus'}" in errors.replace("\n", " ")


def test_a_running_server_takes_it_up(filled, milvus, monkeypatch):
    """Moving there and back changes what `avsearch serve` takes for another state of the library."""
    from avsearch.web.stamps import read_stamp

    stamps = [read_stamp(filled.directory)]
    engine(filled, "--milvus", milvus.uri)
    stamps.append(read_stamp(filled.directory))
    engine(filled, "--local")
    stamps.append(read_stamp(filled.directory))
    assert stamps[0].ann == stamps[2].ann
    assert len(stamps[1].ann) == 3
    view = open_library(filled.directory).view(*Modality)
    assert len(view.snapshot.live_media_ids) == 100
