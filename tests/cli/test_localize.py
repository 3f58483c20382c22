"""`avsearch localize` and `avsearch library set-localizer`, as a user runs them."""

import json
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from PIL import Image

from avsearch.models.avol import AVOLNet
from tests.cli.command import avsearch, here, objects, started
from tests.media.clips import make_clip
from tests.models import tiny


@pytest.fixture(scope="module")
def localizer(tmp_path_factory):
    """The weights file of a tiny network that has a map."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("localizer") / "localizer.safetensors"
    tiny.save(path, tiny.shaken(AVOLNet(tiny.WIDTHS)), architecture="avol")
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=50, seconds=2)


def fails(*words, code):
    found, out, errors = here("localize", *words)
    assert (found, out) == (code, ""), errors
    return errors


@pytest.mark.slow
def test_a_picture_and_a_sound_give_a_png_whose_path_is_printed(clip, localizer, tmp_path):
    out = tmp_path / "map.png"
    code, printed, errors = avsearch("localize", f"{clip}@1", f"{clip}@0.5", "--model", localizer, "--out", out)
    assert (code, printed) == (0, f"{out}\n"), errors
    assert "from the left" in errors
    with Image.open(out) as picture:
        assert (picture.format, picture.size) == ("PNG", (320, 240))


def test_json_gives_peak_probability_and_box(clip, localizer, tmp_path):
    out = tmp_path / "map.png"
    code, printed, _ = here("localize", f"{clip}@1", f"{clip}@0.5", "--model", localizer, "--out", out, "--json")
    (record,) = objects(printed)
    assert code == 0
    assert record.keys() == {"out", "picture_s", "sound_s", "width", "height", "peak", "probability", "box"}
    assert (record["out"], record["picture_s"], record["sound_s"]) == (str(out), 1.0, 0.5)
    assert (record["width"], record["height"]) == (320, 240)
    assert 0 <= record["probability"] <= 1
    assert all(0 <= it <= 1 for it in record["peak"])
    assert (record["box"] is None) == (record["probability"] < 0.5)
    if record["box"]:
        left, top, right, bottom = record["box"]
        assert left <= record["peak"][0] <= right
        assert top <= record["peak"][1] <= bottom


def test_a_film_has_a_map_for_each_frame(clip, localizer, tmp_path):
    out = tmp_path / "map.mp4"
    code, printed, errors = here("localize", f"{clip}@0.5-1.5", "--model", localizer, "--out", out, "--json")
    records = objects(printed)
    assert code == 0, errors
    assert [record["time_s"] for record in records] == pytest.approx(np.arange(25) / 25 + 0.5)
    assert all(record.keys() == {"time_s", "peak", "probability", "box"} for record in records)
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(out)]
    streams = json.loads(subprocess.check_output(command))["streams"]
    assert {stream["codec_type"] for stream in streams} == {"video", "audio"}
    assert here("localize", f"{clip}@0.5-1.5", "--model", localizer, "--out", out)[1] == f"{out}\n"


@pytest.mark.slow
def test_one_that_is_told_to_stop_leaves_nothing_behind(localizer, tmp_path):
    clip = make_clip(tmp_path / "long.mp4", frames=1500, seconds=60)
    folder = tmp_path / "out"
    folder.mkdir()
    run = started("localize", f"{clip}@0-60", "--model", localizer, "--out", folder / "map.mp4")
    while not any(folder.iterdir()):
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors.splitlines()[-1]) == (143, "Stopped. The same command goes on from here.")
    assert list(folder.iterdir()) == []


def test_a_library_without_a_localizer_says_how_to_make_one_and_with_one_it_is_used(
    clip, localizer, own_library, tmp_path
):
    words = (clip, "--out", tmp_path / "map.png", "--library", own_library)
    errors = fails(*words, code=1)
    assert "has no localizer" in errors
    assert "avsearch train FOLDER --recipe avol-nce" in errors
    assert "avsearch library set-localizer RUN/encoder.safetensors" in errors
    code, _, errors = here("library", "set-localizer", localizer, "--library", own_library)
    assert code == 0, errors
    assert "shows where sounds come from" in errors
    code, printed, errors = here("localize", *words)
    assert (code, printed) == (0, f"{tmp_path / 'map.png'}\n"), errors


def test_where_there_is_no_library_either_one_is_told_of_both_ways(clip, tmp_path):
    errors = fails(clip, "--out", tmp_path / "map.png", "--library", tmp_path / "none", code=1)
    assert "there is no library here" in errors
    assert "--model" in errors
    assert "--recipe avol-nce" in errors


def test_each_kind_of_bad_input_gets_a_sentence_and_its_exit_code(clip, localizer, weights, tmp_path):
    model, png, mp4 = ("--model", localizer), ("--out", tmp_path / "map.png"), ("--out", tmp_path / "map.mp4")
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 48)).save(photo)
    own = shutil.copy(clip, tmp_path / "own.mp4")
    assert "neither a .png nor an .mp4" in fails(clip, *model, "--out", "map.gif", code=2)
    assert "its own sound" in fails(clip, clip, *model, *mp4, code=2)
    assert "a moment is no film" in fails(f"{clip}@1", *model, *mp4, code=2)
    assert "a stretch is no picture" in fails(f"{clip}@0-1", clip, *model, *png, code=2)
    assert "ends before" in fails(f"{clip}@1-0", *model, *mp4, code=2)
    assert "would be replaced" in fails(own, *model, "--out", own, code=2)
    assert "would be replaced" in fails(photo, clip, *model, "--out", photo, code=2)
    assert "photo.png: has no sound" in fails(photo, *model, *png, code=1)
    assert "no such file" in fails(tmp_path / "none.png", clip, *model, *png, code=1)
    assert "cannot say where" in fails(photo, clip, "--model", weights, *png, code=1)
    assert "no such weights file" in fails(photo, clip, "--model", tmp_path / "none", *png, code=1)
    assert "cannot be written" in fails(photo, clip, *model, "--out", tmp_path / "none" / "map.png", code=1)
    assert "cannot be written" in fails(clip, *model, "--out", tmp_path / "none" / "map.mp4", code=1)
    assert own.read_bytes() == clip.read_bytes()
    assert not (tmp_path / "map.png").exists()
    assert not (tmp_path / "map.mp4").exists()


def test_the_localizer_of_a_library_is_told_verified_and_taken_away(localizer, own_library):
    def run(*words, code=0):
        found, out, errors = here("library", *words, "--library", own_library)
        assert found == code, errors
        return out

    assert "none; `avsearch library set-localizer MODEL` adds one" in run("status")
    (record,) = objects(run("set-localizer", localizer, "--json"))
    assert (record["library"], record["localizer"]["architecture"]) == (str(own_library), "avol")
    assert objects(run("status", "--json"))[0]["localizer"] == record["localizer"]
    assert f"avol (small, ave-nce, {record['localizer']['fingerprint'][:8]})" in run("status")
    weights = own_library / "encoders" / f"{record['localizer']['fingerprint']}.safetensors"
    assert weights.read_bytes() == localizer.read_bytes()
    weights.unlink()
    assert "set-localizer MODEL" in run("verify", code=1)
    run("set-localizer", localizer)
    run("verify")
    assert objects(run("set-localizer", "--none", "--json"))[0]["localizer"] is None
    run("compact")
    assert not weights.exists()


def test_a_localizer_is_either_named_or_taken_away_and_has_a_map(localizer, weights, own_library):
    for words, code, told in (
        ((), 2, "Give either a weights file or --none"),
        ((localizer, "--none"), 2, "Give either a weights file or --none"),
        ((weights,), 1, "cannot say where"),
        ((own_library / "library.json",), 1, "not a weights file"),
    ):
        found, out, errors = here("library", "set-localizer", *words, "--library", own_library)
        assert (found, out) == (code, "")
        assert told in errors
