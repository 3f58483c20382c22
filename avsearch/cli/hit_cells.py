"""What tables and pictures of hits say of each, in a few cells of a terminal."""

from __future__ import annotations

_BAR_CELLS = 10
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(score: float) -> str:
    """A score from 0 to 1 as a bar of ten cells."""
    eighths = round(min(max(score, 0.0), 1.0) * _BAR_CELLS * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(_BAR_CELLS)


def seconds(time_s: float) -> str:
    """Seconds as `FILE@` takes them."""
    return f"{time_s:.6f}".rstrip("0").rstrip(".")
