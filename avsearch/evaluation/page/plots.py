"""Figures by matplotlib as SVG: the same data give the same bytes, and none depends on colours alone."""

from __future__ import annotations

import io
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avsearch.evaluation.classes import Confusion
from avsearch.media.shown import data_uri

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from avsearch.evaluation.results import Score

Floats = NDArray[np.float64]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette ("Color Universal Design", 2008) without its yellow, which is too pale on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
CHANCE: dict[str, Any] = {"color": "0.35", "linestyle": ":", "linewidth": 1.4}
GREY = "0.72"
MOST_CLASSES = 30  # of a matrix: more would not be readable
MOST_NUMBERS = 15  # classes of a matrix whose cells bear numbers
MOST_LETTERS = 26
PANEL_INCHES = 2.85  # as wide as a column of four, and readable on a phone
LINE_INCHES = 0.17
_SHOW = "\u200b"  # takes no room; matplotlib 3.9 leaves names that begin with an underscore out of a legend
_STYLE: Any = {
    "font.size": 9.0,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text, in a font of the reader's that has its letters
    "svg.hashsalt": "avsearch",
    "text.parse_math": False,  # a label with dollars is no formula
}
_PIXELS_PER_INCH = 96
_TELL_NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Plot:
    """A figure: `src` is a data URI, `alt` says what it shows, the size is in CSS pixels."""

    src: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Line:
    """One system's values at the ranks 1..k, (k,) float64."""

    name: str
    values: Floats


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's own defaults and ours, whatever the user has set; a letter that its font lacks is no matter."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def plot_of(figure: Figure, alt: str) -> Plot:
    """Save a figure as SVG, without a date or a version."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", facecolor="white", metadata=_TELL_NOTHING)
    width, height = (round(float(it) * _PIXELS_PER_INCH) for it in figure.get_size_inches())
    return Plot(data_uri("image/svg+xml", buffer.getvalue()), alt, width, height)


def plain(text: str, *, most: int = MOST_LETTERS) -> str:
    """Text from outside for a figure: one line, no control characters, not too long."""
    visible = "".join(" " if unicodedata.category(it)[0] in "CZ" else it for it in text)
    line = " ".join(visible.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def curve_plot(title: str, lines: Sequence[Line], chance: Floats) -> Plot:
    """Draw nDCG at every rank, of one direction; `chance` is (k,) float64."""
    with drawing():
        figure = Figure(figsize=(PANEL_INCHES, 2.35 + LINE_INCHES * (len(lines) + 1)), layout="constrained")
        axes = figure.add_subplot(title=title, xlabel="answers looked at (k)", ylabel="nDCG@k", ylim=(0, 1))
        ranks = np.arange(1, len(chance) + 1)
        axes.plot(ranks, chance, label="chance", **CHANCE)
        for number, line in enumerate(lines):
            axes.plot(
                ranks,
                line.values,
                label=plain(line.name),
                **line_style(number),
                markevery=_some(len(ranks)),
                clip_on=False,
            )
        axes.grid(axis="y", color="0.9")
        handles = axes.get_lines()
        labels = [f"{_SHOW}{it.get_label()}" for it in handles]
        figure.legend(handles, labels, fontsize=8, loc="outside lower left", labelspacing=0.3)
        told = "; ".join(f"{it.name}: {it.values[0]:.3f} at 1, {it.values[-1]:.3f} at {len(ranks)}" for it in lines)
        return plot_of(figure, f"Curves of nDCG@k, {title}. {told}; chance: {chance[-1]:.3f} at {len(ranks)}.")


def interval_plot(title: str, scores: Sequence[tuple[str, Score]], k: int) -> Plot:
    """The headline of each system in one direction with its interval, and its chance as a short upright line."""
    with drawing():
        figure = Figure(figsize=(PANEL_INCHES, 0.95 + 0.36 * len(scores)), layout="constrained")
        axes = figure.add_subplot(title=title, xlabel=f"nDCG@{k}", xlim=(0, 1), ylim=(len(scores) - 0.5, -0.5))
        for row, (_, score) in enumerate(scores):
            mean, low, high = score.interval.mean, score.interval.low, score.interval.high
            style: dict[str, Any] = {"color": COLOURS[row % len(COLOURS)], "marker": MARKERS[row % len(MARKERS)]}
            axes.errorbar(
                [mean], [row], xerr=[[max(mean - low, 0)], [max(high - mean, 0)]], capsize=5, markersize=4, **style
            )
            axes.vlines([score.chance], row - 0.4, row + 0.4, **CHANCE)
        axes.set_yticks(range(len(scores)), [plain(name) for name, _ in scores])
        axes.grid(axis="x", color="0.9")
        told = "; ".join(
            f"{name}: {it.mean:.3f}, {it.interval.low:.3f} to {it.interval.high:.3f}, chance {it.chance:.3f}"
            for name, it in scores
        )
        return plot_of(figure, f"nDCG@{k} with 95 % intervals, {title}. {told}.")


def confusion_plot(title: str, confusion: Confusion, *, num_named: int) -> Plot:
    """The share of each class among the first answers to each class.

    Args:
        title: the direction.
        confusion: of as many classes as can be shown.
        num_named: how many of them are single ones; what is gathered behind them does not set the scale.
    """
    labels, share = confusion.labels, confusion.share
    size = 1.9 + 0.27 * len(labels)
    with drawing():
        figure = Figure(figsize=(size, size), layout="constrained")
        axes = figure.add_subplot(title=title, xlabel="class of the answers", ylabel="class asked with")
        top = float(share[:, :num_named].max()) or 1.0
        axes.imshow(share, cmap="cividis", vmin=0.0, vmax=top, interpolation="none")
        ticks = range(len(labels))
        axes.set_xticks(ticks, [plain(it) for it in labels], rotation=90)
        axes.set_yticks(ticks, [plain(it) for it in labels])
        axes.spines[:].set_visible(False)
        if len(labels) <= MOST_NUMBERS:
            _write_cells(axes, share, top)
        return plot_of(figure, f"Matrix of confusions, {title}: {_told(confusion)}")


def with_others(confusion: Confusion, num_items: Sequence[int], most: int = MOST_CLASSES) -> Confusion:
    """The classes of most items, and all others as one: rows still sum to 1.

    Args:
        confusion: of C classes.
        num_items: how many items bear each.
        most: how many classes a figure can show.
    """
    if len(confusion.labels) <= most:
        return confusion
    order = np.argsort(-np.array(num_items), kind="stable")
    kept, rest = np.sort(order[: most - 1]), np.sort(order[most - 1 :])
    weight = np.array(num_items, np.float64)[rest]
    merged = np.average(confusion.share[rest], axis=0, weights=weight if weight.any() else None)
    rows = np.vstack([confusion.share[kept], merged])
    share = np.column_stack([rows[:, kept], rows[:, rest].sum(axis=1)])
    return Confusion((*(confusion.labels[it] for it in kept), f"{len(rest)} others"), share)


def line_style(number: int) -> dict[str, Any]:
    """How the system of this number is drawn: colour, marker and dashes all differ from its neighbours'."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": LINES[number % len(LINES)],
        "markersize": 4.5,
        "linewidth": 1.6,
    }


def _some(num: int) -> list[int]:
    """A few places along a line to put markers on."""
    return sorted({0, num - 1, *range(4, num, 5)})


def _write_cells(axes: Axes, share: Floats, top: float) -> None:
    for (row, column), value in np.ndenumerate(share):
        colour = "black" if value > 0.55 * top else "white"
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=colour)


def _told(confusion: Confusion) -> str:
    own = np.diag(confusion.share)
    worst = "; ".join(f"{asked} finds {found} ({share:.0%})" for asked, found, share in confusion.worst(3))
    return (
        f"on average {own.mean():.0%} of the first answers are of the class asked with. Most often taken: {worst}."
    )
