"""`avsearch library ...`: one file a command."""

from __future__ import annotations

import typer

from avsearch.cli.library.compact import compact
from avsearch.cli.library.engine import engine
from avsearch.cli.library.export import export
from avsearch.cli.library.optimize import optimize
from avsearch.cli.library.reembed import reembed
from avsearch.cli.library.relink import relink
from avsearch.cli.library.remove import remove
from avsearch.cli.library.repair import repair
from avsearch.cli.library.set_localizer import set_localizer
from avsearch.cli.library.status import status
from avsearch.cli.library.upgrade import upgrade
from avsearch.cli.library.verify import verify

app = typer.Typer(
    help="Look after a library.\n\nExample: avsearch library status", no_args_is_help=True, rich_markup_mode=None
)
COMMANDS = (
    status, verify, repair, compact, optimize, engine, remove, relink, reembed, set_localizer, export, upgrade,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
