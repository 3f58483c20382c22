import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch import features
from avsearch.encoder import load_encoder
from avsearch.errors import AvsearchError, ManifestError, TrainingError, UsageError, WeightsError
from avsearch.models.ave import AVENet
from avsearch.models.l3 import L3Net
from avsearch.models.networks import save_network
from avsearch.models.weights import read_header
from avsearch.moments import Modality, Silent
from tests.models import tiny
from trainer import alignment
from trainer.alignment import DEFAULT_RIDGE, RIDGES, AlignJob, align, best_ridge, nearer_pairs
from trainer.cache import fill_cache
from trainer.cca import CanonicalAnalysis, PairStatistics
from trainer.dataset import Clips, validation_pairs
from trainer.pair_vectors import PairVectors, load_networks, pair_vectors

TRAIN, VAL, TEST = range(5), range(5, 7), 7


def save_l3(path, seed=0, **changes):
    torch.manual_seed(seed)
    header = replace(tiny.HEADER, architecture="l3", dim=tiny.WIDTHS[-1], **changes)
    return save_network(path, L3Net(tiny.WIDTHS).eval(), header)


@pytest.fixture
def l3(tmp_path):
    save_l3(tmp_path / "l3.safetensors")
    return tmp_path / "l3.safetensors"


def manifest(folder, files, *, val=VAL):
    """A CSV of the eight clips: five train, two validate, and what tests is no video at all."""
    split = {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(val, "val")}
    rows = [f"{file},x,{split[number]}" for number, file in enumerate(files) if number in split]
    (folder / "clips.csv").write_text("\n".join(["path,labels,split", *rows, "none.mp4,x,test"]) + "\n")
    return folder / "clips.csv"


@pytest.fixture
def job(tmp_path, l3, clips_folder, shared_cache):
    clips = sorted(clips_folder.glob("*.mp4"))
    return AlignJob([l3], manifest(tmp_path, clips), tmp_path / "out" / "cca", cache=shared_cache, device="cpu")


def test_one_network_becomes_one_file_that_says_where_it_comes_from(job, l3):
    aligned = align(job, Silent())
    header = read_header(aligned.weights)
    assert header == aligned.header
    assert (header.architecture, header.recipe_name, header.dim) == ("cca", "l3+cca", len(aligned.correlations))
    assert [part.name for part in header.parts] == ["shared"]
    assert header.modalities == tuple(Modality)
    assert header.provenance["sources"][0]["fingerprint"] == read_header(l3).fingerprint
    assert header.provenance["training_media"] == 5
    assert header.provenance["pairs"] == aligned.num_pairs
    assert aligned.ridge in RIDGES
    assert 0 <= aligned.nearer <= 1
    assert not aligned.failures


def test_the_file_projects_what_the_analysis_found(job, l3):
    """Vectors of the loaded file are those of numpy on the vectors of the network itself."""
    aligned = align(replace(job, ridge=0.1), Silent())
    networks = load_networks([l3], "cpu")
    rows = [row.path for row in alignment.read_manifest(job.manifest).in_split("train")]
    clips, _ = fill_cache(rows, job.cache, tiny.FRONT_END, Silent())
    pairs = validation_pairs(Clips.of(clips), tiny.FRONT_END, pairs_per_clip=4)
    raw = networks.embed(pairs)
    statistics = PairStatistics(raw.x.shape[1], raw.y.shape[1])
    statistics.add(raw.x, raw.y)
    truth = CanonicalAnalysis(statistics).align(128, ridge=0.1)
    np.testing.assert_allclose(aligned.correlations, truth.correlations, atol=1e-6)
    found = load_encoder(aligned.weights, "cpu")
    seen, heard = found.encode_images(pairs.frames.numpy()), found.encode_sounds(pairs.sounds.numpy())
    for ours, side, vectors in ((seen, truth.x, raw.x), (heard, truth.y, raw.y)):
        expected = side.apply(vectors)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        cosines = np.abs((ours * expected).sum(axis=1))
        assert np.median(cosines) > 0.9  # folded batch norms and bfloat16 are whitened as well


