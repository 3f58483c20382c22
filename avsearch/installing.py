"""The commands that add a package to the environment avsearch runs in, which pip, pipx or uv may have made."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

_MARK_OF_PIPX, _MARK_OF_UV = "pipx_metadata.json", "uv-receipt.toml"


def pip(verb: str) -> str:
    """How pip is asked for something about this environment, as a shell reads it.

    Args:
        verb: `install` or `uninstall`.
    """
    here = Path(sys.prefix)
    if (here / _MARK_OF_PIPX).is_file():
        return f"pipx runpip {shlex.quote(here.name)} {verb}"
    if (here / _MARK_OF_UV).is_file():  # `uv tool` puts no pip there
        return f"uv pip {verb} --python {shlex.quote(sys.executable)}"
    return f"python -m pip {verb}"


def extra_command(extra: str) -> str:
    """The command that installs the packages of an extra of pyproject.toml."""
    return f"{pip('install')} 'avsearch[{extra}]'"


def extra_hint(extra: str, more: str = "") -> str:
    """The sentence that says how the packages of an extra are installed.

    Args:
        extra: one of pyproject.toml.
        more: what is said after the command.
    """
    return f"Run `{extra_command(extra)}`{more}."
