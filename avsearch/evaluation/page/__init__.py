"""The page of a report: one HTML file that needs no network and runs no script.

Importing this loads none of matplotlib, scikit-learn, Jinja or Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch.evaluation.systems import Report
from avsearch.moments import Progress, Silent
from avsearch.vectors.durable import write_durably

if TYPE_CHECKING:
    from avsearch.localize import Localizer

__all__ = ["PAGE_NAME", "write_page"]

PAGE_NAME = "report.html"


def write_page(
    report: Report,
    directory: Path,
    *,
    localizers: Sequence[Localizer | None] = (),
    progress: Progress | None = None,
) -> Path:
    """Write `report.html`; the same report and seed give the same bytes. It is smaller than 10 MB.

    Args:
        report: what was found.
        directory: a folder that exists.
        localizers: that of each run of the report which has one, in their order, for heat maps.
        progress: is told which files are read for the gallery.

    Returns:
        The path of the page.
    """
    from avsearch.evaluation.page.document import page_html  # noqa: PLC0415  (a second that no other command needs)

    html = page_html(report, localizers, progress or Silent())
    path = directory / PAGE_NAME
    write_durably(path, [html.encode("utf-8", "replace")])  # a name may hold bytes that are no text
    return path
