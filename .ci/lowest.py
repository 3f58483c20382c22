"""Print constraints for pip that hold every package of pyproject.toml to the lowest version that it accepts."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
NOT_TOGETHER = {"gpu", "cuvs"}  # they own the module faiss, as the extra cpu does
ALREADY_PINNED = {"torch"}  # in constraints.txt: builds as old as its bound have no wheels for all of our Pythons


def lowest_versions(project: dict[str, list[str] | dict[str, list[str]]]) -> dict[str, str]:
    """Each package that is needed at run time, with the lower bound of its version."""
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    lines = [*project["dependencies"], *(it for name in extras if name not in NOT_TOGETHER for it in extras[name])]
    found = {}
    for it in map(Requirement, lines):
        if it.name not in ALREADY_PINNED:
            (found[it.name],) = (bound.version for bound in it.specifier if bound.operator == ">=")
    return found


if __name__ == "__main__":
    for name, version in lowest_versions(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]).items():
        print(f"{name}=={version}")
