import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import avsearch, environment, here, objects, started
from tests.tiny import make_film


def until(process, words):
    """Read events up to the one that has these words."""
    for line in process.stdout:
        if words in line:
            return json.loads(line)
    raise AssertionError(process.stderr.read())


@pytest.fixture(scope="module")
def long_films(tmp_path_factory):
    """Enough of them that a run is never over when the first one is."""
    folder = tmp_path_factory.mktemp("long")
    make_film(folder / "film00.mp4", seconds=40)
    for number in range(1, 12):  # other contents, made without encoding them anew
        target = folder / f"film{number:02}.mp4"
        shutil.copy(folder / "film00.mp4", target)
        with target.open("ab") as file:
            file.write(b"\0\0\0\x08free" * number)
    return folder


def status_of(library):
    return objects(here("library", "status", "--library", library, "--json")[1])[0]


def test_the_events_tell_the_whole_run_and_the_last_is_done(films, weights, tmp_path):
    (tmp_path / "bad.mp4").write_text("words")
    library = tmp_path / "lib"
    code, out, errors = here(
        "index", films, tmp_path / "bad.mp4", "--library", library, "--model", weights, "--json"
    )
    events = objects(out)
    kinds = [event["event"] for event in events]
    files = [event for event in events if event["event"] == "file"]
    assert code == 3
    assert kinds[0] == "walking"
    assert kinds.index("found") < kinds.index("file") < kinds.index("committed")
    assert (kinds[-1], kinds.count("done"), kinds.count("found")) == ("done", 1, 1)
    assert sorted(event["state"] for event in files) == ["failed", *["indexed"] * 4]
    done = events[-1]
    assert (done["indexed"], done["stopped"], done["library"]) == (4, False, str(library))
    assert [failure["path"] for failure in done["failed"]] == [str(tmp_path / "bad.mp4")]
    assert done["failed"][0]["reason"] in errors
    assert set(done["timings"]) == {"load_s", "load_cpu_s", "wall_s", "decode_cpu_s", "embed_cpu_s"}
    assert done["hours"] == pytest.approx(4 * 2 / 3600, rel=0.05)


def test_only_words_are_printed_without_json(films, own_library):
    code, out, errors = here("index", films, "--library", own_library)
    assert (code, out) == (0, "")
    assert "0 files indexed, 4 unchanged" in errors


