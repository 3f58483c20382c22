"""avsearch as it is shipped: an sdist of the checkout, the wheel of that sdist, and an environment that has it."""

import os
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NO_NETWORK = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")


def build_sdist(folder):
    """The sdist of this checkout, by the hatchling of this environment."""
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder, cwd=ROOT)
    (sdist,) = Path(folder).glob("avsearch-*.tar.gz")
    return sdist


def build_wheel(source, folder):
    """The wheel of a checkout or of an sdist, as `pip wheel` builds it."""
    command = [sys.executable, "-m", "pip", "wheel", *NO_NETWORK, "--no-build-isolation", "--wheel-dir", folder]
    run(*command, source)
    (wheel,) = Path(folder).glob("avsearch-*.whl")
    return wheel


def clean_environment(folder, wheel, *extras):
    """A virtual environment with the wheel and what it says that it needs, and nothing else.

    What it needs is not downloaded again: it is linked from this environment, distribution by distribution.
    """
    venv.create(folder)
    python = Path(folder) / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", *NO_NETWORK, wheel)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": folder, "platbase": folder}))
    (info,) = metadata.distributions(name="avsearch", path=[str(site)])
    for name in sorted(needed(info.requires, extras)):
        _link(metadata.distribution(name), site)
    return python


def needed(lines, extras=()):
    """The normalised names of all distributions that some requirements ask for, and those for others."""
    found, waiting = set(), [(Requirement(line), frozenset(extras)) for line in lines]
    while waiting:
        it, among = waiting.pop()
        if it.marker and not any(it.marker.evaluate({"extra": extra}) for extra in ("", *among)):
            continue
        name = (canonicalize_name(it.name), frozenset(it.extras))
        if name not in found:
            found.add(name)
            waiting += [(Requirement(line), name[1]) for line in _requires(it.name)]
    return {name for name, _ in found}


def _requires(name):
    """What a distribution says that it needs; nothing of one that is not installed."""
    try:
        return metadata.requires(name) or ()
    except metadata.PackageNotFoundError:
        return ()


def run(*command, **options):
    """A program that must succeed, outside of the checkout unless told otherwise."""
    options = {"cwd": "/", "env": outside(), **options}
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def outside():
    """This process's environment without what would lead Python into the checkout, or to a library."""
    return {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "AVSEARCH_", "VIRTUAL_"))
    }


def _link(distribution, site):
    """What a distribution has in site-packages, linked into another one."""
    tops = {PurePosixPath(path).parts[0] for path in distribution.files or ()}
    for top in tops - {"..", "__pycache__"}:
        here = Path(distribution.locate_file(top))
        if here.exists() and not (site / top).exists():
            (site / top).symlink_to(here)
