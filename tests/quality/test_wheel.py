"""An installed avsearch is complete: it can open, and upgrade, a library."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("avsearch", "indexer", "trainer", "migrations")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The names of all files in the wheel, built with the hatchling of this environment: no network is needed."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", folder]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, ROOT], check=True, capture_output=True)
    (wheel,) = folder.glob("avsearch-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_module(shipped):
    modules = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    assert modules - shipped == set()


def test_the_wheel_holds_what_is_not_python(shipped):
    assert {"avsearch/py.typed", "migrations/script.py.mako"} <= shipped
    assert {"avsearch/evaluation/page/page.html.jinja", "avsearch/evaluation/page/page.css"} <= shipped
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in shipped)


def test_the_wheel_holds_nothing_else(shipped):
    folders = {name.split("/")[0] for name in shipped}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)
