import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from avsearch import features
from avsearch.encoder import load_encoder
from avsearch.errors import WeightsError
from avsearch.front_end import FrontEnd
from avsearch.models import networks, weights
from avsearch.models.aligned import AlignedNetwork, Projection, joined_front_end
from avsearch.models.ave import AVENet
from avsearch.models.header import Part
from avsearch.models.l3 import L3Net
from avsearch.models.network import Embedder, unit_rows
from avsearch.models.networks import load_network, save_network
from avsearch.models.weights import read_header, save_weights
from tests.models import tiny

NUM_COMPONENTS = 5
L3_DIM = tiny.WIDTHS[-1]
SHARED = (Part("shared", "l3", tiny.WIDTHS, L3_DIM),)
TWO = (Part("image", "ave", tiny.WIDTHS, 128), Part("audio", "l3", tiny.WIDTHS, L3_DIM))


class PicturesOnly(Embedder):
    """The mean colour, spread over twelve numbers: a network that hears nothing."""

    dim = 12

    def __init__(self, _widths=()):
        super().__init__()
        self.spread = torch.nn.Linear(3, 12)

    def embed_images(self, images):
        return unit_rows(self.spread(images.mean(dim=(2, 3))))

    def embed_sounds(self, _spectrograms):
        raise AssertionError("it has no ears")


def filled(network):
    """The same network, its projections no longer empty."""
    for projection in (network.image_projection, network.audio_projection):
        torch.nn.init.normal_(projection.mean, std=0.1)
        torch.nn.init.normal_(projection.matrix)
    return network.eval()


def aligned(parts):
    torch.manual_seed(0)
    made = {"ave": AVENet, "l3": L3Net, "pictures": PicturesOnly}
    return filled(
        AlignedNetwork({part.name: made[part.architecture](part.widths) for part in parts}, NUM_COMPONENTS)
    )


def header(parts, **changes):
    return replace(tiny.HEADER, architecture="cca", widths=(), dim=NUM_COMPONENTS, parts=parts, **changes)


def inputs():
    torch.manual_seed(1)
    return torch.randn(3, *tiny.FRONT_END.image_shape), torch.randn(3, *tiny.FRONT_END.audio_shape)


@torch.no_grad()
def outputs(network):
    images, sounds = inputs()
    return network.embed_images(images).numpy(), network.embed_sounds(sounds).numpy()


