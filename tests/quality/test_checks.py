"""The formatter, the linter, the type checker and the import contracts belong to the one test command."""

import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def assert_passes(program, *arguments):
    """Run a program of this environment in the repository's root; what it finds is the failure's message."""
    command = [Path(sysconfig.get_path("scripts"), program), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"


def test_the_code_is_formatted():
    assert_passes("ruff", "format", "--check", ".")


def test_the_linter_has_nothing_to_say():
    assert_passes("ruff", "check", ".")


def test_the_types_are_right():
    assert_passes("mypy", "--strict", "--no-error-summary")


def test_imports_keep_to_the_contracts():
    assert_passes("lint-imports", "--no-logo")
