"""`library reembed`, `repair` and `verify --deep`: what they say, print and exit with."""

import os
import shutil
import signal

import pytest

from tests.cli.command import avsearch, here, objects, started
from tests.tiny import make_film, tiny_weights


@pytest.fixture(scope="module")
def other_weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("other") / "encoder.safetensors", seed=1)


@pytest.fixture
def own(films, weights, tmp_path):
    """Files and a library of one's own."""
    folder = shutil.copytree(films, tmp_path / "in")
    library = tmp_path / "lib"
    assert here("index", folder, "--library", library, "--model", weights)[0] == 0
    return folder, library


def encoder_of(library):
    return objects(here("library", "status", "--library", library, "--json")[1])[0]["encoder"]["fingerprint"]


def query(folder, library):
    return here("query", folder / "top.mp4", "--find", "image", "--by", "image", "--library", library)


def test_reembedding_switches_the_encoder_when_everything_is_there(own, other_weights):
    folder, library = own
    before = encoder_of(library)
    code, out, errors = here("library", "reembed", "--model", other_weights, "--library", library, "--json")
    events = objects(out)
    done = events[-1]
    assert code == 0, errors
    assert [event["event"] for event in events] == ["found", *["file"] * 4, "committed", "done"]
    assert (done["old"], done["switched"], done["media_done"], done["media_live"]) == (before, True, 4, 4)
    assert encoder_of(library) == done["new"] != before
    assert errors.splitlines()[0].startswith("reembed: 4 files to read")
    assert query(folder, library)[0] == 0


def test_files_that_are_away_leave_the_old_encoder_answering_until_the_user_decides(own, other_weights):
    folder, library = own
    before = encoder_of(library)
    (folder / "a" / "one.mp4").rename(folder.parent / "away.mp4")
    words = ["library", "reembed", "--model", other_weights, "--library", library]
    code, _, errors = here(*words, "--json")
    assert (code, encoder_of(library)) == (3, before)
    assert f"{folder / 'a' / 'one.mp4'}: is not there" in errors
    assert f"avsearch library reembed --model {other_weights} --library {library}" in errors
    _, table, _ = here("library", "status", "--library", library)
    assert "3 of 4 media under ave (small, random, " in table
    code, _, _ = here(*words, "--skip-unreadable")
    assert (code, encoder_of(library) != before) == (3, True)


def test_an_unfinished_one_can_be_given_up(own, other_weights):
    folder, library = own
    before = encoder_of(library)
    (folder / "top.mp4").rename(folder.parent / "away.mp4")
    here("library", "reembed", "--model", other_weights, "--library", library)
    code, out, errors = here("library", "reembed", "--abandon", "--library", library, "--json")
    assert (code, objects(out)[0]["event"], encoder_of(library)) == (0, "done", before)
    assert "is given up" in errors
    status = objects(here("library", "status", "--library", library, "--json")[1])[0]
    assert (status["pending"], status["dead_moments"] > 0) == (None, True)
    assert here("library", "reembed", "--abandon", "--library", library)[0] == 1


@pytest.mark.parametrize("words", [[], ["--model", "a", "--abandon"]])
def test_reembedding_wants_a_model_or_to_be_given_up(words, own_library):
    code, _, errors = here("library", "reembed", *words, "--library", own_library)
    assert (code, "either --model or --abandon" in errors) == (2, True)


def test_a_repair_makes_again_what_was_lost_and_verify_agrees(own):
    folder, library = own
    before = query(folder, library)
    for segment in (library / "segments").iterdir():
        segment.unlink()
    assert "avsearch library repair" in here("library", "verify", "--library", library)[1]
    code, out, errors = here("library", "repair", "--library", library, "--json")
    done = objects(out)[-1]
    assert code == 0, errors
    assert (done["event"], done["segments"], done["media"], done["still_lost"]) == ("done", 2, 4, [])
    assert "2 damaged segments given up" in errors
    assert here("library", "verify", "--library", library)[0] == 0
    assert query(folder, library) == before


def test_what_cannot_be_read_again_is_listed_as_still_lost(own):
    folder, library = own
    for segment in (library / "segments").iterdir():
        segment.unlink()
    (folder / "top.mp4").unlink()
    code, out, errors = here("library", "repair", "--library", library, "--json")
    assert (code, len(objects(out)[-1]["still_lost"])) == (3, 1)
    assert f"{folder / 'top.mp4'}: is not there" in errors


def test_damaged_weights_are_restored_from_the_file_of_the_training_run(own, weights):
    _, library = own
    stored = next((library / "encoders").iterdir())
    stored.unlink()
    code, _, errors = here("library", "repair", "--library", library)
    assert (code, "avsearch library repair --model FILE" in errors) == (1, True)
    code, out, errors = here("library", "repair", "--model", weights, "--library", library, "--json")
    assert (code, objects(out)[-1]["restored"]) == (0, [stored.stem])
    assert "are restored" in errors
    assert here("library", "verify", "--library", library)[0] == 0


def test_a_deep_check_compares_vectors_that_are_made_again(own):
    _, library = own
    code, out, errors = here("library", "verify", "--deep", "--sample", "7", "--library", library)
    assert (code, out) == (0, ""), errors
    assert "7 vectors made again and compared" in errors
    assert "all is well" in errors


def test_a_deep_check_finds_a_file_that_no_longer_is_what_was_indexed(own):
    """Another film under the name, the size and the time of the one that was indexed."""
    folder, library = own
    path = folder / "top.mp4"
    size, time_ns = path.stat().st_size, path.stat().st_mtime_ns
    other = make_film(folder.parent / "other.mp4", seed=9, seconds=1).read_bytes()
    assert len(other) < size
    path.write_bytes(other + bytes(size - len(other)))
    os.utime(path, ns=(time_ns, time_ns))
    code, out, _ = here("library", "verify", "--deep", "--library", library, "--json")
    assert code == 1
    assert any(str(path) in problem["problem"] for problem in objects(out))


def test_a_deep_check_lists_files_that_are_away(own):
    folder, library = own
    (folder / "top.mp4").unlink()
    code, _, errors = here("library", "verify", "--deep", "--library", library)
    assert code == 3
    assert f"{folder / 'top.mp4'}: is not there" in errors
    assert "all is well" not in errors


def test_nothing_is_compared_with_vectors_that_are_damaged(own):
    _, library = own
    next((library / "segments").iterdir()).unlink()
    code, _, errors = here("library", "verify", "--deep", "--library", library)
    assert code == 1
    assert "Nothing was compared" in errors


@pytest.mark.slow
def test_ctrl_c_stops_a_reembedding_and_the_same_command_goes_on(own, other_weights):
    folder, library = own
    for number in range(8):
        make_film(folder / f"more{number}.mp4", seed=20 + number, seconds=10)
    here("index", folder, "--library", library)
    words = ["library", "reembed", "--model", other_weights, "--library", library, "--workers", 1, "--json"]
    run = started(*words)
    for line in run.stdout:
        if '"found"' in line:  # short files are all read by the time that the first one is encoded
            break
    run.send_signal(signal.SIGINT)
    out, errors = run.communicate(timeout=60)
    done = objects(out)[-1]
    assert (run.returncode, done["stopped"], done["switched"]) == (130, True, False), errors
    assert done["media_done"] < done["media_live"]
    code, out, _ = avsearch(*words)
    assert (code, objects(out)[-1]["switched"]) == (0, True)
    assert objects(out)[-1]["media"] == done["media_live"] - done["media_done"]
