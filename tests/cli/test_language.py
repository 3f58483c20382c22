"""One language: what has the same name is the same thing, on every command and page, over HTTP and in Python."""

import ast
import re
from collections import defaultdict
from dataclasses import fields
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest
from typer.core import TyperOption
from typer.main import get_command

from avsearch.cli import app
from avsearch.cli.options import HOW, OUTPUT, WORKS_ON
from avsearch.cli.reference import walk
from avsearch.errors import AvsearchError, LibraryError, unwritable
from avsearch.library.layout import made_folder
from tests.cli.command import here, objects

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = dict(walk(get_command(app)))
MEANS_MORE = {  # options whose help or default differs between commands, and why
    "--clips": "of each kind that the demo draws; in the memory that `bench gpu` fills",
    "--dir": "what is kept there: the demo is made there, `bench search` deletes it",
    "--model": "what the weights are for",
    "--out": "what is written",
    "--split": "which rows are read; which split the rows that are written get",
    "--minutes": "the demo trains two networks",
    "--steps": "the benchmarks time so many of each kind",
    "-k": "hits that are shown; the rank at which they are judged",
    "--batch-size": "`bench gpu` halves it by itself, so it begins with a large one",
    "--library": "`bench search` makes moments of its own, and takes a library only where one is named",
    "--ontology": "what it is read for",
    "--device": "what only compares vectors can do so on the CPU; training on it unasked would take days",
}
OTHER_DEFAULT = {  # the same thing, with another default
    "--cache": "beside what the command writes",
    "--recipe": "`train --audit` takes one that has negatives",
    "--size": "a GPU is measured with what GPUs train; `bench index` refuses one beside --model",
}
OTHER_TYPE = {"--out"}  # a file or a folder, of one kind or another


def options_of(command):
    return [it for it in command.params if isinstance(it, TyperOption)]


def name_of(option):
    return next(name for name in (*option.opts, *option.secondary_opts) if name.strip())


def kind_of(option):
    """The type of one value."""
    annotation = option.type_descriptor.annotation
    return (get_args(annotation) or (annotation,))[0]


def uses():
    """Each option's name -> [(command, option)]."""
    found = defaultdict(list)
    for command, it in COMMANDS.items():
        for option in options_of(it):
            found[name_of(option)].append((command, option))
    return {name: found[name] for name in found if len(found[name]) > 1}


USES = uses()


