from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avsearch import encoder, features
from avsearch.encoder import Encoder, load_encoder
from avsearch.errors import AvsearchError
from avsearch.flow import flow_images
from avsearch.front_end import SMALL_FRONT_END
from avsearch.models.ave import AVENet
from avsearch.models.networks import build_network
from avsearch.models.towers import SMALL_WIDTHS
from avsearch.moments import Modality
from tests.models import tiny
from tests.tiny import picture_weights

COUNT = 12
CENTRED = 0.5  # so that vectors lie apart about as those of a trained network: mean cosine 0.8, not 0.99
FRONT_END = replace(SMALL_FRONT_END, log_mean=-2.0, log_std=1.5)


def pictures(count=COUNT):
    """Smooth random colours, so that pictures differ in more than noise: (count, 112, 112, 3) uint8."""
    coarse = torch.rand(count, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, size=(112, 112), mode="bilinear")
    return (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8).numpy()


def sounds(count=COUNT):
    """Chords of three tones each: (count, 48000) float32."""
    hz = np.random.default_rng(0).uniform(100, 9000, (count, 3, 1))
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(48_000) / 48_000)).sum(axis=1).astype(np.float32)


@torch.no_grad()
def plain_vectors(network: AVENet) -> tuple[np.ndarray, np.ndarray]:
    """The same network as it was trained: float32, batch norms where they are, channels first."""
    images = features.image_tensor(torch.from_numpy(pictures()), FRONT_END).contiguous()
    spectrograms = features.log_spectrogram(torch.from_numpy(sounds()), FRONT_END)
    return network.embed_images(images).numpy(), network.embed_sounds(spectrograms).numpy()


@torch.no_grad()
def spread_out(network: AVENet) -> AVENet:
    """Calibrate batch norms on the inputs and take part of the mean vector off the heads."""
    images = features.image_tensor(torch.from_numpy(pictures()), FRONT_END)
    spectrograms = features.log_spectrogram(torch.from_numpy(sounds()), FRONT_END)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    for tower, head, inputs in (
        (network.vision, network.vision_head, images),
        (network.audio, network.audio_head, spectrograms),
    ):
        network.train()
        tower(inputs)
        network.eval()
        head[2].bias -= CENTRED * head(tower(inputs).amax(dim=(2, 3))).mean(dim=0)
    return network


@pytest.fixture(scope="module")
def network() -> AVENet:
    return spread_out(tiny.network(SMALL_WIDTHS))


@pytest.fixture(scope="module")
def loaded(network: AVENet, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    path: Path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    tiny.save(path, network, widths=SMALL_WIDTHS, front_end=FRONT_END)
    return load_encoder(path, "cpu")


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def test_the_fast_vectors_of_pictures_are_those_of_the_plain_network(network, loaded):
    truth, _ = plain_vectors(network)
    assert (truth @ truth.T).mean() < 0.9  # so that a vector of another picture would not do
    assert cosines(loaded.encode_images(pictures()), truth).min() >= 0.999


def test_the_fast_vectors_of_sounds_are_those_of_the_plain_network(network, loaded):
    _, truth = plain_vectors(network)
    assert (truth @ truth.T).mean() < 0.9
    assert cosines(loaded.encode_sounds(sounds()), truth).min() >= 0.999


def test_folded_batch_norms_give_the_same_numbers_in_float32(network, loaded, monkeypatch):
    monkeypatch.setattr(encoder, "fast_bfloat16", lambda _: False)
    images, spectra = plain_vectors(network)
    np.testing.assert_allclose(loaded.encode_images(pictures()), images, atol=2e-5)
    np.testing.assert_allclose(loaded.encode_sounds(sounds()), spectra, atol=2e-5)


def test_no_batch_norm_is_left_after_loading(loaded):
    assert not [part for part in loaded._network.modules() if isinstance(part, torch.nn.BatchNorm2d)]


def test_vectors_are_unit_rows_of_float32(loaded):
    for vectors in (loaded.encode_images(pictures(3)), loaded.encode_sounds(sounds(3))):
        assert vectors.shape == (3, loaded.header.dim)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_batch_size_does_not_matter(loaded, monkeypatch):
    together = loaded.encode_images(pictures()), loaded.encode_sounds(sounds())
    monkeypatch.setattr(encoder, "CPU_BATCH", 5)  # two whole batches and a rest of two
    for whole, parts in zip(
        together, (loaded.encode_images(pictures()), loaded.encode_sounds(sounds())), strict=True
    ):
        assert cosines(whole, parts).min() > 0.9999
    alone = np.concatenate([loaded.encode_sounds(sound[None]) for sound in sounds()[:3]])
    assert cosines(together[1][:3], alone).min() > 0.9999


def test_nothing_in_gives_nothing_out(loaded):
    assert loaded.encode_images(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0, 128)
    assert loaded.encode_sounds(np.zeros((0, 48_000), np.float32)).shape == (0, 128)


def test_silence_and_a_black_picture_have_unit_vectors_too(loaded):
    for vectors in (
        loaded.encode_sounds(np.zeros((1, 48_000), np.float32)),
        loaded.encode_images(np.zeros((1, 112, 112, 3), np.uint8)),
    ):
        assert np.isfinite(vectors).all()
        assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-5)


