"""The page of licences is that of the lock, says what packages say, and what users install binds nobody."""

import re
import runpy
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib",
}  # fmt: skip
EXPLAINED = {"certifi", "orjson", "psycopg", "psycopg-binary"}
TABLE, LISTED = (
    {cells[1]: cells[2:4] for line in part.splitlines() if len(cells := re.split(r" *\| *", line)) == 5}
    for part in (ROOT / "docs/licences.md").read_text().split("| package | licence | needed by |")
)


def test_the_page_lists_what_is_locked():
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-test.lock").read_text(), re.MULTILINE)
    assert list(LISTED)[1:] == locked, "run make licences"


def shipped_with():
    """Each package that is needed at run time or by an extra, with its licence."""
    of_users = {
        name: licence for name, (licence, use) in LISTED.items() if use == "run time" or use.startswith("`")
    }
    assert {"torch", "numpy", "psycopg", "fastapi"} <= set(of_users)
    return of_users


@pytest.mark.parametrize(("name", "licence"), shipped_with().items())
def test_what_users_install_is_permissive_or_explained(name, licence):
    parts = set(re.split(r" AND | OR ", licence.replace("(", "").replace(")", "")))
    assert parts <= PERMISSIVE or name in EXPLAINED


def test_each_exception_has_its_reason_on_the_page():
    named = {name for cell in TABLE for name in cell.split(", ")}
    assert named >= EXPLAINED
    assert all(
        licence == LISTED[name][0]
        for cell, (licence, _) in TABLE.items()
        for name in cell.split(", ")
        if name in EXPLAINED
    )


def test_the_page_says_what_the_packages_here_say():
    """Those of the locked version; another one may have another licence."""
    versions = dict(
        re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements-test.lock").read_text(), re.MULTILINE)
    )
    stated = runpy.run_path(str(ROOT / ".ci/licences.py"))["stated"]
    here = {it.name.lower().replace("_", "-"): it.version for it in metadata.distributions()}
    same = [name for name, version in versions.items() if here.get(name) == version]
    assert {name: stated(name) for name in same} == {name: LISTED[name][0] for name in same}
