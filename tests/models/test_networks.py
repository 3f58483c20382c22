from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch.errors import WeightsError
from avsearch.front_end import FrontEnd
from avsearch.models.networks import NETWORKS, build_network, load_network
from avsearch.models.weights import ARCHITECTURES, save_weights
from tests.models import tiny


def outputs(network):
    torch.manual_seed(1)
    images, sounds = torch.randn(3, *tiny.FRONT_END.image_shape), torch.randn(3, *tiny.FRONT_END.audio_shape)
    with torch.no_grad():
        return network.embed_images(images), network.embed_sounds(sounds), network(images, sounds)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_network_loaded_from_its_file_gives_the_same_numbers(tmp_path, memory_format):
    network = tiny.network().to(memory_format=memory_format)
    network.set_threshold(0.7)
    header = tiny.save(tmp_path / "a", network)
    loaded, read = load_network(tmp_path / "a")
    assert read == header
    assert not loaded.training
    plain = network.to(memory_format=torch.contiguous_format)  # so that both add up in the same order
    for before, after in zip(outputs(plain), outputs(loaded), strict=True):
        assert torch.equal(before, after)


def test_each_architecture_that_headers_may_name_has_its_network():
    """VGG16 is not trained here; `cca` joins others, and is tested in test_aligned.py."""
    assert {*NETWORKS, "vgg16", "cca"} == set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("architecture", "around"), [("ave-mf", {"num_frames": 25}), ("ave-of", {"num_frames": 11, "flow": True})]
)
def test_networks_of_many_frames_come_back_from_their_files(tmp_path, architecture, around):
    front_end: FrontEnd = replace(tiny.FRONT_END, **around)
    changes = {"architecture": architecture, "front_end": front_end, "num_frames": front_end.num_frames}
    torch.manual_seed(0)
    network = build_network(replace(tiny.HEADER, **changes)).eval()
    header = tiny.save(tmp_path / "a", network, **changes)
    loaded, read = load_network(tmp_path / "a")
    assert (read, read.front_end) == (header, front_end)
    images = torch.randn(2, *front_end.image_shape)
    with torch.no_grad():
        assert torch.equal(network.embed_images(images), loaded.embed_images(images))


def test_an_architecture_of_tomorrow_is_refused_by_its_name(tmp_path):
    tiny.save(tmp_path / "a", architecture="next")
    with pytest.raises(WeightsError, match=r"next.*knows ave") as caught:
        load_network(tmp_path / "a")
    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize("wrong", ["widths", "missing", "strange"])
def test_tensors_that_do_not_fit_the_header_are_refused(tmp_path, wrong):
    if wrong == "widths":
        tiny.save(tmp_path / "a", widths=(4, 8, 8, 16))
    else:
        state = {name: tensor.numpy() for name, tensor in tiny.network().state_dict().items()}
        if wrong == "missing":
            state.pop("fc3.weight")
        else:
            state["fc4.weight"] = np.zeros(3, np.float32)
        save_weights(tmp_path / "a", state, tiny.HEADER)
    with pytest.raises(WeightsError, match="do not fit") as caught:
        load_network(tmp_path / "a")
    assert "avsearch train" in caught.value.hint


@pytest.mark.parametrize("widths", [(), (-4, 8, 8, 8)])
def test_widths_that_make_no_network_are_refused(tmp_path, widths):
    state = {name: tensor.numpy() for name, tensor in tiny.network().state_dict().items()}
    header = replace(tiny.HEADER)
    object.__setattr__(header, "widths", widths)  # as a file from elsewhere may have them
    with pytest.raises(WeightsError):  # noqa: PT012  (a header that checks itself is refused when it is read back)
        save_weights(tmp_path / "a", state, header)
        load_network(tmp_path / "a")


def test_damaged_weights_are_never_loaded(tmp_path):
    tiny.save(tmp_path / "a")
    data = bytearray((tmp_path / "a").read_bytes())
    data[-1] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_network(tmp_path / "a")
