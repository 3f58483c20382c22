"""Truth here: the plain network on the same pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch import encoder, features
from avsearch.errors import WeightsError
from avsearch.localize import PLACE_PX, load_localizer, localizer_of
from avsearch.models.avol import AVOLNet
from avsearch.models.maps import LOCALIZING
from avsearch.models.networks import build_network
from tests.models import tiny


def frames_of(height, width, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def sounds(count=3):
    return np.random.default_rng(1).uniform(-0.5, 0.5, (count, 48_000)).astype(np.float32)


def saved(path, network=None, **changes):
    """The path of a weights file; `changes` are of its header."""
    tiny.save(path, network, **changes)
    return path


def made(path, architecture, monkeypatch):
    """A network with random weights, and the localizer of its weights file in float32."""
    monkeypatch.setattr(encoder, "fast_bfloat16", lambda _: False)
    torch.manual_seed(0)
    network = tiny.shaken(build_network(replace(tiny.HEADER, architecture=architecture)))
    with torch.no_grad():
        network.scale.fill_(3.0)
        network.shift.fill_(-0.5)
    return network, load_localizer(saved(path / "a.safetensors", network, architecture=architecture), "cpu")


@torch.no_grad()
def plain_answers(network, frames, waveforms):
    """By the definition: pixels to numbers, channels first, and the network as it was trained."""
    front_end = tiny.FRONT_END
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    images = ((pixels - front_end.pixel_mean) / front_end.pixel_std).contiguous()
    heard = network.hear(features.log_spectrogram(torch.from_numpy(waveforms), front_end))
    return network.answers(network.see(images), heard).numpy()


@pytest.mark.parametrize("architecture", LOCALIZING)
@pytest.mark.parametrize("shape", [(32, 32), (48, 80), (80, 48)])
def test_a_frame_of_any_shape_has_the_answers_of_the_plain_network(tmp_path, monkeypatch, architecture, shape):
    network, localizer = made(tmp_path, architecture, monkeypatch)
    (answers,) = localizer.answers(frames_of(*shape), [sounds()])
    assert (answers.shape, answers.dtype) == ((3, shape[0] // 16, shape[1] // 16), np.float32)
    assert answers.std() > 0.01  # so that the answers of other places would not do
    np.testing.assert_allclose(answers, plain_answers(network, frames_of(*shape), sounds()), atol=1e-4)


def test_a_frame_that_is_not_made_of_whole_places_is_continued_by_its_last_pixels(tmp_path, monkeypatch):
    network, localizer = made(tmp_path, "avol", monkeypatch)
    frames = frames_of(36, 50)
    covered = np.concatenate([frames, np.repeat(frames[:, :, -1:], 14, axis=2)], axis=2)
    covered = np.concatenate([covered, np.repeat(covered[:, -1:], 12, axis=1)], axis=1)
    (answers,) = localizer.answers(frames, [sounds()])
    assert answers.shape == (3, 3, 4)
    np.testing.assert_allclose(answers, plain_answers(network, covered, sounds()), atol=1e-4)


def test_a_place_is_as_many_pixels_wide_as_the_networks_stride():
    with torch.no_grad():
        seen = AVOLNet(tiny.WIDTHS).see(torch.zeros(1, 3, 4 * PLACE_PX, 6 * PLACE_PX))
    assert seen.shape[2:] == (4, 6)


def test_weights_without_a_map_are_refused_with_the_recipes_that_have_one(tmp_path):
    path = saved(tmp_path / "ave.safetensors")
    with pytest.raises(WeightsError, match=r"ave cannot say where.*avol, avol-attention, avol-nce"):
        load_localizer(path)
    with pytest.raises(WeightsError, match="there is no such weights file"):
        load_localizer(tmp_path / "none")


def test_an_encoder_is_a_localizer_only_if_its_network_has_a_map(tmp_path):
    torch.manual_seed(0)
    net = AVOLNet(tiny.WIDTHS).eval()
    with_map = encoder.load_encoder(saved(tmp_path / "a", net, architecture="avol"), "cpu")
    assert localizer_of(with_map).front_end == tiny.FRONT_END
    assert localizer_of(encoder.load_encoder(saved(tmp_path / "b"), "cpu")) is None
