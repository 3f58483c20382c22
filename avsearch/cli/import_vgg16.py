"""`avsearch import vgg16`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.options import JsonOption, WeightsOut
from avsearch.cli.output import print_json, print_path, say, shell_line

CheckpointArgument = Annotated[
    Path, typer.Argument(help="torchvision's VGG16: a .pth file, or .safetensors.", metavar="CHECKPOINT")
]


def vgg16(checkpoint: CheckpointArgument, *, out: WeightsOut, as_json: JsonOption = False) -> None:
    """Make a weights file of torchvision's VGG16.

    It learnt ImageNet's labels. The checkpoint has to be there: nothing is downloaded. The encoder sees pictures
    and hears no sound, so its library answers image to image.

    Example: avsearch import vgg16 vgg16-397923af.pth --out vgg16.safetensors
    """
    from avsearch.models.vgg16_checkpoint import import_vgg16

    header = import_vgg16(checkpoint, out)
    say(f"{out}: VGG16, {header.dim}-D, {header.fingerprint}")
    say(f"Next: {shell_line(['avsearch', 'index', 'FOLDER', '--model', str(out)])}")
    if as_json:
        print_json({"weights": str(out), "fingerprint": header.fingerprint, "dim": header.dim})
    else:
        print_path(out)
