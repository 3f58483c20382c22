"""`avsearch import vgg16`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.options import WeightsOut
from avsearch.cli.output import print_line, shell_line

CheckpointArgument = Annotated[
    Path, typer.Argument(help="torchvision's VGG16: a .pth file, or .safetensors.", metavar="CHECKPOINT")
]


def vgg16(checkpoint: CheckpointArgument, *, out: WeightsOut) -> None:
    """Make a weights file of torchvision's VGG16.

    It learnt ImageNet's labels. The checkpoint has to be there: nothing is downloaded. The encoder sees pictures
    and hears no sound, so its library answers image to image.

    Example: avsearch import vgg16 vgg16-397923af.pth --out vgg16.safetensors
    """
    from avsearch.models.vgg16_checkpoint import import_vgg16

    header = import_vgg16(checkpoint, out)
    print_line(f"{out}: VGG16, {header.dim}-D, {header.fingerprint}")
    print_line(f"Index with it: {shell_line(['avsearch', 'index', 'FOLDER', '--model', str(out)])}")
