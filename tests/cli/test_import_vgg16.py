"""The command on real files; a full-size checkpoint is made once, of random numbers."""

import json

import pytest
import torch

from avsearch.models.vgg16 import VGG16
from tests.cli.command import here, objects
from tests.media.clips import tones, write_wav
from tests.tiny import make_film, picture_weights


def test_a_checkpoint_that_is_none_is_one_sentence_and_what_to_give(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 5, 5)}, tmp_path / "a.pth")
    code, out, errors = here("import", "vgg16", tmp_path / "a.pth", "--out", tmp_path / "vgg16.safetensors")
    assert (code, out) == (1, "")
    assert "features.0.weight is of shape (64, 3, 5, 5) and not (64, 3, 3, 3)" in errors
    assert "torchvision" in errors


@pytest.mark.slow
def test_a_checkpoint_of_full_size_becomes_an_encoder_of_4096_numbers(tmp_path):
    torch.manual_seed(0)
    torch.save(VGG16().state_dict(), tmp_path / "vgg16.pth")
    code, out, _ = here(
        "import", "vgg16", tmp_path / "vgg16.pth", "--out", tmp_path / "vgg16.safetensors", "--json"
    )
    assert (code, json.loads(out)["dim"]) == (0, 4096)
    from avsearch.encoder import load_encoder

    encoder = load_encoder(tmp_path / "vgg16.safetensors", "cpu")
    vectors = encoder.encode_images(torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8).numpy())
    assert vectors.shape == (2, 4096)


@pytest.mark.slow
def test_an_encoder_of_pictures_alone_is_indexed_queried_and_evaluated_by_commands(tmp_path):
    (tmp_path / "films").mkdir()
    for seed in range(4):
        make_film(tmp_path / "films" / f"{seed}.mp4", seed=seed, seconds=1)
    write_wav(tmp_path / "films" / "a.wav", tones(1.0))
    rows = "".join(f"{seed}.mp4,{'ab'[seed % 2]},test\n" for seed in range(4))
    manifest = tmp_path / "films" / "films.csv"
    manifest.write_text(f"path,labels,split\n{rows}", encoding="utf-8")
    weights, library = picture_weights(tmp_path / "vgg16.safetensors"), tmp_path / "library"
    code, _, errors = here("index", tmp_path / "films", "--library", library, "--model", weights)
    assert code == 0, errors
    code, out, _ = here("query", tmp_path / "films" / "2.mp4", "--find", "image", "--library", library, "--json")
    assert code == 0
    assert objects(out)[0]["path"].endswith("2.mp4")
    code, _, errors = here("query", tmp_path / "films" / "2.mp4", "--find", "audio", "--library", library)
    assert (code, "hears no sound" in errors) == (2, True)
    for source in (["--library", library], ["--model", weights]):
        report = tmp_path / f"report{source[0]}"
        code, _, errors = here("evaluate", "--manifest", manifest, "--report", report, *source)
        assert code == 0, errors
        found = json.loads(next(report.rglob("report.json")).read_text())["ndcg@30"]
        assert 0 <= found.pop("image-image") <= 1
        assert set(found.values()) == {None}