@pytest.mark.parametrize("parts", [SHARED, TWO], ids=["shared", "two"])
def test_vectors_are_the_projected_vectors_of_the_parts_at_length_1(parts):
    network = aligned(parts)
    images, sounds = inputs()
    with torch.no_grad():
        seen = network.get_submodule(parts[0].name).embed_images(images).double().numpy()
        heard = network.get_submodule(parts[-1].name).embed_sounds(sounds).double().numpy()
    for ours, raw, side in zip(
        outputs(network), (seen, heard), (network.image_projection, network.audio_projection), strict=True
    ):
        expected = (raw - side.mean.numpy()) @ side.matrix.numpy()
        np.testing.assert_allclose(
            ours, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("parts", [SHARED, TWO], ids=["shared", "two"])
def test_a_saved_network_gives_the_same_numbers(tmp_path, parts):
    network = aligned(parts)
    saved = save_network(tmp_path / "a", network, header(parts))
    loaded, read = load_network(tmp_path / "a")
    assert read == saved
    assert read.parts == parts
    for before, after in zip(outputs(network), outputs(loaded), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_network_that_serves_both_sides_is_stored_once(tmp_path):
    save_network(tmp_path / "a", aligned(SHARED), header(SHARED))
    names = set(load_file(tmp_path / "a"))
    projections = {f"{side}_projection.{name}" for side in ("image", "audio") for name in ("mean", "matrix")}
    assert names == projections | {f"shared.{name}" for name in L3Net(tiny.WIDTHS).state_dict()}


def test_a_part_that_only_sees_needs_no_ears(tmp_path, monkeypatch):
    monkeypatch.setitem(networks.NETWORKS, "pictures", PicturesOnly)
    monkeypatch.setattr(weights, "ARCHITECTURES", (*weights.ARCHITECTURES, "pictures"))
    parts = (Part("image", "pictures", (), 12), Part("audio", "l3", tiny.WIDTHS, L3_DIM))
    save_network(tmp_path / "a", aligned(parts), header(parts))
    encoder = load_encoder(tmp_path / "a", "cpu")
    assert encoder.encode_images(np.full((2, 32, 32, 3), 9, np.uint8)).shape == (2, NUM_COMPONENTS)
    assert encoder.encode_sounds(np.ones((2, 48_000), np.float32)).shape == (2, NUM_COMPONENTS)


def test_an_encoder_folds_the_batch_norms_of_the_parts_as_well(tmp_path):
    network = aligned(TWO)
    save_network(tmp_path / "a", network, header(TWO))
    encoder = load_encoder(tmp_path / "a", "cpu")
    assert not [part for part in encoder._network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        truth = network.embed_images(features.image_tensor(torch.from_numpy(frames), tiny.FRONT_END)).numpy()
    assert (encoder.encode_images(frames) * truth).sum(axis=1).min() > 0.99


def test_a_projection_is_never_computed_in_half_precision():
    projection = Projection(64, 3)
    torch.nn.init.normal_(projection.matrix)
    rows = torch.randn(5, 64)
    with torch.autocast("cpu", torch.bfloat16):
        projected = projection(rows).numpy()
    np.testing.assert_allclose(projected, rows.numpy() @ projection.matrix.numpy(), rtol=1e-4, atol=1e-5)


def test_the_fingerprint_covers_the_parts(tmp_path):
    network = aligned(SHARED)
    one = save_network(tmp_path / "a", network, header(SHARED)).fingerprint
    other = save_network(tmp_path / "b", network, header((replace(SHARED[0], architecture="ave"),))).fingerprint
    assert one != other


def test_files_from_before_there_were_parts_load_with_their_fingerprint(tmp_path):
    tensors = {"vision.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "vision.count": np.array(7)}
    saved = save_weights(tmp_path / "a", tensors, tiny.HEADER)
    assert saved.fingerprint == "a9ba58bdec1d6ae154cc417647a6ddb4"  # as version 0.1.0 wrote it
    data = (tmp_path / "a").read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    fields = json.loads(metadata["avsearch"])
    assert fields.pop("parts") == []
    save_file(tensors, tmp_path / "b", metadata={"avsearch": json.dumps(fields)})
    assert read_header(tmp_path / "b") == saved


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (replace(SHARED[0], name="middle"),),
        (replace(SHARED[0], name="image"),),
        (replace(SHARED[0], architecture="cca"),),
        (replace(SHARED[0], widths=(4, 8, 8, 16)),),
    ],
    ids=["none", "strange", "half", "nested", "widths"],
)
def test_parts_that_make_no_network_are_refused(tmp_path, parts):
    save_network(tmp_path / "a", aligned(SHARED), header(parts))
    with pytest.raises(WeightsError, match="do not fit"):
        load_network(tmp_path / "a")


def test_a_part_of_tomorrow_is_refused_by_its_name(tmp_path):
    save_network(tmp_path / "a", aligned(SHARED), header((replace(SHARED[0], architecture="next"),)))
    with pytest.raises(WeightsError, match="of architecture next"):
        load_network(tmp_path / "a")


def test_a_joined_front_end_sees_as_one_network_and_hears_as_the_other():
    sees = FrontEnd(40, 44, 960, 480, 1024, 64, log_mean=-1.0, pixel_mean=0.5, pixel_std=0.2)
    hears = FrontEnd(32, 36, 480, 480, 512, 0, log_floor=1e-2, log_mean=-3.0, log_std=2.0)
    joined = joined_front_end(sees, hears)
    frames = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    torch.testing.assert_close(features.image_tensor(frames, joined), features.image_tensor(frames, sees))
    waveforms = torch.randn(2, 48_000)
    torch.testing.assert_close(
        features.log_spectrogram(waveforms, joined), features.log_spectrogram(waveforms, hears)
    )
    assert joined.short_side == 44
