"""What is shipped is complete, and nothing else: the sdist of the checkout, and the wheel that is built from it."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes

import pytest

from tests.built import ROOT, build_sdist, build_wheel

PACKAGES = ("avsearch", "indexer", "trainer", "migrations")
LEFTOVERS = re.compile(r"__pycache__|\.py[co]$|\.egg-info|_cache/|\.venv|(^|/)\.git(/|$)|\.sqlite3$|\.safetensors$")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """No network is needed: hatchling is in this environment."""
    return build_sdist(tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, sdist):
    with zipfile.ZipFile(build_wheel(sdist, tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def shipped(wheel):
    """The names of all files in the wheel."""
    return set(wheel.namelist())


@pytest.fixture(scope="module")
def packed(sdist):
    """The names of all files in the sdist, from its folder."""
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def sources(pattern):
    """Files of the packages in the checkout."""
    return {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob(pattern)}


def test_the_wheel_holds_every_module(shipped):
    assert sources("*.py") - shipped == set()


def test_the_wheel_holds_what_is_not_python(shipped):
    assert {"avsearch/py.typed", "migrations/script.py.mako"} <= shipped
    assert {"avsearch/evaluation/page/page.html.jinja", "avsearch/evaluation/page/page.css"} <= shipped
    page = {name for name in sources("*.*") if name.startswith("avsearch/web/page/")}
    assert {"avsearch/web/page/index.html", "avsearch/web/page/app.js", "avsearch/web/page/style.css"} <= page
    assert page - shipped == set()


def test_the_wheel_holds_nothing_else(shipped):
    folders = {name.split("/")[0] for name in shipped}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)
    assert [name for name in shipped if LEFTOVERS.search(name)] == []


def test_the_wheel_says_what_it_is(wheel, shipped):
    (licence,) = (name for name in shipped if name.endswith(".dist-info/licenses/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    (name,) = (name for name in shipped if name.endswith(".dist-info/METADATA"))
    told = message_from_bytes(wheel.read(name))
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == "<3.15,>=3.11"
    assert told.get_payload().startswith("# avsearch")


def test_the_sdist_holds_all_that_is_tracked_of_code_tests_and_pages(packed):
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", *PACKAGES, "tests", "docs", "benchmarks"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    assert {name for name in done.stdout.split("\0")[:-1] if (ROOT / name).exists()} - packed == set()
    assert {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "PKG-INFO", "Makefile"} <= packed


def test_the_sdist_holds_nothing_that_was_left_lying_in_the_checkout(tmp_path):
    """Footage, a library or an environment in the folder is nobody else's business."""
    for name in (
        "footage/private.mp4",
        "lib/catalog.sqlite3",
        ".venv-3.12/pyvenv.cfg",
        "avsearch/__pycache__/x.pyc",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("private")
    for name in ("pyproject.toml", "README.md", "LICENSE", "avsearch/__init__.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path / "dist"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (made,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(made) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {"pyproject.toml", "README.md", "LICENSE", "avsearch/__init__.py", "PKG-INFO"}
