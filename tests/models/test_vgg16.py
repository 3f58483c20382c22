"""Truth here: the published parameter count and torchvision's names; the rest by hand on a narrow VGG16."""

import re

import pytest
import torch
from safetensors.torch import save_file

from avsearch.encoder import load_encoder
from avsearch.errors import UsageError, WeightsError
from avsearch.models.aligned import AlignedNetwork, joined_front_end
from avsearch.models.header import Part
from avsearch.models.l3 import L3Net
from avsearch.models.networks import load_network
from avsearch.models.vgg16 import VGG16
from avsearch.models.vgg16_checkpoint import VGG16_FRONT_END, import_vgg16
from avsearch.models.weights import verify_weights
from avsearch.moments import Modality
from tests.models import tiny

NARROW = {"widths": (2, 3, 4, 4, 4), "hidden": 16}
CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of torchvision's `features`


def narrow(seed=0):
    torch.manual_seed(seed)
    return VGG16(**NARROW).eval()


def test_vgg16_has_the_published_parameters_under_torchvisions_names():
    with torch.device("meta"):
        network = VGG16()
    assert sum(it.numel() for it in network.parameters()) == 138_357_544
    layers = [f"features.{it}" for it in CONVOLUTIONS] + [f"classifier.{it}" for it in (0, 3, 6)]
    assert list(network.state_dict()) == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    shapes = {name: tuple(it.shape) for name, it in network.state_dict().items()}
    assert shapes["features.28.weight"] == (512, 512, 3, 3)
    assert shapes["classifier.0.weight"] == (4096, 25_088)
    assert shapes["classifier.6.weight"] == (1000, 4096)


@pytest.mark.slow
def test_224_pixels_become_7x7_places_and_a_vector_of_4096():
    with torch.device("meta"):
        network = VGG16()
        assert network.features(torch.empty(1, 3, 224, 224)).shape == (1, 512, 7, 7)
        assert network.eval().embed_images(torch.empty(2, 3, 224, 224)).shape == (2, 4096)
    assert network.dim == 4096


def test_the_vector_is_the_last_hidden_layer_after_its_relu_at_length_one():
    network = narrow()
    images = torch.randn(3, 3, 224, 224)
    with torch.no_grad():
        maps = network.features(images).reshape(3, -1)
        first, last = network.classifier[0], network.classifier[3]
        hidden = (maps @ first.weight.T + first.bias).clamp(min=0)
        expected = (hidden @ last.weight.T + last.bias).clamp(min=0)
        found = network.embed_images(images)
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True))
    assert (found >= 0).all()


def test_it_hears_nothing_and_says_so():
    with pytest.raises(UsageError, match="hears no sound"):
        narrow().embed_sounds(torch.zeros(1, 1, 257, 200))


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_an_imported_checkpoint_gives_the_checkpoints_vectors(tmp_path, name):
    network = narrow()
    if name.endswith(".pth"):
        torch.save(network.state_dict(), tmp_path / name)
    else:
        save_file(network.state_dict(), tmp_path / name)
    header = import_vgg16(tmp_path / name, tmp_path / "vgg16.safetensors", **NARROW)
    assert (header.modalities, header.dim, header.front_end) == ((Modality.IMAGE,), 16, VGG16_FRONT_END)
    assert verify_weights(tmp_path / "vgg16.safetensors") == header.fingerprint
    loaded, _ = load_network(tmp_path / "vgg16.safetensors")
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(loaded.embed_images(images), network.embed_images(images))


def test_pixels_are_standardised_as_torchvision_does(tmp_path):
    torch.save(narrow().state_dict(), tmp_path / "a.pth")
    import_vgg16(tmp_path / "a.pth", tmp_path / "a", **NARROW)
    encoder = load_encoder(tmp_path / "a", "cpu")
    frames = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    channels = [(frames[..., i].double() / 255 - means[i]) / deviations[i] for i in range(3)]
    with torch.no_grad():
        truth = narrow().embed_images(torch.stack(channels, 1).float())
    found = torch.from_numpy(encoder.encode_images(frames.numpy()))
    assert (found * truth).sum(1).min() > 0.999
    with pytest.raises(UsageError, match="hears no sound"):
        encoder.encode_sounds(torch.zeros(1, 48_000).numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("features.5.bias"), "lacks the tensor features.5.bias"),
        (lambda state: state.update({"features.1.running_mean": torch.zeros(2)}), "features.1.running_mean"),
        (
            lambda state: state.update({"classifier.3.weight": torch.zeros(16, 8)}),
            r"classifier.3.weight is of shape (16, 8) and not (16, 16)",
        ),
    ],
    ids=["missing", "batch norm", "shape"],
)
def test_a_checkpoint_that_does_not_fit_is_one_sentence_that_names_the_tensor(tmp_path, change, message):
    state = dict(narrow().state_dict())
    change(state)
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=re.escape(message)):
        import_vgg16(tmp_path / "a.pth", tmp_path / "out", **NARROW)
    assert not (tmp_path / "out").exists()


def test_what_is_no_checkpoint_is_refused_and_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    torch.save({"features.0.weight": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.safetensors").write_text("no checkpoint")
    for name in ("trap.pth", "text.pth", "empty.pth", "text.safetensors", "none.pth"):
        with pytest.raises(WeightsError, match="checkpoint"):
            import_vgg16(tmp_path / name, tmp_path / "out", **NARROW)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match=r"lacks the tensor features\.0\.weight"):
        import_vgg16(tmp_path / "list.pth", tmp_path / "out", **NARROW)
    assert not (tmp_path / "sprung").exists()


def test_it_can_be_the_seeing_part_of_an_aligned_encoder(tmp_path):
    seen, heard = narrow(), L3Net(tiny.WIDTHS).eval()
    network = AlignedNetwork({"image": seen, "audio": heard}, 4)
    torch.nn.init.normal_(network.image_projection.matrix)
    torch.nn.init.normal_(network.audio_projection.matrix)
    parts = (
        Part("image", "vgg16", NARROW["widths"], NARROW["hidden"]),
        Part("audio", "l3", tiny.WIDTHS, heard.dim),
    )
    front_end = joined_front_end(VGG16_FRONT_END, tiny.FRONT_END)
    tiny.save(tmp_path / "a", network, architecture="cca", widths=(), dim=4, front_end=front_end, parts=parts)
    loaded, header = load_network(tmp_path / "a")
    assert header.front_end.pixel_mean == VGG16_FRONT_END.pixel_mean
    images, sounds = torch.randn(2, 3, 224, 224), torch.randn(2, *tiny.FRONT_END.audio_shape)
    with torch.no_grad():
        assert torch.equal(loaded.embed_images(images), network.embed_images(images))
        assert torch.equal(loaded.embed_sounds(sounds), network.embed_sounds(sounds))
