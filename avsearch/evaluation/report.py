"""What was found, on disk: report.html and report.md for people, report.json for programs, trec/ to check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch.evaluation.markdown import report_markdown
from avsearch.evaluation.page import write_page
from avsearch.evaluation.record import report_record
from avsearch.evaluation.systems import Report
from avsearch.evaluation.trec import FOLDER, MOST_LINES, num_judgements, write_trec
from avsearch.moments import Progress, Silent
from avsearch.vectors.durable import write_durably

if TYPE_CHECKING:
    from avsearch.localize import Localizer


def write_report(
    report: Report,
    directory: Path,
    *,
    localizers: Sequence[Localizer | None] = (),
    trec: bool | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a report; the same report gives the same bytes.

    Args:
        report: what was found.
        directory: the folder to write it into; it is made when missing.
        localizers: that of each run which has one, for the heat maps of the page.
        trec: whether files for trec_eval are written, of the first run; None: where they do not get too large.
        progress: is told what is done.

    Returns:
        The path of `report.json`, which is written last.

    Raises:
        LibraryError: a file cannot be written.
    """
    progress = progress or Silent()
    directory.mkdir(parents=True, exist_ok=True)
    _write_trec(report, directory, wanted=trec, progress=progress)
    write_page(report, directory, localizers=localizers, progress=progress)
    write_durably(directory / "report.md", [report_markdown(report).encode("utf-8", "replace")])
    text = json.dumps(report_record(report), indent=2, ensure_ascii=False) + "\n"
    path = directory / "report.json"
    write_durably(path, [text.encode("utf-8", "replace")])
    return path


def _write_trec(report: Report, directory: Path, *, wanted: bool | None, progress: Progress) -> None:
    """Files of an earlier report do not stay beside another one's figures."""
    items = report.first.items
    shutil.rmtree(directory / FOLDER, ignore_errors=True)
    if wanted is False:
        return
    lines = num_judgements(items)
    if wanted is None and lines > MOST_LINES:
        progress.say(f"No files for trec_eval: they would take {lines:,} lines. Ask for them with --trec.")
        return
    write_trec(items, directory)
