"""What one step changes, and by what."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch.models.ave import AVENet
from avsearch.moments import Silent
from tests.models import tiny
from tests.trainer.runs import Recorder
from tests.trainer.test_validation import batch
from trainer import step
from trainer.config import Objective, Optimizer
from trainer.distributed import Ranks
from trainer.loop import train
from trainer.objectives import objective
from trainer.step import NotANumberError, learner, update

CPU = torch.device("cpu")


@pytest.fixture
def make(tiny_config, monkeypatch):
    """A learner of a recipe on the narrowest towers, and its config."""
    monkeypatch.setattr(step, "fast_bfloat16", lambda _: False)

    def build(name="ave-nce", *, compiled=None, **changes):
        config = tiny_config(name, **changes)
        torch.manual_seed(0)
        return learner(AVENet(tiny.WIDTHS), config, CPU, ranks=Ranks(), compiled=compiled), config

    return build


def test_the_gradient_of_the_objective_is_clipped_with_the_others(make):
    one, config = make(gradient_clip=1e-3)
    update(one, batch(), config, CPU, learning_rate=1e-3)
    slopes = [it.grad for it in (*one.network.parameters(), *one.objective.parameters()) if it.grad is not None]
    assert float(torch.cat([it.flatten() for it in slopes]).norm()) == pytest.approx(1e-3, rel=1e-3)
    assert one.objective.log_scale.grad != 0


def test_a_temperature_whose_gradient_is_no_number_stops_before_the_step(make):
    one, config = make()
    one.objective.log_scale.register_hook(lambda slope: slope * float("nan"))
    before = [it.clone() for it in one.network.parameters()]
    with pytest.raises(NotANumberError):
        update(one, batch(), config, CPU, learning_rate=1e-3)
    assert all(torch.equal(old, new) for old, new in zip(before, one.network.parameters(), strict=True))


@pytest.mark.parametrize("kind", Optimizer)
def test_a_temperature_does_not_decay_and_weights_do(make, kind):
    one, _ = make(optimizer=kind, weight_decay=0.5)
    for parameter in (*one.network.parameters(), *one.objective.parameters()):
        parameter.grad = torch.zeros_like(parameter)
    scale, weight = one.objective.log_scale.clone(), one.network.audio_head[0].weight.clone()
    one.optimizer.step()
    assert torch.equal(one.objective.log_scale, scale)
    assert not torch.equal(one.network.audio_head[0].weight, weight)


@pytest.mark.parametrize("within", [0.0, 1.0])
def test_every_parameter_of_the_contrast_of_several_positives_learns(make, within):
    one, config = make("ave-views", within=within)
    assert config.objective is Objective.MULTI_NCE
    update(one, batch(), config, CPU, learning_rate=1e-3)  # DDP refuses parameters that no loss has used
    assert all(it.grad is not None for it in one.judge.parameters())
    assert len(list(objective(config).parameters())) == (2 if within else 1)


@pytest.mark.slow
def test_a_compiled_step_is_the_plain_one(make, monkeypatch):
    monkeypatch.setattr(step, "COMPILER", "eager")  # traced by torch.compile, and run as it is
    losses = []
    for compiled in (False, True):
        one, config = make(compiled=compiled)
        losses.append([update(one, batch(seed=it), config, CPU, learning_rate=1e-3) for it in range(3)])
        assert not step.uncompiled(one)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


@pytest.mark.slow
def test_where_compiling_fails_training_goes_on_and_says_so(job, monkeypatch):
    def broken(*_):
        raise RuntimeError("no compiler here\nand much more")

    whole = train(replace(job, out=job.out.with_name("whole")), Silent())
    monkeypatch.setattr(step, "COMPILER", broken)
    monkeypatch.setattr(step, "COMPILED_ON", {"cpu"})
    progress = Recorder()
    assert train(job, progress).header.fingerprint == whole.header.fingerprint
    [said] = progress.said
    assert "without torch.compile" in said
    assert "no compiler here" in said
    assert "\n" not in said


def test_full_memory_while_compiling_is_no_reason_to_try_without(make, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step.Compiled, "_compile", full)
    one, config = make(compiled=True)
    with pytest.raises(torch.OutOfMemoryError):
        update(one, batch(), config, CPU, learning_rate=1e-3)
