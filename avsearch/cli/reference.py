"""docs/commands.md, made from the commands themselves: `python -m avsearch.cli.reference > docs/commands.md`."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from avsearch.catalog import State
from avsearch.cli import app
from avsearch.cli.command import written
from avsearch.cli.index_result import result_record
from avsearch.cli.index_screen import event_record
from avsearch.cli.output import print_line
from avsearch.errors import AvsearchError
from indexer.events import Committed, Elsewhere, FileDone, Found, Reconnecting, Timings, Walking
from indexer.index_job import Indexed, IndexJob

REGENERATE = "python -m avsearch.cli.reference > docs/commands.md"
_HEAD = f"""# Commands

Every command with all of its options, made by `{REGENERATE}`.
Results go to stdout, progress and words for people to stderr. `avsearch --version` prints the version.
"""
_WIDTH = 120


def reference() -> str:
    """The whole page, in Markdown."""
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    sections = (_section(name, command) for name, command in walk(root))
    return "\n".join([_HEAD, f"{root.epilog}\n", *sections, _events(), "", _errors(), ""])


def walk(group: TyperGroup, name: str = "avsearch") -> Iterator[tuple[str, TyperCommand]]:
    """Full name and command of everything that can be run, in the order of `--help`."""
    for part, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from walk(command, f"{name} {part}")
        elif isinstance(command, TyperCommand):
            yield f"{name} {part}", command


def _section(name: str, command: TyperCommand) -> str:
    """Heading, usage, what it does, an example, its arguments and options."""
    text, _, example = inspect.cleandoc(command.help or "").partition("\n\nExample: ")
    arguments = [it for it in command.params if isinstance(it, TyperArgument)]
    options = [it for it in command.params if isinstance(it, TyperOption)]
    usage = " ".join([name, *map(written, arguments), *(_usage(it) for it in options if it.required), "[OPTIONS]"])
    rows = [_row(_usage(it), it) for it in arguments]
    rows += [_row(" ".join([*_names(it), *_metavar(it)]), it) for it in options]
    text = "\n\n".join(textwrap.fill(part, _WIDTH, break_on_hyphens=False) for part in text.split("\n\n"))
    lines = [f"## {name}", "", text, "", "```console", f"$ {example}", "```", "", f"Usage: `{usage}`", ""]
    return "\n".join([*lines, "| | | default |", "|---|---|---|", *rows, ""])


def _events() -> str:
    """What `avsearch index --json` prints, asked of what prints it."""
    nowhere = Path()
    examples = (
        Walking(0),
        Found(0, 0, 0, 0, 0),
        FileDone(nowhere, 0, State.INDEXED),
        Committed(0),
        Elsewhere(0, ()),
        Reconnecting(0, ""),
    )
    records = [event_record(event) for event in examples]
    ended = result_record(
        IndexJob([], nowhere), Indexed(0, 0, 0, 0, (), (), (), hours=0, seconds=0, stopped=False, timings=Timings())
    )
    rows = [(record["event"], [key for key in record if key != "event"]) for record in records]
    rows += [
        ("done", list(ended)),
        ("round, with `--watch`", list(ended)),
        ("error, with `--watch`", ["message", "hint"]),
    ]
    head = [
        "## Events of avsearch index --json",
        "",
        "One JSON object a line; `event` names it, and the last is `done`. `library reembed` and",
        "`library repair` print the same events without `walking`, and a `done` with fields of their own.",
    ]
    table = [f"| {name} | {', '.join(map(_code, keys))} |" for name, keys in rows]
    return "\n".join([*head, "", "| event | what it says |", "|---|---|", *table])


def _errors() -> str:
    """The kinds of errors, as the command line and Python programs meet them."""
    kinds: list[type[AvsearchError]] = [AvsearchError, *_below(AvsearchError)]
    head = [
        "## Errors",
        "",
        "An error is one sentence on stderr, `error: ...`, and a line that says what to do. Python programs meet",
        "the same ones (`avsearch.MediaError`, [api.md](api.md)) with `message` and `hint`; over HTTP they are",
        '`{"error": {"message", "hint"}}`.',
    ]
    rows = [f"| {_code(it.__name__)} | {_first_line(it)} | {it.exit_code} |" for it in kinds]
    return "\n".join([*head, "", "| error | what it says | exit code |", "|---|---|---|", *rows])


def _below(kind: type[AvsearchError]) -> Iterator[type[AvsearchError]]:
    for it in kind.__subclasses__():
        if it.__module__ == AvsearchError.__module__:
            yield it
            yield from _below(it)


def _first_line(kind: type[AvsearchError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _names(option: TyperOption) -> list[str]:
    """What can be typed: a flag that is on unless it is taken back has no name but that for taking it back."""
    return [name for name in (*option.opts, *option.secondary_opts) if name.strip()]


def _usage(parameter: TyperArgument | TyperOption) -> str:
    word = parameter.metavar or parameter.name or ""
    if isinstance(parameter, TyperOption):
        return " ".join([_names(parameter)[0], *_metavar(parameter)])
    return f"{word}..." if parameter.nargs == -1 else word


def _metavar(option: TyperOption) -> list[str]:
    """What stands behind the option; nothing behind a flag."""
    if option.is_flag:
        return []
    assert option.metavar, f"{option.opts[0]} has no metavar"
    return [option.metavar + ("..." if option.multiple else "")]


def _row(name: str, parameter: TyperArgument | TyperOption) -> str:
    return f"| {_code(name)} | {_escaped(parameter.help or '')} | {_escaped(_default(parameter))} |"


def _default(parameter: TyperArgument | TyperOption) -> str:
    """As `--help` says it, with the environment variable that can give it."""
    if parameter.required:
        return "required"
    words = parameter.show_default if isinstance(parameter.show_default, str) else ""
    if isinstance(parameter, TyperOption) and parameter.is_flag:
        return words
    if not words and parameter.default is not None and parameter.default is not False:
        words = f"`{parameter.default}`"
    return f"`{parameter.envvar}`, else {words}" if parameter.envvar else words


def _code(text: str) -> str:
    """As code in a cell of a table."""
    return "`" + text.replace("|", r"\|") + "`"


def _escaped(text: str) -> str:
    """As text in a cell of a table."""
    return re.sub(r"([|*<])", r"\\\1", text)


if __name__ == "__main__":
    for line in reference().splitlines():
        print_line(line)