def test_failures_are_counted_by_reason_at_the_end(own_library, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(22):
        (folder / f"{number:02}.mp4").touch()
    code, _, errors = here("index", folder, "--library", own_library)
    lines = errors.splitlines()
    assert code == 3
    assert "  and 2 more." in lines
    count, *_, example = lines[-1].split()
    assert (count, example) == ("22", str(folder / "00.mp4"))


def test_names_with_control_characters_are_indexed_and_shown_harmlessly(films, own_library, tmp_path):
    name = b"a\x1b[2J\n\xff.mp4"
    shutil.copy(films / "top.mp4", os.fsencode(tmp_path) + b"/" + name)
    (tmp_path / "b\x1b[2J\n.mp4").touch()
    code, out, errors = here("index", tmp_path, "--library", own_library, "--json")
    assert code == 3
    assert all(letter.isprintable() for line in (out + errors).split("\n") for letter in line)
    paths = [os.fsencode(Path(event["path"]).name) for event in objects(out) if event["event"] == "file"]
    assert sorted(paths) == [name, b"b\x1b[2J\n.mp4"]


def test_a_folder_that_is_not_mounted_is_said_and_loses_nothing(films, weights, tmp_path):
    disk = shutil.copytree(films, tmp_path / "disk")
    library = tmp_path / "lib"
    here("index", disk, "--library", library, "--model", weights)
    disk.rename(tmp_path / "away")
    disk.mkdir()
    code, out, errors = here("index", disk, films, "--library", library, "--json")
    assert code == 3
    assert objects(out)[-1]["unmounted"] == [str(disk)]
    assert f"{disk}: is not there, or empty." in errors
    assert status_of(library)["files"]["missing"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_finishes_what_is_in_hand_and_the_command_it_names_does_the_rest(
    long_films, weights, tmp_path, number, code
):
    library = tmp_path / "a library"
    run = started("index", long_films, "--library", library, "--model", weights, "--workers", 1, "--json")
    until(run, '"file"')
    run.send_signal(number)
    out, errors = run.communicate(timeout=60)
    done = objects(out)[-1]
    assert run.returncode == code
    assert (done["event"], done["stopped"]) == ("done", True)
    assert 0 < done["indexed"] < 12
    assert "Finishing what is in hand; press Ctrl-C again to stop at once." in errors
    assert status_of(library)["files"]["indexed"] == done["indexed"]
    name, *words = shlex.split(errors.splitlines()[-1])
    assert name == "avsearch"
    assert avsearch(*words)[0] == 0
    assert status_of(library)["files"]["indexed"] == 12


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_leaves_a_whole_library(long_films, weights, tmp_path):
    """Two different ones, since the same one sent twice may arrive once."""
    library = tmp_path / "lib"
    run = started("index", long_films, "--library", library, "--model", weights, "--workers", 1, "--json")
    until(run, '"file"')
    run.send_signal(signal.SIGINT)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors.splitlines()[-1]) == (130, "Stopped. The same command goes on from here.")
    assert here("library", "verify", "--library", library)[0] == 0


@pytest.mark.slow
def test_watching_takes_up_a_new_file_and_ctrl_c_is_its_ordinary_end(films, weights, tmp_path):
    folder = shutil.copytree(films, tmp_path / "in")
    run = started("index", folder, "--library", tmp_path / "lib", "--model", weights, "--watch", "--json")
    assert until(run, '"round"')["indexed"] == 4
    make_film(folder / "new.mp4", seed=7, seconds=1)
    second = until(run, '"round"')
    run.send_signal(signal.SIGINT)
    out, errors = run.communicate(timeout=60)
    assert (run.returncode, second["indexed"], second["unchanged"]) == (0, 1, 4)
    assert objects(out)[-1]["event"] == "done"
    assert errors.splitlines()[-1] == "No longer watching."


def test_a_round_of_a_watch_that_fails_is_told_and_the_watch_goes_on(films, own_library, monkeypatch):
    from avsearch.errors import LibraryError
    from indexer.build import index

    def watch(job, tell, stop, *, on_round, on_error):
        on_error(LibraryError("Somebody writes.", hint="Wait."))
        on_round(index(job, tell, stop))
        return index(job, tell, stop)

    monkeypatch.setattr("indexer.watch.watch", watch)
    code, out, errors = here("index", films, "--library", own_library, "--watch", "--json")
    kinds = [event["event"] for event in objects(out)]
    assert (code, kinds[0], kinds[-1]) == (0, "error", "done")
    assert objects(out)[0] == {"event": "error", "message": "Somebody writes.", "hint": "Wait."}
    assert errors.splitlines()[:3] == ["error: Somebody writes.", "Wait.", "It will be tried again."]


def test_a_larger_gap_makes_fewer_moments(long_films, weights, tmp_path):
    """A film without keyframes in between: every two seconds a frame is decoded, or none within a minute."""
    counts = []
    for number, gap in enumerate(("2", "60")):
        library = tmp_path / str(number)
        here("index", long_films / "film00.mp4", "--library", library, "--model", weights, "--max-gap", gap)
        counts.append(status_of(library)["moments"]["image"])
    assert counts[0] > counts[1]


def test_a_gap_below_a_second_is_refused(films, tmp_path):
    code, _, errors = here("index", films, "--library", tmp_path / "lib", "--max-gap", "0.5")
    assert code == 2
    assert "--max-gap" in errors


def test_another_database_than_the_library_has_is_an_error(films, own_library):
    code, out, errors = avsearch("index", films, "--library", own_library, "--database", "postgresql://me:pw@h/d")
    assert (code, out) == (1, "")
    assert "another database" in errors
    assert "pw" not in errors


@pytest.mark.postgres
def test_a_library_on_postgresql_keeps_no_password_and_prints_none(films, weights, tmp_path, postgres_database):
    library = tmp_path / "lib"
    url = re.sub("//([^:@]*)[^@]*@", r"//\1:opensesame@", postgres_database)
    code, out, errors = here("index", films, "--library", library, "--model", weights, "--database", url, "--json")
    assert code == 0, errors
    again = here("index", films, "--library", library, "--database", url)
    status = here("library", "status", "--library", library)
    assert (again[0], status[0]) == (0, 0)
    assert "postgresql" in status[1]
    said = "".join([out, errors, *again[1:], *status[1:]])
    kept = b"".join(path.read_bytes() for path in library.rglob("*") if path.is_file())
    assert "opensesame" not in said
    assert b"opensesame" not in kept


@pytest.mark.slow
def test_unchanged_files_and_the_status_need_no_torch(films, own_library):
    code = "import sys; from avsearch.cli import app; app(sys.argv[1:], standalone_mode=False);"
    code += "print({'torch', 'faiss', 'numba'} & set(sys.modules), file=sys.stderr)"
    for words in (["index", films], ["library", "status"]):
        done = subprocess.run([sys.executable, "-c", code, *words, "--library", own_library], env=environment(),
                              capture_output=True, text=True, check=True)  # fmt: skip
        assert done.stderr.splitlines()[-1] == "set()"


@pytest.mark.parametrize("with_model", [False, True])
def test_a_wrong_path_is_told_first_and_leaves_no_library(with_model, weights, tmp_path):
    options = ["--model", weights] if with_model else []
    code, _, errors = here("index", tmp_path / "gone", "--library", tmp_path / "lib", *options)
    assert (code, errors) == (1, f"error: {tmp_path / 'gone'}: there is no such file or folder.\nCheck the path.\n")
    assert not (tmp_path / "lib").exists()
