"""What no tool checks: sizes, names, imports in disguise, the fixed top level, paths of one machine."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("avsearch", "indexer", "trainer", "migrations")
FOLDERS = (*PACKAGES, "tests", "benchmarks")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 40
EMPTY_WORDS = re.compile("manager|utils|helper|handler|processor", re.IGNORECASE)
MACHINE_PATHS = re.compile(rb"/(?:work|root|home)/")
BY_NAME = {"import_module", "__import__"}

REQUIRED = {".ci", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "docs", "pyproject.toml", "tests", *PACKAGES}
ALLOWED = REQUIRED | {
    *(".containerignore", ".gitignore", "CONTRIBUTING.md", "Containerfile", "SECURITY.md", "benchmarks"),
    *("constraints.txt", "mkdocs.yml", "requirements-test.lock"),
}

HELP = "import sys; sys.argv = ['avsearch', '--help']; from avsearch.cli import main; main()"


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def parsed():
    """(path from the root, syntax tree) of every module."""
    return [(relative(path), ast.parse(path.read_bytes())) for path in SOURCES]


def tracked_files():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return listing.split("\0")[:-1]


def names_given_in(tree):
    """Every name that the module itself gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def imports_in(tree):
    """The modules that import statements name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def called_name(call):
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def assert_none(found):
    assert not found, "\n" + "\n".join(map(str, found))


def test_no_module_is_longer_than_a_few_screens():
    lines = {relative(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert_none([(path, count) for path, count in lines.items() if count > MAX_MODULE_LINES])


def test_no_function_is_longer_than_a_screen(parsed):
    functions = [
        (f"{path}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1)
        for path, tree in parsed
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert_none([(name, count) for name, count in functions if count > MAX_FUNCTION_LINES])


def test_no_name_is_an_empty_word(parsed):
    named = [(path, name) for path, tree in parsed for name in (path, *names_given_in(tree))]
    assert_none([(path, name) for path, name in named if EMPTY_WORDS.search(name)])


def test_only_vectors_imports_an_outside_package_by_its_name(parsed):
    """Imports by name are hidden from import-linter; FAISS needs one, because torch must come first."""
    hidden = [
        (path, node.args[0].value)
        for path, tree in parsed
        if path.startswith(PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called_name(node) in BY_NAME and isinstance(node.args[0], ast.Constant)
    ]
    assert_none([found for found in hidden if found[0] != "avsearch/vectors/backend.py"])


def test_no_two_modules_import_each_other(parsed):
    """Not for types, and not inside functions either: what both know belongs into a third."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): tree for path, tree in parsed}
    imports = {name: set(imported_among(modules, tree)) & modules.keys() for name, tree in modules.items()}
    assert len(imports["avsearch.cli.query"]) > 5
    assert_none([(a, b) for a, found in imports.items() for b in found if a < b and a in imports[b]])


def imported_among(modules, tree):
    """The modules of ours that import statements mean: a package only where a name of its own is taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in inside)


def test_a_migration_stands_alone(parsed):
    """It must do in ten years what it does today, whatever becomes of the code."""
    versions = [(path, tree) for path, tree in parsed if path.startswith("migrations/versions/")]
    assert len(versions) > 0
    assert_none([(path, name) for path, tree in versions for name in imports_in(tree) if name.startswith(PACKAGES)])


@pytest.mark.parametrize(
    "program", ["import avsearch", "import avsearch.cli", HELP], ids=["package", "cli", "help"]
)
def test_neither_torch_nor_faiss_nor_ray_is_loaded_before_it_is_needed(program):
    tell = (
        "import atexit, sys; atexit.register(lambda: print('loaded', {'torch', 'faiss', 'ray'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", f"{tell}; {program}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded set()\n")


def test_the_top_level_is_the_fixed_one():
    assert_none({path.split("/")[0] for path in tracked_files()} - ALLOWED)
    assert_none({name for name in REQUIRED if not (ROOT / name).exists()})


def test_no_tracked_file_names_a_path_of_one_machine():
    files = [ROOT / name for name in tracked_files()]
    assert_none([relative(path) for path in files if path.is_file() and MACHINE_PATHS.search(path.read_bytes())])
