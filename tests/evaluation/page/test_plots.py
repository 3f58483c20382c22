"""Truth here: the texts and marks inside the SVG, read with the standard library's XML."""

import base64
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from avsearch.evaluation.classes import Confusion
from avsearch.evaluation.page.plots import (
    Line,
    confusion_plot,
    curve_plot,
    interval_plot,
    line_style,
    plain,
    with_others,
)
from avsearch.evaluation.results import Score
from avsearch.evaluation.statistics import Interval

RANKS = np.linspace(0.9, 0.5, 10)
CHANCE = np.full(10, 0.1)
HOSTILE = ["_hidden", "$\\alpha$ & <b>", "two\nlines\x1b[31m", "\u97f3\u697d", "x" * 200, "\ud800lone"]

ELSEWHERE = """
import numpy as np
from avsearch.evaluation.page.plots import Line, curve_plot
print(curve_plot("t", [Line("a", np.linspace(0.9, 0.5, 10))], np.full(10, 0.1)).src)
"""


def svg_of(plot):
    kind, _, data = plot.src.partition(",")
    assert kind == "data:image/svg+xml;base64"
    return ET.fromstring(base64.b64decode(data))


def texts(plot):
    return [
        "".join(node.itertext()).strip("\u200b") for node in svg_of(plot).iter("{http://www.w3.org/2000/svg}text")
    ]


def test_a_curve_names_every_system_whatever_it_is_called():
    plot = curve_plot("picture to sound", [Line(name, RANKS) for name in HOSTILE], CHANCE)
    assert {plain(name) for name in HOSTILE} <= set(texts(plot))
    assert "chance" in texts(plot)


def test_names_in_figures_are_short_lines():
    assert plain("two\nlines\x1b[31m") == "two lines [31m"
    assert plain("x" * 200) == "x" * 25 + "…"


def test_two_processes_draw_alike_and_a_user_s_settings_change_nothing():
    here = curve_plot("t", [Line("a", RANKS)], CHANCE).src
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True)
    with mpl.rc_context({"axes.linewidth": 9, "xtick.major.size": 20}):
        assert curve_plot("t", [Line("a", RANKS)], CHANCE).src == here == done.stdout.strip()


def test_a_figure_tells_no_date_and_no_version():
    text = ET.tostring(svg_of(curve_plot("t", [Line("a", RANKS)], CHANCE)), encoding="unicode")
    assert "date" not in text.lower()
    assert mpl.__version__ not in text


def test_systems_differ_by_more_than_colour():
    styles = [line_style(number) for number in range(7)]
    assert len({(style["marker"], str(style["linestyle"])) for style in styles}) == 7
    assert len({style["color"] for style in styles}) == 7


def test_an_interval_and_its_chance_are_drawn_where_they_lie():
    scores = [("one", Score(Interval(0.5, 0.4, 0.7), 0.1, 9)), ("two", Score(Interval(0.2, 0.2, 0.2), 0.1, 9))]
    plot = interval_plot("t", scores, 30)
    assert {"one", "two"} <= set(texts(plot))
    assert "one: 0.500, 0.400 to 0.700, chance 0.100; two: 0.200, 0.200 to 0.200, chance 0.100" in plot.alt


def test_cells_bear_their_percentages():
    found = Confusion(("a", "b"), np.array([[0.75, 0.25], [0.0, 1.0]]))
    assert sorted(set(texts(confusion_plot("t", found, num_named=2))) & {"75", "25", "0", "100"}) == [
        "0",
        "100",
        "25",
        "75",
    ]


def test_of_many_classes_the_rarest_become_one_and_rows_still_sum_to_1():
    share = np.random.default_rng(0).dirichlet(np.ones(6), size=6)
    found = Confusion(tuple("abcdef"), share)
    few = with_others(found, [9, 1, 8, 2, 7, 1], most=4)
    assert few.labels == ("a", "c", "e", "3 others")
    assert few.share.sum(axis=1) == pytest.approx(np.ones(4))
    assert few.share[0] == pytest.approx([share[0, 0], share[0, 2], share[0, 4], share[0, [1, 3, 5]].sum()])
    others = (share[1] + 2 * share[3] + share[5]) / 4
    assert few.share[3] == pytest.approx([others[0], others[2], others[4], others[[1, 3, 5]].sum()])
    assert with_others(found, [9, 1, 8, 2, 7, 1], most=6) is found


def test_a_matrix_of_nothing_is_drawn_too():
    assert "<svg" in ET.tostring(
        svg_of(confusion_plot("t", Confusion(("a", "b"), np.zeros((2, 2))), num_named=2)), encoding="unicode"
    ).replace("ns0:", "")
