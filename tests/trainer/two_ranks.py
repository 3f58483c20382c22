"""A program for torchrun: six exact steps on made tensors; the first rank prints the loss of each."""

import sys
from dataclasses import replace

import torch

from avsearch.models.networks import NETWORKS
from tests.models import tiny
from trainer import step
from trainer.distributed import joined
from trainer.objectives import objective
from trainer.recipes import recipe

CPU = torch.device("cpu")
STEPS = 6


class Made:
    """Stands for a batch; its tensors are made, not read."""

    def to(self, _device):
        return self


def exact_losses(name, config, ranks):
    """Train in double precision, where the order of sums does not matter, on this rank's rows of six."""
    torch.Tensor.float = torch.Tensor.double
    step.fast_bfloat16 = lambda _: False
    step.objective = lambda config: objective(config).double()
    torch.manual_seed(0)
    network = NETWORKS[config.architecture](config.widths).double()
    images = torch.randn(6, *config.front_end.image_shape, dtype=torch.float64)
    sounds = torch.randn(12, *tiny.FRONT_END.audio_shape, dtype=torch.float64)
    network.start(images, sounds[:6])
    one = step.learner(network, config, CPU, ranks=ranks)
    media, partner = torch.tensor([0, 1, 1, 2, 3, 2]), torch.tensor([1, 0, 3, 4, 5, 0])
    share = ranks.share(6)
    rows = slice(ranks.rank * share, (ranks.rank + 1) * share)
    elsewhere = sounds[6:][rows] if name == "ave" else None
    step.tensors = lambda *_: (images[rows], sounds[:6][rows], media[rows], partner[rows], elsewhere)
    return [step.update(one, Made(), config, CPU, learning_rate=1e-3) for _ in range(STEPS)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    named = recipe(sys.argv[1], "small")
    doubt = 0.0 if sys.argv[1] == "ave-views" else 0.5  # which has several positives, and doubts none
    seen = {"num_frames": named.front_end.num_frames, "flow": named.front_end.flow}
    front_end = replace(tiny.FRONT_END, **seen)
    small = replace(named, widths=tiny.WIDTHS, front_end=front_end, batch_size=6, false_negatives=doubt)
    with joined(CPU) as found:
        told = exact_losses(sys.argv[1], small, found)
        if found.is_first:
            sys.stdout.write(" ".join(map(repr, told)))