def place(name):
    """The group that an option stands in: what is worked on, its own, the library, how, where the output goes."""
    groups = (WORKS_ON, None, ("--library",), HOW, OUTPUT)
    return next((number for number, group in enumerate(groups) if group and name in group), 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_options_stand_in_one_order(command):
    names = [name_of(option) for option in options_of(COMMANDS[command])]
    places = [place(name) for name in names]
    assert places == sorted(places), names
    for group in (WORKS_ON, HOW, OUTPUT):
        found = [name for name in names if name in group]
        assert found == sorted(found, key=group.index), names


def test_options_that_two_commands_have_stand_in_the_same_order_on_both():
    orders = {command: [name_of(it) for it in options_of(COMMANDS[command])] for command in COMMANDS}
    for (one, first), (other, second) in combinations(orders.items(), 2):
        shared = [name for name in first if name in second]
        assert shared == [name for name in second if name in first], (one, other)


@pytest.mark.parametrize("name", USES)
def test_an_option_is_the_same_thing_wherever_it_is(name):
    def kinds(*attributes):
        return {tuple(str(getattr(option, it)) for it in attributes) for _, option in USES[name]}

    if name not in OTHER_TYPE:
        assert len({kind_of(option) for _, option in USES[name]}) == 1
        assert len(kinds("metavar")) == 1
    assert len(kinds("opts")) == 1
    assert (len(kinds("help")) > 1) <= (name in MEANS_MORE)
    assert (len(kinds("default", "show_default")) > 1) <= (name in {*MEANS_MORE, *OTHER_DEFAULT})


def test_no_difference_is_excused_that_is_gone():
    def differs(name, *attributes):
        return len({tuple(str(getattr(option, it)) for it in attributes) for _, option in USES[name]}) > 1

    assert [name for name in MEANS_MORE if not differs(name, "help")] == []
    assert [name for name in OTHER_DEFAULT if not differs(name, "default", "show_default")] == []
    assert [name for name in OTHER_TYPE if not differs(name, "metavar")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_json_where_it_is_asked_to_and_says_so_last(command):
    assert name_of(options_of(COMMANDS[command])[-1]) == "--json"


def test_a_server_and_an_upgrade_tell_as_json_too(own_library, monkeypatch):
    monkeypatch.setattr(
        "avsearch.web.serving.serve", lambda _settings, _stop, *, tell: tell("http://127.0.0.1:80/")
    )
    code, out, _ = here("serve", "--library", own_library, "--json")
    assert (code, objects(out)) == (0, [{"library": str(own_library), "address": "http://127.0.0.1:80/"}])
    code, out, _ = here("library", "upgrade", "--library", own_library, "--json")
    assert (code, objects(out)) == (0, [{"library": str(own_library)}])


ONE_CAUSE = {  # how a message ends -> what its hint says
    "nothing has been indexed.": "'Run `avsearch index FOLDER`.'",
    "there is no such file.": "'Check the path.'",
}


def errors_raised():
    """(where, message, hint) of each error that the code makes, as they are written."""
    for path in sorted(it for folder in ("avsearch", "indexer", "trainer") for it in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error") and node.args:
                hints = [ast.unparse(it.value) for it in node.keywords if it.arg == "hint"]
                yield f"{path.name}:{node.lineno}", ast.unparse(node.args[0]), "".join(hints)


def test_what_cannot_be_written_or_made_is_said_in_one_place_with_one_hint(tmp_path):
    said = [it for it in errors_raised() if re.search(r"\}: cannot be (written|made) \(\{error", it[1])]
    assert [it[0].partition(":")[0] for it in said] == ["layout.py"]  # `unwritable` says the other
    (tmp_path / "x").touch()
    with pytest.raises(LibraryError, match=r"/y: cannot be made \(Not a directory\)\.") as caught:
        made_folder(tmp_path / "x" / "y")
    other = unwritable(LibraryError, tmp_path, "no room")
    assert other.message == f"{tmp_path}: cannot be written (no room)."
    assert {it.hint for it in (caught.value, other)} == {"Check free space and permissions."}


@pytest.mark.parametrize("ending", ONE_CAUSE)
def test_one_cause_has_one_sentence_and_one_hint(ending):
    found = [it for it in errors_raised() if it[1].rstrip("'\"").endswith(f"}}: {ending}")]
    assert len(found) > 1
    other = [
        it for it in found if it[2] != ONE_CAUSE[ending] and "address(path)" not in it[1] and "preview" not in it[0]
    ]
    assert other == []


def test_what_is_not_installed_is_said_with_the_command_that_installs_it():
    found = [it for it in errors_raised() if "not installed" in it[1] and "argv[0]" not in it[1]]
    assert len(found) > 5
    assert [it for it in found if " need" not in it[1] or not it[2]] == []
    assert [it for it in found if it[2] != "hint" and not re.match(r"(extra|_install)_hint\(", it[2])] == []
    assert [it.name for it in (ROOT / "avsearch").rglob("*.py") if "-m pip" in it.read_text()] == ["installing.py"]


def below(kind):
    """An error and all that are derived from it, of our own."""
    return [kind, *(it for sub in kind.__subclasses__() if sub.__module__ == kind.__module__ for it in below(sub))]


ERRORS = below(AvsearchError)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda it: it.__name__)
def test_an_error_ends_a_command_with_its_documented_exit_code_and_python_knows_it(kind, monkeypatch):
    import avsearch

    page = (ROOT / "docs" / "commands.md").read_text()
    documented = re.search(rf"^\| `{kind.__name__}` \| .+ \| (\d+) \|$", page, re.MULTILINE)
    assert documented, f"docs/commands.md does not name {kind.__name__}"

    def fail(_directory):
        raise kind("It cannot be.", hint="Leave it.")

    monkeypatch.setattr("avsearch.library.open_library", fail)
    assert here("library", "compact") == (int(documented[1]), "", "error: It cannot be.\nLeave it.\n")
    assert getattr(avsearch, kind.__name__) is kind
    assert f"`{kind.__name__}`" in (ROOT / "docs" / "api.md").read_text()


def test_every_exit_code_is_documented_where_the_commands_are():
    head = (ROOT / "docs" / "commands.md").read_text().partition("## ")[0]
    for code in (0, *{it.exit_code for it in ERRORS}, 3, 130, 143, 141):
        assert re.search(rf"\b{code}\b", head), code


ONLY_OVER_HTTP = ["name", "root", "has_picture", "has_sound"]  # a page has to show a hit without its file
NOT_OVER_HTTP = {"source", "like", "plus", "minus", "crop", "by"}  # parts of `terms`
OF_THE_COMMAND = {
    "library",
    "device",
    "html",
    "m3u",
    "edl",
    "thumbnails",
    "as_json",
}  # where it runs and what it writes


def schemas():
    """The OpenAPI document's objects by name -> the names of their fields."""
    from avsearch.web.app import build_api

    document = build_api(None).openapi()
    return {name: list(it.get("properties", ())) for name, it in document["components"]["schemas"].items()}


def test_a_hit_has_the_same_names_in_python_on_the_command_line_and_over_http():
    from avsearch.cli.query_output import hit_record
    from avsearch.moments import Hit, MediaKind, Modality

    names = [it.name for it in fields(Hit)]
    hit = Hit(1, 0.5, Path("a.mp4"), 7, "7:image:0", Modality.IMAGE, 0.0, 0.0, 0.0, 0.0, (), 2.0, MediaKind.VIDEO)
    assert list(hit_record(hit)) == names
    assert schemas()["HitOut"] == [*names, *ONLY_OVER_HTTP]


def test_a_question_has_the_same_names_in_python_on_the_command_line_and_over_http():
    from avsearch.query import Query

    names = {it.name for it in fields(Query)}
    options = {it.name for it in COMMANDS["avsearch query"].params}
    assert set(schemas()["SearchIn"]) == names
    assert options - NOT_OVER_HTTP - OF_THE_COMMAND == names - {"terms"}
    assert {"crop", "by", "weight"} <= set(schemas()["TermIn"])


def named_options(page):
    """The options of avsearch that a page names in passing, with the command that it names beside them, if any."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`\n]*--[^`\n]*)`", text):
        words = code.replace("\\|", " ").split()
        name = next((it for it in sorted(COMMANDS, key=len, reverse=True) if f"avsearch {code} ".replace(
            "avsearch avsearch", "avsearch").startswith(f"{it} ")), None)  # fmt: skip
        if name or words[0].startswith("--"):
            yield from (
                (name, word.split("=")[0]) for word in words if re.fullmatch(r"--[a-z][a-z0-9-]*(=.*)?", word)
            )


EVERYWHERE = {"--help", "--version"}
OF_OTHER_PROGRAMS = {"--extra-index-url", "--pip-args", "--torch-backend", "--build-arg", "--gpus", "--userns"}
"""Of pip, pipx, uv, podman and docker, where pages say how to install."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page):
    of = {
        command: {name for option in options_of(it) for name in (*option.opts, *option.secondary_opts)}
        for command, it in COMMANDS.items()
    }
    anywhere = set().union(*of.values(), EVERYWHERE)
    wrong = [
        it
        for it in named_options(page)
        if it[1] not in (of[it[0]] | EVERYWHERE if it[0] else anywhere | OF_OTHER_PROGRAMS)
    ]
    assert wrong == []


def test_the_page_of_commands_names_every_command_and_option():
    page = (ROOT / "docs" / "commands.md").read_text()
    for command, it in COMMANDS.items():
        section = page.partition(f"## {command}\n")[2].partition("\n## ")[0]
        assert section, command
        assert [name_of(option) for option in options_of(it) if f"`{name_of(option)}" not in section] == []


def test_an_option_that_does_not_exist_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "`avsearch index --watch`, `index --lable`, `--exact`, `pip --user`, and `query --find|--seek`\n"
    )
    assert set(named_options(page)) == {
        ("avsearch index", "--watch"),
        ("avsearch index", "--lable"),
        (None, "--exact"),
    }
    assert sum(1 for it in PAGES for _ in named_options(it)) > 60
