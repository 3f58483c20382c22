"""The command line; one file a command. Only here is anything printed, and only here does the program exit."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from avsearch.cli import (
    align,
    bench,
    demo,
    doctor,
    evaluate,
    importing,
    index,
    library,
    localize,
    query,
    serve,
    train,
)
from avsearch.cli.command import use_everywhere
from avsearch.cli.interrupt import clean_up_on_sigterm, exit_code_after, known_as_interrupt
from avsearch.cli.output import print_line, say
from avsearch.errors import AvsearchError


class Commands(TyperGroup):
    """All commands; whatever ends one becomes a sentence on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (Typer does not export its type)
        try:
            with known_as_interrupt():
                return super().invoke(ctx)
        except AvsearchError as error:
            say(f"error: {error.message}", *([error.hint] if error.hint else []))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as interrupt:
            say("Stopped. The same command goes on from here.")
            raise typer.Exit(exit_code_after(interrupt)) from interrupt
        except BrokenPipeError as error:  # the reader of our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from error


app = typer.Typer(
    cls=Commands,
    help="Search your own footage by picture and by sound, across the two.\n\n"
    "Example: avsearch query still.jpg --find audio",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some files could not be read, "
    "130 or 143 stopped (Ctrl-C, SIGTERM), 141 the reader of the output went away.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # it would take a default in brackets for markup, and leave it out
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(demo.demo)
app.command()(train.train)
app.command()(align.align)
app.command()(index.index)
app.command()(query.query)
app.command()(localize.localize)
app.command()(serve.serve)
app.command()(evaluate.evaluate)
app.add_typer(importing.app, name="import")
app.add_typer(library.app, name="library")
app.add_typer(bench.app, name="bench")
app.command()(doctor.doctor)
use_everywhere(app)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        print_line(f"avsearch {version('avsearch')}")
        raise typer.Exit


@app.callback()
def _all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command that the arguments name."""
    clean_up_on_sigterm()
    app()