def test_portions_of_media_give_the_vectors_of_all_at_once(job, l3, clips_folder):
    networks = load_networks([l3], "cpu")
    found, _ = fill_cache(sorted(clips_folder.glob("*.mp4")), job.cache, tiny.FRONT_END, Silent())
    clips = Clips.of(found)
    portions = list(pair_vectors(networks, clips, Silent()))
    together = networks.embed(validation_pairs(clips, tiny.FRONT_END, pairs_per_clip=4))
    assert len(portions) > 1
    media = np.concatenate([it.media for it in portions])
    order, truth_order = np.argsort(media, kind="stable"), np.argsort(together.media, kind="stable")
    np.testing.assert_array_equal(media[order], together.media[truth_order])
    x = np.concatenate([it.x for it in portions])
    np.testing.assert_allclose(x[order], together.x[truth_order], atol=1e-2)


def test_two_networks_give_one_side_each(job, tmp_path):
    front_end = replace(tiny.FRONT_END, image_side=24, short_side=36, pixel_mean=0.3)
    torch.manual_seed(1)
    save_network(tmp_path / "ave", AVENet(tiny.WIDTHS).eval(), replace(tiny.HEADER, front_end=front_end))
    hears = save_l3(tmp_path / "hears", seed=2, front_end=replace(tiny.FRONT_END, log_mean=-3.0))
    aligned = align(replace(job, models=[tmp_path / "ave", tmp_path / "hears"]), Silent())
    header = aligned.header
    assert [(part.name, part.architecture, part.dim) for part in header.parts] == [
        ("image", "ave", 128),
        ("audio", "l3", tiny.WIDTHS[-1]),
    ]
    assert header.recipe_name == "ave+l3+cca"
    assert (header.front_end.image_side, header.front_end.pixel_mean) == (24, 0.3)
    assert header.front_end.log_mean == hears.front_end.log_mean
    sounds = np.random.default_rng(0).normal(size=(2, 48_000)).astype(np.float32) * 0.1
    spectrogram = features.log_spectrogram(torch.from_numpy(sounds), header.front_end)
    assert spectrogram.shape[1:] == hears.front_end.audio_shape
    assert load_encoder(aligned.weights, "cpu").encode_sounds(sounds).shape == (2, header.dim)


def test_the_same_network_named_twice_is_stored_once(job, l3, tmp_path):
    shutil.copy(l3, tmp_path / "copy")
    aligned = align(replace(job, models=[l3, tmp_path / "copy"]), Silent())
    assert [part.name for part in aligned.header.parts] == ["shared"]


def test_without_clips_to_validate_the_usual_ridge_is_taken(job, clips_folder):
    manifest(job.manifest.parent, sorted(clips_folder.glob("*.mp4")), val=())
    aligned = align(job, Silent())
    assert (aligned.ridge, aligned.nearer) == (DEFAULT_RIDGE, None)


def test_the_same_call_writes_the_same_file_again(job):
    assert align(job, Silent()).header.fingerprint == align(job, Silent()).header.fingerprint


def test_more_components_than_there_are_directions_become_fewer(job):
    aligned = align(job, Silent())
    assert len(aligned.correlations) <= min(tiny.WIDTHS[-1], aligned.num_pairs - 1)
    assert align(replace(job, components=2), Silent()).header.dim == 2


def related(num_pairs, *, seed, dim=40):
    """Pairs with three common causes in forty noisy features."""
    causes = np.random.default_rng(9).normal(size=(2, 3, dim))
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(num_pairs, 3))
    x, y = (z @ mixed + 2 * rng.normal(size=(num_pairs, dim)) for mixed in causes)
    return PairVectors(x.astype(np.float32), y.astype(np.float32), np.arange(num_pairs))


