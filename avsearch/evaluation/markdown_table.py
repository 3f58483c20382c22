"""Tables of Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table_head(cells: Sequence[str]) -> list[str]:
    """The head of a table and the line below it: the first column to the left, the others to the right."""
    return [table_line(cells), table_line(["---"] + ["---:"] * (len(cells) - 1))]


def table_line(cells: Sequence[str]) -> str:
    """One line of it."""
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    """Text from outside, on one line and without what would end a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def shown(value: float | None) -> str:
    """A measure between 0 and 1; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def number(value: float | None) -> str:
    """A figure of any size; nothing where there is none."""
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
