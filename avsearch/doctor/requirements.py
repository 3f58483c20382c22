"""What the package says that it needs, and what of it is installed: pure but for the look at installed versions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

_EXTRA = re.compile(r'extra == "([^"]+)"')  # as packaging writes a marker


@dataclass(frozen=True)
class Need:
    """A distribution that is needed.

    Attributes:
        name: as its index calls it.
        wanted: of its version, as `>=2.6,<3`; empty where any serves.
        extra: that needs it; empty for the package itself.
    """

    name: str
    wanted: str
    extra: str

    def fault(self, version: str | None) -> str:
        """What is wrong with an installed version, in a phrase; empty if nothing is."""
        if version is None:
            return f"{self.name} is not installed"
        if not allows(self.wanted, version):
            return f"{self.name} {version} is not {self.wanted}"
        return ""


def parsed(lines: Iterable[str]) -> list[Need]:
    """Requirements as package metadata has them: `psycopg[binary]>=3.2; extra == 'postgres'`.

    What is for another system or another Python is left out.
    """
    found = []
    for it in map(Requirement, lines):
        marker = it.marker
        extras = ["", *_EXTRA.findall(str(marker))]
        extra = next((one for one in extras if marker is None or marker.evaluate({"extra": one})), None)
        if extra is not None:
            found.append(Need(it.name, _written(it.specifier), extra))
    return found


def allows(wanted: str, version: str) -> bool:
    """Whether a version serves; one that comes before a release serves if its order says so, as a nightly torch."""
    try:
        return SpecifierSet(wanted).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def numbers(version: str) -> tuple[int, ...]:
    """`5.1.9-0+deb12u1` -> (5, 1, 9): as far as the order of a version goes that is none of a Python package."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()


def installed(name: str) -> str | None:
    """The version of a distribution; None where it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _written(specifier: SpecifierSet) -> str:
    """The lower bound first, as people write them."""
    return ",".join(sorted(map(str, specifier), reverse=True))