def test_the_encoder_declares_its_front_end(loaded):
    assert loaded.front_end == FRONT_END
    assert loaded.header.dim == 128
    with pytest.raises(ValueError, match="112"):
        loaded.encode_images(np.zeros((1, 128, 128, 3), np.uint8))


def test_arrays_that_cannot_be_written_are_encoded_without_a_warning(loaded):
    waveforms = sounds(1)
    waveforms.flags.writeable = False
    assert loaded.encode_sounds(waveforms).shape == (1, 128)


@pytest.mark.parametrize("device", ["banana", "cuda:99"])
def test_a_device_that_is_not_there_is_one_sentence(network, tmp_path, device):
    tiny.save(tmp_path / "a", network, widths=SMALL_WIDTHS, front_end=FRONT_END)
    with pytest.raises(AvsearchError):
        load_encoder(tmp_path / "a", device)


@pytest.mark.parametrize(
    ("architecture", "around"), [("ave-mf", {"num_frames": 25}), ("ave-of", {"num_frames": 11, "flow": True})]
)
def test_an_encoder_of_many_frames_gives_the_vectors_of_the_plain_network(
    tmp_path, monkeypatch, architecture, around
):
    """Batch norms over time folded too, flow computed on the way, in float32."""
    monkeypatch.setattr(encoder, "fast_bfloat16", lambda _: False)
    front_end = replace(tiny.FRONT_END, **around)
    header = replace(tiny.HEADER, architecture=architecture, front_end=front_end, num_frames=front_end.num_frames)
    network = tiny.shaken(build_network(header))
    changes = {"architecture": architecture, "front_end": front_end, "num_frames": front_end.num_frames}
    tiny.save(tmp_path / "a", network, **changes)
    bursts = np.random.default_rng(0).integers(0, 256, (3, front_end.num_frames, 32, 32, 3), dtype=np.uint8)
    loaded = load_encoder(tmp_path / "a", "cpu")
    inputs = flow_images(bursts) if front_end.flow else bursts
    with torch.no_grad():
        plain = network.embed_images(features.image_tensor(torch.from_numpy(inputs), front_end).contiguous())
    np.testing.assert_allclose(loaded.encode_images(bursts), plain.numpy(), atol=2e-5)
    norms = torch.nn.BatchNorm2d | torch.nn.BatchNorm3d
    assert not [part for part in loaded._network.modules() if isinstance(part, norms)]
    assert loaded.encode_images(bursts[:0]).shape == (0, 128)
    assert (loaded.batch_size(Modality.IMAGE), loaded.batch_size(Modality.AUDIO)) == (1, encoder.CPU_BATCH)


def test_the_fast_judgement_of_pairs_is_that_of_the_plain_network(network, loaded, monkeypatch):
    monkeypatch.setattr(encoder, "fast_bfloat16", lambda _: False)
    monkeypatch.setattr(encoder, "CPU_BATCH", 5)
    images = features.image_tensor(torch.from_numpy(pictures()), FRONT_END).contiguous()
    spectrograms = features.log_spectrogram(torch.from_numpy(sounds()), FRONT_END)
    with torch.no_grad():
        plain = network(images, spectrograms).numpy()
        crossed = network(images, spectrograms.flip(0)).numpy()
    own, other = loaded.log_odds(pictures(), [sounds(), sounds()[::-1]])
    assert loaded.judges
    assert (own.shape, own.dtype) == ((COUNT,), np.float32)
    assert plain.std() > 0.01
    np.testing.assert_allclose(own, plain, atol=1e-4)
    np.testing.assert_allclose(other, crossed, atol=1e-4)


def test_in_bfloat16_the_judgement_itself_is_in_float32(network, loaded):
    """Rounded to 8 bits, log-odds of pairs that differ by less than a hundredth would be equal."""
    same = np.repeat(pictures(1), 4, axis=0)
    louder = sounds(1) * np.array([[1.0], [0.99], [0.97], [0.95]], np.float32)
    assert len(set(loaded.log_odds(same, [louder])[0].tolist())) == 4


def test_an_encoder_without_a_judgement_or_a_map_says_so(loaded, tmp_path):
    with pytest.raises(TypeError, match="ave has no map"):
        loaded.answers(pictures(1), [sounds(1)])
    assert not loaded.has_map
    path = picture_weights(tmp_path / "vgg16")
    alone = load_encoder(path, "cpu")
    assert not alone.judges
    with pytest.raises(TypeError, match="vgg16 judges no pairs"):
        alone.log_odds(pictures(1), [sounds(1)])
