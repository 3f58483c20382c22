"""The lock is never stale: it pins, with hashes, all that pyproject.toml asks for on behalf of the tests."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements-test.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED_GROUPS = ("dev", "milvus")
LOCKED_EXTRAS = set(PROJECT["project"]["optional-dependencies"]) - {"gpu", "cuvs"}  # each owns the module faiss


def locked():
    """Each package of the lock with its version, and how many hashes it has."""
    entries = re.findall(r"^([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", LOCK, re.MULTILINE)
    return {name: (version, hashes.count("--hash=")) for name, version, hashes in entries}


def of_group(name):
    """The requirements of a dependency group, with those of the groups in it."""
    for it in PROJECT["dependency-groups"][name]:
        yield from [it] if isinstance(it, str) else of_group(it["include-group"])


def wanted():
    extras = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], *(it for name in LOCKED_EXTRAS for it in extras[name])]
    lines += [it for name in LOCKED_GROUPS for it in of_group(name)]
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return sorted({*lines, *pins})


def test_every_line_of_the_lock_pins_a_version_with_its_hashes():
    entries = [line for line in LOCK.splitlines() if line and not line.startswith(("#", " "))]
    assert len(locked()) == len(entries) > len(wanted())


@pytest.mark.parametrize("line", wanted())
def test_the_lock_has_what_is_asked_for(line):
    it = Requirement(line)
    version, _ = locked().get(canonicalize_name(it.name), ("", 0))
    assert version, f"{it.name} is not in the lock: run make lock"
    assert it.specifier.contains(version, prereleases=True), f"the lock has {version}: run make lock"


def test_the_lock_names_no_index_and_no_file_of_one_machine():
    """A stranger's pip takes everything from PyPI."""
    assert not re.search(r"://|--index|--find-links|@ |file:", LOCK)
