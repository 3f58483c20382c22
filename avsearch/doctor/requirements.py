"""What the package says that it needs, and what of it is installed: pure but for the look at installed versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_BOUND = re.compile(r"(>=|<=|==|!=|~=|<|>)\s*(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Requirement:
    """A distribution that is needed.

    Attributes:
        name: as its index calls it.
        bounds: of its version, as `>=` and (2, 6).
        extra: that needs it; empty for the package itself.
    """

    name: str
    bounds: tuple[tuple[str, tuple[int, ...]], ...]
    extra: str

    def fault(self, version: str | None) -> str:
        """What is wrong with an installed version, in a phrase; empty if nothing is."""
        if version is None:
            return f"{self.name} is not installed"
        if not allows(self.bounds, numbers(version)):
            wanted = ",".join(f"{sign}{'.'.join(map(str, bound))}" for sign, bound in self.bounds)
            return f"{self.name} {version} is not {wanted}"
        return ""


def parsed(lines: Iterable[str]) -> list[Requirement]:
    """Requirements as package metadata has them: `psycopg[binary]>=3.2; extra == 'postgres'`."""
    found = []
    for line in lines:
        wanted, _, marker = line.partition(";")
        name, extra = _NAME.match(wanted), _EXTRA.search(marker)
        if name is not None:
            found.append(Requirement(name[1], bounds(wanted), extra[1] if extra else ""))
    return found


def bounds(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """`>=3.11,<3.15` -> the bounds in it."""
    return tuple((sign, numbers(version)) for sign, version in _BOUND.findall(text))


def numbers(version: str) -> tuple[int, ...]:
    """`2.13.0+cpu` -> (2, 13, 0): a version as far as its order goes."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()


def allows(wanted: Sequence[tuple[str, tuple[int, ...]]], version: tuple[int, ...]) -> bool:
    """Whether a version lies within all bounds of the signs `>=` and `<`; others are left to the installer."""
    return all(
        (sign != ">=" or version >= bound) and (sign != "<" or version[: len(bound)] < bound)
        for sign, bound in wanted
    )


def installed(name: str) -> str | None:
    """The version of a distribution; None where it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
