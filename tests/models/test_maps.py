import pytest

from avsearch.errors import WeightsError
from avsearch.models.avol import AVOLNet
from avsearch.models.maps import LOCALIZING, read_localizer_header
from avsearch.models.networks import NETWORKS
from tests.models import tiny
from trainer.recipes import RECIPES


def test_what_localizes_is_every_network_with_a_map_and_its_recipe_makes_it():
    assert set(LOCALIZING) == {
        name for name, it in NETWORKS.items() if isinstance(it, type) and issubclass(it, AVOLNet)
    }
    assert {RECIPES[name]("small").architecture for name in LOCALIZING.values()} == set(LOCALIZING)


def test_the_header_of_weights_with_a_map_is_read_and_others_are_refused_with_the_recipes_that_have_one(tmp_path):
    header = tiny.save(tmp_path / "avol.safetensors", AVOLNet(tiny.WIDTHS), architecture="avol")
    assert read_localizer_header(tmp_path / "avol.safetensors") == header
    tiny.save(tmp_path / "ave.safetensors")
    with pytest.raises(WeightsError, match=r"ave cannot say where.*avol, avol-attention, avol-nce"):
        read_localizer_header(tmp_path / "ave.safetensors")
    with pytest.raises(WeightsError, match="there is no such weights file"):
        read_localizer_header(tmp_path / "none")
