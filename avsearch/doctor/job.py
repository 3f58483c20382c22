"""Look at everything."""

from __future__ import annotations

from pathlib import Path

from avsearch.doctor.check import Diagnosis
from avsearch.doctor.faiss_build import faiss_check
from avsearch.doctor.packages import package_checks
from avsearch.doctor.places import place_checks
from avsearch.doctor.tools import tool_checks
from avsearch.doctor.torch_build import card_check, driver_cards, torch_check


def diagnose(library: Path) -> Diagnosis:
    """Look at Python, packages, programs, GPUs and folders; whatever is broken becomes a check and never an error.

    Args:
        library: whose folder is looked at.
    """
    cards = driver_cards()
    torch, torch_cuda = torch_check(has_card=bool(cards))
    python, package, *extras = package_checks()
    faiss = faiss_check(has_card=bool(cards), torch_cuda=torch_cuda)
    checks = [python, package, *tool_checks(), card_check(cards), torch, faiss, *place_checks(library), *extras]
    return Diagnosis(tuple(checks))
