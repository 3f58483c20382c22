"""The command line; one file a command. Only here is anything printed, and only here does the program exit."""

from __future__ import annotations

import os
import sys

import typer

from avsearch.cli import demo, evaluate, index, library, query, train
from avsearch.cli.output import say
from avsearch.errors import AvsearchError

app = typer.Typer(
    help="Search your own footage by picture and by sound, across the two.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some files could not be read.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(train.train)
app.command()(index.index)
app.command()(query.query)
app.command()(evaluate.evaluate)
app.add_typer(library.app, name="library")


def main() -> None:
    """Run a command; an error becomes a sentence on stderr and an exit code."""
    try:
        app()
    except AvsearchError as error:
        say(f"error: {error.message}")
        if error.hint:
            say(error.hint)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("Stopped. The same command goes on from here.")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
