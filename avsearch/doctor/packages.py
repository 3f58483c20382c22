"""Python, the packages that are always needed, and those of the extras, as the package's own metadata says."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from avsearch.doctor.check import Check, State
from avsearch.doctor.requirements import Need, allows, installed, parsed
from avsearch.installing import extra_command, pip
from avsearch.vectors.backend import WHEELS

DISTRIBUTION = "avsearch"


def package_checks() -> list[Check]:
    """Python, the package with what it needs, and a check for each extra that it has."""
    try:
        told = metadata.metadata(DISTRIBUTION)
        wanted = parsed(metadata.requires(DISTRIBUTION) or ())
    except metadata.PackageNotFoundError:
        here = Check(
            DISTRIBUTION,
            State.OPTIONAL,
            "runs from its sources; which packages it needs is not known",
            f"{pip('install')} --editable .",
        )
        return [_python(""), here]
    return [
        _python(str(told.json.get("requires_python", ""))),
        _base(told["Version"], [it for it in wanted if not it.extra]),
        *_extras(wanted),
    ]


def _python(wanted: str) -> Check:
    """The interpreter."""
    version = platform.python_version()
    found = f"{version} at {sys.executable}"
    details = {"version": version, "executable": sys.executable, "wanted": wanted}
    if allows(wanted, ".".join(map(str, sys.version_info[:3]))):
        return Check("Python", State.OK, found, details=details)
    return Check("Python", State.BROKEN, f"{found} is not {wanted}", "Install Python 3.11 to 3.14.", details)


def _base(version: str, wanted: list[Need]) -> Check:
    """Whether everything that is always needed is installed, in a version that serves."""
    versions = {it.name: installed(it.name) for it in wanted}
    faults = [fault for it in wanted if (fault := it.fault(versions[it.name]))]
    details = {"version": version, "packages": versions}
    if faults:
        return Check(
            DISTRIBUTION, State.BROKEN, "; ".join(faults), f"{pip('install')} --upgrade {DISTRIBUTION}", details
        )
    return Check(DISTRIBUTION, State.OK, f"{version}, with all {len(wanted)} packages that it needs", "", details)


def _extras(wanted: list[Need]) -> list[Check]:
    """One for each extra; those that bring faiss exclude each other, and are looked at as faiss."""
    of_extra: dict[str, list[Need]] = {}
    for it in wanted:
        if it.extra:
            of_extra.setdefault(it.extra, []).append(it)
    return [_extra(extra, some) for extra, some in of_extra.items() if not any(it.name in WHEELS for it in some)]


def _extra(extra: str, wanted: list[Need]) -> Check:
    versions = {it.name: installed(it.name) for it in wanted}
    faults = [fault for it in wanted if (fault := it.fault(versions[it.name]))]
    details = {"extra": extra, "packages": versions}
    if faults:
        return Check(f"extra {extra}", State.OPTIONAL, "; ".join(faults), extra_command(extra), details)
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Check(f"extra {extra}", State.OK, found, details=details)
