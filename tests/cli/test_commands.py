import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.command import avsearch, here, started
from tests.media.clips import make_clip
from tests.tiny import make_film, tiny_weights


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    for seed in range(4):
        make_film(folder / f"film{seed}.mp4", seed=seed, seconds=2)
    rows = [f"film{seed}.mp4,{'dog' if seed % 2 else 'cat'},test" for seed in range(4)]
    (folder / "films.csv").write_text("\n".join(["path,labels,split", *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def library(footage, tmp_path_factory):
    place = tmp_path_factory.mktemp("library")
    weights = tiny_weights(place / "encoder.safetensors")
    code, _, errors = avsearch("index", footage, "--library", place / "lib", "--model", weights)
    assert code == 0, errors
    return place / "lib"


def test_help_names_every_command_and_the_exit_codes():
    code, out, _ = avsearch("--help")
    assert code == 0
    assert all(
        name in out
        for name in ("demo", "train", "align", "index", "query", "evaluate", "library", "bench", "Exit codes")
    )


@pytest.mark.parametrize("group", ["library", "import", "bench"])
def test_the_lists_of_commands_cut_no_sentence_off(group):
    code, out, _ = avsearch(group, "--help", COLUMNS="80")
    assert code == 0
    assert [it for it in out.partition("Commands:")[2].splitlines() if it.endswith("...")] == []


def test_a_wrong_choice_is_told_in_words_for_people():
    code, _, errors = here("query", "still.jpg", "--find", "sound")
    assert code == 2
    assert "'--find': 'sound' is not one of 'image', 'audio'." in errors


def test_the_version_is_that_of_the_package():
    assert avsearch("--version") == (0, f"avsearch {version('avsearch')}\n", "")


@pytest.mark.slow
def test_query_prints_json_hits_one_a_line(footage, library):
    code, out, _ = avsearch("query", footage / "film1.mp4@1", "--find", "audio", "--by", "audio", "--json",
                            "--library", library)  # fmt: skip
    hits = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len(hits) == 4
    fixed = ["rank", "score", "path", "media_id", "moment_id", "modality", "start_s", "end_s"]
    assert list(hits[0]) == [*fixed, "from_s", "to_s", "labels", "duration_s", "kind"]
    assert hits[0]["path"] == str(footage / "film1.mp4")
    assert (hits[0]["start_s"], hits[0]["score"] > 0.999) == (1.0, True)


@pytest.mark.slow
def test_a_time_from_the_table_can_be_asked_again(footage, library):
    """The table's start must lead back to the very frame, also where it has six decimals."""
    clip = make_clip(footage.parent / "odd.mp4", frames=60, rate="24000/1001")
    avsearch("index", clip, "--library", library)
    code, out, _ = avsearch("query", f"{clip}@1.5", "--find", "image", "--library", library, "-k", "1")
    rank, _, *_, start, path = out.splitlines()[1].split()  # the bar may be empty
    assert (code, rank, path) == (0, "1", str(clip))
    _, again, _ = avsearch("query", f"{path}@{start}", "--find", "image", "--json", "--library", library)
    first = json.loads(again.splitlines()[0])
    assert (first["start_s"], first["score"] > 0.999) == (float(start), True)


def test_the_environment_names_the_library(footage, library):
    code, out, _ = avsearch("library", "status", "--json", AVSEARCH_LIBRARY=str(library))
    assert code == 0
    assert json.loads(out)["files"]["indexed"] >= 4


@pytest.mark.slow
def test_evaluate_writes_the_promised_json(footage, library, tmp_path):
    code, out, errors = avsearch("evaluate", "--manifest", footage / "films.csv", "--library", library, "--report",
                                 tmp_path / "report")  # fmt: skip
    assert code == 0, errors
    assert "image-audio" in out
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    directions = {"image-image", "image-audio", "audio-image", "audio-audio"}
    assert set(report["ndcg@30"]) == set(report["chance"]) == directions
    assert report["queries"] == 8
    assert report["protocol"]["name"] == "library"
    assert "| chance |" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.slow
def test_verify_finds_a_flipped_byte_and_exits_with_1(footage, tmp_path):
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    avsearch("index", footage / "film0.mp4", "--library", tmp_path / "lib", "--model", weights)
    assert avsearch("library", "verify", "--library", tmp_path / "lib")[0] == 0
    segment = next((tmp_path / "lib" / "segments").iterdir())
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 4
    segment.write_bytes(content)
    code, out, _ = avsearch("library", "verify", "--library", tmp_path / "lib")
    assert code == 1
    assert segment.name in out


@pytest.mark.slow
def test_a_bad_file_is_listed_and_the_exit_code_is_3(footage, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "notes.mp4").write_text("words")
    (folder / "good.mp4").write_bytes((footage / "film0.mp4").read_bytes())
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    code, out, errors = avsearch("index", folder, "--library", tmp_path / "lib", "--model", weights, "--json")
    record = json.loads(out.splitlines()[-1])
    assert (code, record["indexed"], len(record["failed"])) == (3, 1, 1)
    assert f"{folder / 'notes.mp4'}: " in errors


def fails(*arguments, code, **keywords):
    found, out, errors = avsearch(*arguments, **keywords)
    assert (found, out) == (code, ""), errors
    return errors


@pytest.mark.slow
def test_each_kind_of_bad_input_gets_a_sentence_and_its_exit_code(footage, library, tmp_path):
    weights = tiny_weights(tmp_path / "other.safetensors", seed=9)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.safetensors").write_text("no weights")
    lib = tmp_path / "new"
    assert "no such file or folder" in fails(
        "index", tmp_path / "none", "--library", lib, "--model", weights, code=1
    )
    assert "holds no media" in fails("index", tmp_path / "empty", "--library", lib, "--model", weights, code=1)
    assert "avsearch train" in fails("index", footage, "--library", tmp_path / "never", code=1)
    assert "not a weights file" in fails(
        "index", footage, "--library", tmp_path / "never", "--model", tmp_path / "text.safetensors", code=1
    )
    assert "not the encoder" in fails("index", footage, "--library", library, "--model", weights, code=1)
    assert "library" in fails(
        "query", footage / "film0.mp4", "--find", "audio", "--library", tmp_path / "x", code=1
    )
    assert "ends before" in fails("query", "a.mp4@2-1", "--find", "audio", "--library", library, code=2)
    assert "Invalid value" in fails("query", "a.mp4", "--find", "smell", "--library", library, code=2)
    assert "no recipe" in fails("train", footage, "--out", tmp_path / "run", "--recipe", "magic", code=2)
    assert "not both" in fails("train", footage, "--out", tmp_path / "run", "--steps", 1, "--minutes", 1, code=2)
    assert "no split" in fails("evaluate", "--manifest", footage / "films.csv", "--split", "nope", "--library",
                               library, code=1).replace("no row has split", "no split")  # fmt: skip
    assert not (tmp_path / "never").exists()


def test_starting_up_imports_neither_torch_nor_faiss():
    code = "import sys, avsearch.cli; print({'torch', 'faiss', 'sqlalchemy', 'numpy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_a_reader_that_has_enough_is_no_error(library):
    command = [sys.executable, "-m", "avsearch", "library", "status", "--json", "--library", str(library)]
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    done = subprocess.run(command, stdout=writing_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing_end)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.slow
def test_ctrl_c_ends_any_command_with_a_sentence(footage, tmp_path):
    run = started("train", footage, "--out", tmp_path / "run")
    assert "look" in run.stderr.readline()
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors.splitlines()[-1]) == (
        130,
        "Stopped. The same command with --resume goes on from here.",
    )


@pytest.mark.slow
def test_training_on_a_folder_leaves_weights_that_index(footage, tmp_path):
    code, out, errors = avsearch("train", footage, "--out", tmp_path / "run", "--steps", 2, "--recipe", "ave")
    assert code == 0, errors
    weights = Path(out.strip())
    assert weights == tmp_path / "run" / "encoder.safetensors"
    assert (tmp_path / "run" / "curve.png").stat().st_size > 1000
    code, _, errors = avsearch("index", footage, "--library", tmp_path / "lib", "--model", weights)
    assert code == 0, errors
