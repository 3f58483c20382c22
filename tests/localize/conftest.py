import pytest
import torch

from avsearch.models.avol import AVOLNet
from tests.media.clips import make_clip
from tests.models import tiny


@pytest.fixture(scope="session")
def localizer_weights(tmp_path_factory):
    """The weights file of a tiny network whose map depends on both sides."""
    torch.manual_seed(0)
    net = tiny.shaken(AVOLNet(tiny.WIDTHS))
    with torch.no_grad():
        net.scale.fill_(3.0)
    path = tmp_path_factory.mktemp("localizer") / "localizer.safetensors"
    tiny.save(path, net, architecture="avol")
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Four seconds at 25 frames a second, 320 x 240; second k is a tone of 300 (k + 1) Hz."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=100, seconds=4)
