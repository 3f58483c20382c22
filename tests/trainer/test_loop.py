import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from avsearch import features, media
from avsearch.encoder import load_encoder
from avsearch.front_end import padded_second
from avsearch.models.ave import AVENet
from avsearch.models.weights import read_header, verify_weights
from avsearch.moments import SECOND_US, Modality, Silent, Span
from tests.models import tiny
from tests.trainer.runs import losses
from trainer.loop import train
from trainer.recipes import RECIPES


@pytest.mark.slow
def test_a_run_leaves_weights_log_curve_checkpoints_and_a_cache_that_is_not_decoded_again(
    tmp_path, job, monkeypatch
):
    job = replace(job, cache=None)
    trained = train(job, Silent())
    out = job.out
    assert {path.name for path in out.iterdir()} == {
        "encoder.safetensors", "run.json", "log.jsonl", "tensorboard", "curve.png", "checkpoints", "cache"
    }  # fmt: skip
    assert {path.name for path in (out / "checkpoints").iterdir()} == {
        "best.safetensors", "last.safetensors", "media.json"
    }  # fmt: skip
    assert list(losses(out)) == [1, 2, 3, 4]
    assert all(math.isfinite(loss) for loss in losses(out).values())
    with Image.open(out / "curve.png") as picture:
        assert picture.format == "PNG"
    assert (trained.weights, trained.steps, trained.failures) == (out / "encoder.safetensors", 4, [])

    monkeypatch.setattr(media, "read_frames", lambda *_, **__: pytest.fail("decoded again"))
    monkeypatch.setattr(media, "read_sound", lambda *_, **__: pytest.fail("decoded again"))
    again = train(replace(job, out=tmp_path / "again", cache=out / "cache"), Silent())
    assert again.header.fingerprint == trained.header.fingerprint  # the same seed gives the same weights


def test_the_header_says_how_the_weights_came_to_be(job):
    trained = train(job, Silent())
    header = read_header(trained.weights)
    assert header == trained.header
    assert verify_weights(trained.weights) == header.fingerprint
    assert (header.architecture, header.size, header.dim, header.widths) == ("ave", "small", 128, tiny.WIDTHS)
    assert header.modalities == (Modality.IMAGE, Modality.AUDIO)
    assert header.recipe_name == "ave"
    assert header.recipe["batch_size"] == 4
    told = header.provenance
    assert (told["steps"], told["seed"], told["training_media"]) == (4, 0, 6)  # two of eight validate
    assert told["validation"] == {
        "avc_accuracy": trained.validation.avc_accuracy,
        "nearer": trained.validation.nearer,
        "ndcg": trained.validation.ndcg,
    }
    assert 1 <= told["best_step"] <= 4


def test_one_file_of_the_run_says_what_made_it_and_what_it_reached(job):
    trained = train(job, Silent())
    told = json.loads((job.out / "run.json").read_text())
    assert told["command"] == trained.header.provenance["command"]
    assert told["config"]["name"] == "ave"
    assert told["config"]["front_end"]["log_std"] == trained.header.front_end.log_std
    assert (told["seed"], told["steps"], told["device"], told["processes"]) == (0, 4, "cpu", 1)
    assert told["data_fingerprint"] == trained.header.provenance["data_fingerprint"]
    assert told["validation"]["ndcg"] == trained.validation.ndcg
    assert {"avsearch", "torch", "python"} <= told.keys()


def test_tensorboard_has_the_figures_of_the_log(job):
    train(job, Silent())
    (events,) = (job.out / "tensorboard").iterdir()
    logged = [json.loads(line) for line in (job.out / "log.jsonl").read_text().splitlines()]
    found = scalars(events)
    for line in logged:
        group = "training" if "loss" in line else "validation"
        for name in line.keys() - {"step"}:
            assert found[f"{group}/{name}", line["step"]] == pytest.approx(line[name], rel=1e-5)
    assert len(found) == sum(len(line) - 1 for line in logged)


def scalars(path):
    """(name, step) -> value of a TensorBoard file: records of a length, a checksum, the event, a checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, found, position = path.read_bytes(), {}, 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 8], "little")
        event = Event.FromString(data[position + 12 : position + 12 + length])
        found.update({(value.tag, event.step): value.simple_value for value in event.summary.value})
        position += length + 16
    return found


def test_the_front_end_in_the_weights_was_measured_on_the_training_sounds(job, clips_folder):
    header = train(job, Silent()).header
    assert header.front_end.log_std > 0.1
    loud = replace(header.front_end, log_mean=0.0, log_std=1.0)
    path = clips_folder / "0.mp4"
    info = media.probe(path)
    seconds = [
        padded_second(media.read_sound(path, info, Span(start, start + SECOND_US))) for start in (250_000, 750_000)
    ]
    spectrogram = features.log_spectrogram(torch.from_numpy(np.stack(seconds)), loud)
    assert header.front_end.log_mean == pytest.approx(float(spectrogram.mean()), abs=0.5)  # all clips sound alike
    assert header.front_end.log_std == pytest.approx(float(spectrogram.std()), abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_weights_of_each_recipe_encode_frames_and_sounds(job, tiny_config, name):
    trained = train(replace(job, config=tiny_config(name)), Silent())
    encoder = load_encoder(trained.weights, "cpu")
    dim = job.config.widths[-1] if name == "l3" else 128
    assert (trained.header.architecture, trained.header.dim) == (tiny_config(name).architecture, dim)
    num_frames = trained.header.front_end.num_frames
    assert trained.header.num_frames == num_frames
    around = (num_frames,) if num_frames > 1 else ()
    frames = np.random.default_rng(0).integers(0, 256, (2, *around, 32, 32, 3), dtype=np.uint8)
    for vectors in (encoder.encode_images(frames), encoder.encode_sounds(np.zeros((2, 48_000), np.float32))):
        assert vectors.shape == (2, dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_threshold_starts_at_the_measured_mean_distance(job, monkeypatch):
    measured = []
    original = AVENet.set_threshold

    def spy(self, distance):
        measured.append(distance)
        original(self, distance)

    monkeypatch.setattr(AVENet, "set_threshold", spy)
    train(replace(job, steps=1), Silent())
    assert measured[0] == 1.0  # what a network is made with
    assert 0 < measured[1] < 2
    assert measured[1] != 1.0
    assert losses(job.out)[1] == pytest.approx(math.log(2), abs=0.1)  # neither answer is preferred at first


@pytest.mark.slow
def test_another_seed_gives_other_weights(tmp_path, job):
    first = train(job, Silent())
    other = train(replace(job, seed=1, out=tmp_path / "other"), Silent())
    assert first.header.fingerprint != other.header.fingerprint