def test_pairs_that_nothing_was_aligned_on_choose_the_ridge():
    """Few pairs in many dimensions need one: none fits to chance."""
    train, held_out = related(50, seed=0), related(200, seed=1)
    statistics = PairStatistics(40, 40)
    statistics.add(train.x, train.y)
    analysis = CanonicalAnalysis(statistics)
    figures = {ridge: nearer_pairs(analysis.align(5, ridge=ridge), held_out) for ridge in RIDGES}
    chosen = best_ridge(analysis, 5, held_out)
    assert figures[chosen] == max(figures.values())
    assert figures[chosen] > nearer_pairs(analysis.align(5, ridge=0), held_out) + 0.05
    assert best_ridge(analysis, 5, None) == DEFAULT_RIDGE


def test_nearer_counts_every_false_pair_of_another_video_once():
    held_out = related(12, seed=2)
    held_out = replace(held_out, media=held_out.media // 2)
    statistics = PairStatistics(40, 40)
    statistics.add(held_out.x, held_out.y)
    found = CanonicalAnalysis(statistics).align(3, ridge=1.0)
    seen, heard = found.x.apply(held_out.x), found.y.apply(held_out.y)

    def cosine(i, j):
        return seen[i] @ heard[j] / np.linalg.norm(seen[i]) / np.linalg.norm(heard[j])

    others = [(i, j) for i in range(12) for j in range(12) if i // 2 != j // 2]
    wins = [cosine(i, i) > cosine(i, j) for i, j in others] + [cosine(j, j) > cosine(i, j) for i, j in others]
    assert nearer_pairs(found, held_out) == pytest.approx(np.mean(wins))


def refused(job, error, match):
    with pytest.raises(error, match=match) as caught:
        align(job, Silent())
    assert isinstance(caught.value, AvsearchError)
    assert caught.value.hint


def test_models_that_cannot_be_aligned_are_one_sentence(job, l3, tmp_path):
    save_l3(tmp_path / "deaf", modalities=(Modality.IMAGE,))
    save_l3(tmp_path / "blind", modalities=(Modality.AUDIO,))
    refused(replace(job, models=[l3, l3, l3]), UsageError, "3 models")
    refused(replace(job, models=[tmp_path / "deaf"]), WeightsError, "no vectors of sounds")
    refused(replace(job, models=[l3, tmp_path / "deaf"]), WeightsError, "no vectors of sounds")
    refused(replace(job, models=[tmp_path / "blind", l3]), WeightsError, "no vectors of pictures")
    refused(replace(job, models=[tmp_path / "none"]), WeightsError, "no such weights file")
    aligned = align(job, Silent())
    refused(replace(job, models=[aligned.weights], out=tmp_path / "again"), WeightsError, "aligned already")


def test_a_place_that_is_taken_is_never_written_over(job, l3, tmp_path):
    (tmp_path / "notes").write_text("words")
    refused(replace(job, out=tmp_path), UsageError, "is a folder")
    refused(replace(job, out=tmp_path / "notes"), UsageError, "something else")
    refused(replace(job, out=tmp_path / "notes" / "in" / "it"), TrainingError, "cannot be written")
    refused(replace(job, out=l3), UsageError, "holds a network")
    assert (tmp_path / "notes").read_text() == "words"


def test_too_few_videos_are_one_sentence_with_the_reason(job, clips_folder, tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all")
    one = next(clips_folder.glob("*.mp4"))
    job.manifest.write_text(f"path,labels,split\n{one},x,train\ntext.mp4,x,train\n")
    refused(job, TrainingError, r"Only 1 usable.*text\.mp4")
    job.manifest.write_text(f"path,labels,split\n{one},x,test\n")
    refused(job, ManifestError, "split=train")


def test_vectors_that_never_vary_are_one_sentence(job, l3):
    network = L3Net(tiny.WIDTHS).eval()
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    save_network(l3, network, replace(tiny.HEADER, architecture="l3", dim=tiny.WIDTHS[-1]))
    refused(job, TrainingError, "are the same")


def test_bad_files_are_listed_and_the_others_align(job, tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all")
    with job.manifest.open("a") as file:
        file.write("text.mp4,x,train\n")
    aligned = align(job, Silent())
    assert [failed.path for failed in aligned.failures] == [tmp_path / "text.mp4"]
