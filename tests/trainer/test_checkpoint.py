import json

import pytest
import torch
from safetensors.torch import save_file

from avsearch.errors import TrainingError
from avsearch.models.ave import AVENet
from tests.models import tiny
from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.config import Objective
from trainer.objectives import AVC, InfoNCE, Perceived
from trainer.step import Judge, Learner

STATE = {"step": 3, "steps": 10, "best": {"nearer": 0.625}, "best_step": 2}


def learner(widths=tiny.WIDTHS, kind=Objective.INFO_NCE, seed=0):
    torch.manual_seed(seed)
    network = AVENet(widths).to(memory_format=torch.channels_last)
    goal = AVC() if kind is Objective.AVC else InfoNCE()
    optimizer = torch.optim.Adam([*network.parameters(), *goal.parameters()], lr=1e-3, weight_decay=1e-5)
    return Learner(network, goal, optimizer, Judge(network, goal, bfloat16=False))


def step(one, seed):
    """A real update on random inputs; returns its loss."""
    torch.manual_seed(seed)
    images = one.network.embed_images(torch.randn(4, *tiny.FRONT_END.image_shape))
    sounds = one.network.embed_sounds(torch.randn(4, *tiny.FRONT_END.audio_shape))
    loss = one.objective(one.network, Perceived(images, sounds, torch.arange(4), torch.tensor([1, 2, 3, 0])))
    one.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    one.optimizer.step()
    return float(loss.detach())


def optimizer_tensors(one):
    return {
        (index, name): torch.as_tensor(value)
        for index, values in one.optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


@pytest.fixture
def saved(tmp_path):
    """A learner after three steps, and its checkpoint."""
    trained = learner()
    for seed in range(3):
        step(trained, seed)
    save_checkpoint(tmp_path / "checkpoints" / "last.safetensors", trained, STATE)
    return trained, tmp_path / "checkpoints" / "last.safetensors"


def test_a_checkpoint_brings_back_every_tensor_and_the_state(saved):
    trained, path = saved
    fresh = learner(seed=1)
    assert load_checkpoint(path, fresh) == STATE
    for module in ("network", "objective"):
        before, after = getattr(trained, module).state_dict(), getattr(fresh, module).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    before, after = optimizer_tensors(trained), optimizer_tensors(fresh)
    assert before.keys() == after.keys()
    assert {name for _, name in before} == {"step", "exp_avg", "exp_avg_sq"}
    assert all(torch.equal(before[key], after[key]) and before[key].dtype == after[key].dtype for key in before)


def test_training_goes_on_bit_for_bit_as_if_never_interrupted(saved):
    trained, path = saved
    fresh = learner(seed=1)
    load_checkpoint(path, fresh)
    for seed in range(3, 8):
        assert step(fresh, seed) == step(trained, seed)
    before, after = trained.network.state_dict(), fresh.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_checkpoint_replaces_the_one_before_and_leaves_nothing_beside_it(saved):
    trained, path = saved
    save_checkpoint(path, trained, STATE | {"step": 4})
    assert [file.name for file in path.parent.iterdir()] == ["last.safetensors"]
    assert load_checkpoint(path, learner()) == STATE | {"step": 4}


@pytest.mark.parametrize("content", [b"", b"a text", b"\xff" * 64])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "last.safetensors"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="cannot be resumed") as caught:
        load_checkpoint(path, learner())
    assert "--out" in caught.value.hint


def test_a_checkpoint_cut_short_is_refused(saved):
    _, path = saved
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="cannot be resumed"):
        load_checkpoint(path, learner())


@pytest.mark.parametrize("other", [{"widths": (4, 8, 8, 16)}, {"kind": Objective.AVC}])
def test_a_checkpoint_of_another_network_or_objective_is_refused(saved, other):
    _, path = saved
    with pytest.raises(TrainingError, match="another network"):
        load_checkpoint(path, learner(**other))


@pytest.mark.parametrize("kind", ["bare", "missing"])
def test_a_checkpoint_without_a_state_or_a_missing_one_is_refused(tmp_path, kind):
    path = tmp_path / "best.safetensors"
    if kind == "bare":
        save_file({"network.fc3.bias": torch.zeros(2)}, path)
    with pytest.raises(TrainingError):
        load_checkpoint(path, learner())


def test_a_flipped_bit_is_found(saved):
    _, path = saved
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(data)
    with pytest.raises(TrainingError):
        load_checkpoint(path, learner())


def test_the_state_is_plain_json_that_other_programs_read(saved):
    _, path = saved
    data = path.read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert json.loads(metadata["state"]) == STATE
