"""The commands, their help and the pages that name them say the same."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from avsearch.cli import app
from avsearch.cli.reference import REGENERATE, reference, walk
from tests.cli.command import here

ROOT = Path(__file__).parents[2]
COMMANDS = dict(walk(get_command(app)))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def parse(line):
    """Read a command line as avsearch would, without running it; an unknown option or word raises."""
    words = shlex.split(line, comments=True)
    name = max((name for name in COMMANDS if words[: len(name.split())] == name.split()), default=None, key=len)
    assert name is not None, f"no such command: {line}"
    COMMANDS[name].make_context(name, words[len(name.split()) :])


def lines_of(page):
    """The command lines that a page shows in its blocks of code; `...` stands for what the reader fills in."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("avsearch ") and "..." not in line]


def test_the_page_of_commands_is_what_the_commands_say():
    page = ROOT / "docs" / "commands.md"
    assert page.exists(), f"run `{REGENERATE}`"
    assert page.read_text() == reference(), f"docs/commands.md is stale: run `{REGENERATE}`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example_that_can_be_run(name):
    text, _, example = (COMMANDS[name].help or "").partition("Example: ")
    assert len(text) > 20
    assert example.startswith(name)
    parse(example.strip())


def test_what_holds_commands_has_an_example_of_one():
    root = get_command(app)
    groups = {
        "avsearch": root,
        **{f"avsearch {name}": it for name, it in root.commands.items() if hasattr(it, "commands")},
    }
    assert len(groups) == 4
    for name, group in groups.items():
        text, _, example = (group.help or "").partition("\n\nExample: ")
        assert text.endswith("."), name
        assert example.startswith(name), name
        parse(example)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_that_is_a_sentence(name):
    for parameter in COMMANDS[name].params:
        assert parameter.help, parameter.name
        assert parameter.help.endswith((".", ")")), parameter.help
        assert "[" not in parameter.help  # a default written into the text


def test_the_first_lines_fit_beside_the_names_of_the_commands():
    """Longer ones are cut off in the list of commands."""
    first = {name: (command.help or "").split("\n")[0] for name, command in COMMANDS.items()}
    assert {name: line for name, line in first.items() if len(line) > 66 or not line.endswith(".")} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_that_a_page_shows_is_one(page):
    for line in lines_of(page):
        parse(line)


def test_a_wrong_command_line_would_be_found():
    for line in ("avsearch index a --no-such-option", "avsearch library vanish", "avsearch query"):
        with pytest.raises(Exception, match=r"such|Missing"):
            parse(line)


def test_no_option_has_an_empty_name():
    assert "`/" not in reference()
    assert "| ` " not in reference()
    assert "| `--no-compile` | Leave torch.compile out. |  |" in reference()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_arguments_as_they_are_written(name):
    code, told, _ = here(*name.split()[1:], "--help")
    assert code == 0
    assert re.search(r"<[a-z]|\{\w", told) is None
    for parameter in COMMANDS[name].params:
        assert (parameter.metavar or "--")[:4] in told
    usage = re.search(r"^Usage: \S+ (.*?)\n\n", told, re.DOTALL)[1]
    assert all(it.opts[0] in usage for it in COMMANDS[name].params if it.required and it.opts[0].startswith("-"))


def test_help_shows_what_may_be_left_out_and_what_may_be_given_often():
    assert "[OPTIONS]" in here("index", "--help")[1]
    assert "PATH... --out RUN" in here("train", "--help")[1]
    assert "IMAGE[@S|@A-B] [SOUND[@S|@A-B]]" in here("localize", "--help")[1]
