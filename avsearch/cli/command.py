"""A command whose help names an argument as people write it."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand


class Command(TyperCommand):
    """As Typer's own, without Python's names of types: `PATH...` instead of `{PATH}...` and `PATH <list[Path]>`."""

    def make_context(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401
        try:
            return super().make_context(*args, **extra)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's words, not for people
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  (Typer does not export its types)
        pieces = [written(it) for it in self.params if isinstance(it, TyperArgument)]
        needed = [f"{it.opts[0]} {it.metavar}" for it in self.params if it.required and it.opts[0].startswith("-")]
        return [*pieces, *needed, "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        arguments = [it for it in self.params if isinstance(it, TyperArgument)]
        records = [(it, it.get_help_record(ctx)) for it in self.get_params(ctx)]
        told = {it: record[1] for it, record in records if record is not None}
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(written(it), told[it]) for it in arguments])
        with formatter.section("Options"):
            formatter.write_dl(
                [record for it, record in records if record is not None and not isinstance(it, TyperArgument)]
            )


def written(argument: TyperArgument) -> str:
    """An argument's name, in brackets where it may be left out, with dots where several may be given."""
    name = f"{argument.metavar or argument.name}{'' if argument.nargs == 1 else '...'}"
    return name if argument.required else f"[{name}]"


def use_everywhere(app: typer.Typer) -> None:
    """Let all commands of a program be of this kind."""
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            use_everywhere(group.typer_instance)
