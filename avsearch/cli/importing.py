"""`avsearch import`: what others made, brought into a form that avsearch uses."""

from __future__ import annotations

import typer

from avsearch.cli import import_audioset, import_vgg16

app = typer.Typer(
    help="Bring in what others made: weights and datasets.\n\n"
    "Example: avsearch import vgg16 vgg16-397923af.pth --out vgg16.safetensors",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("audioset")(import_audioset.audioset)
app.command("vgg16")(import_vgg16.vgg16)
