"""docs/library.md: what it shows is what is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from avsearch.catalog import State
from avsearch.cli.library import app
from avsearch.library import open_library, verify
from avsearch.moments import Modality
from avsearch.schema import metadata
from avsearch.vectors import LocalShelf, Rows, write_segment
from tests.library.stored import moments

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()


def section(title):
    """From a heading to the next one."""
    return re.split(r"^#+ ", PAGE.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text):
    """What stands as code in the first cells of a table."""
    return [
        name for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    ]


def parts(data):
    """Length of the header, what it says (safetensors writes its texts in any order), and all bytes after it."""
    length = int.from_bytes(data[:8], "little")
    return length, json.loads(data[8 : 8 + length]), data[8 + length :]


def test_the_bytes_shown_are_those_of_such_a_segment(tmp_path):
    shown = re.findall(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2} {1,2})+)\|", PAGE, re.MULTILINE)
    rows = Rows(np.eye(2, 4, dtype=np.float32), np.array([7, 7]), np.array([0, 1_000_000]))
    written = write_segment(LocalShelf(tmp_path), rows, modality=Modality.IMAGE, fingerprint="0123456789abcdef" * 2)
    assert parts(bytes.fromhex("".join(shown))) == parts((tmp_path / written.name).read_bytes())


def test_the_three_lines_read_a_segment(library, fill):
    fill("a")
    path = library.layout.shelf.folder / library.snapshot().segments[0].name
    (lines,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    found = {}
    exec(re.sub(r'"LIBRARY.+?"', repr(str(path)), lines), found)
    assert len([line for line in lines.splitlines() if line]) == 3
    assert [len(found[name]) for name in ("vector", "media_id", "start_us")] == [2, 2, 2]


def test_every_table_of_the_catalog_is_named():
    assert set(first_cells(section("The catalog"))) == {*metadata.tables, "alembic_version"}


def test_every_state_of_a_file_is_named():
    assert first_cells(section("States of a file")) == [str(state) for state in State]


def test_every_command_of_a_library_is_named():
    named = {
        name.removeprefix("library ").split()[0]
        for name in first_cells(section("What each command does to which bytes"))
    }
    commands = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    assert named == commands | {"index", "query", "localize", "evaluate"}


@pytest.mark.sqlite
def test_the_commands_of_a_backup_make_one(commits, tmp_path):
    if not (shutil.which("sqlite3") and shutil.which("flock")):
        pytest.skip("sqlite3 or flock is not installed")
    commands = re.findall(r"```console\n(.+?)```", section("Backup"), re.DOTALL)[0].replace("$ ", "")
    (tmp_path / "lib").symlink_to(commits.directory)
    before = moments(commits)
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True)
    copy = open_library(tmp_path / "backup")
    assert moments(copy) == before
    assert verify(copy) == []
