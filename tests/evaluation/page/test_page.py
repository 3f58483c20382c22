"""Truth here: the standard library's HTML parser, and the figures of the evaluation itself."""

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from avsearch.evaluation.benches import Bench, BenchFigure
from avsearch.evaluation.correspondence import Correspondence
from avsearch.evaluation.page import cards, write_page
from avsearch.evaluation.problems import Problem, ProblemKind
from avsearch.evaluation.relevance import Gain, Grading, Relevance, SelfRule
from avsearch.evaluation.results import Column, Measure
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.systems import Run, apart, compare, group_runs
from avsearch.moments import DIRECTIONS, Modality
from tests.media.clips import make_clip

LABELS = ["bell", "bird", "car"] * 5
VOID = {"meta", "img", "br", "rect", "stop"}
ADDRESSES = {"src", "href", "srcset", "poster", "action", "data", "cite", "background", "xlink:href"}
SCRIPT = "clips/<script>alert(1)</script>.mp4"
QUOTED = "\"quoted' & <b onload=x>"


class Page(HTMLParser):
    """Everything that a test asks about; fails where tags do not close in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.rows, self._open = [], [], [], []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))
        if any(tag in {"td", "th"} for tag in self._open):
            self.rows[-1][-1] += f" {data.strip()}" if data.strip() else ""

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    def text(self):
        return " ".join(" ".join(data for tag, data in self.texts if tag != "style").split())

    def row(self, name):
        """The cells of the first row of that name, without it."""
        return next([cell.strip() for cell in row[1:]] for row in self.rows if row and row[0].strip() == name)


@pytest.fixture
def html_of(tmp_path):
    def make(report, **how):
        return write_page(report, tmp_path, **how).read_text("utf-8")

    return make


@pytest.mark.slow
def test_the_page_refers_to_nothing_outside(html_of, report_of, evaluation_of):
    html = html_of(report_of(evaluation_of(LABELS)))
    page = Page(html)
    for tag, attrs in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in ADDRESSES:
                assert value.startswith(("data:", "#")), (tag, name, value)
    style = "".join(data for tag, data in page.texts if tag == "style")
    assert len(style) > 1000
    assert not re.search(r"url\(|@import|//", style)
    assert not re.search(r"https?:", re.sub(r"data:[^\"]*", "", html))
    (policy,) = (it["content"] for it in page.all("meta") if it.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


def test_the_page_can_be_read_without_seeing_it(html_of, report_of, evaluation_of):
    page = Page(html_of(report_of(evaluation_of(LABELS))))
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"].strip() for image in page.all("img"))
    assert all(cell["scope"] in {"col", "row"} for cell in page.all("th"))
    assert len(page.all("main")) == len(page.all("h1")) == len(page.all("title")) == len(page.all("nav")) == 1
    assert len(page.all("caption")) == len(page.all("table")) > 5
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [attrs["aria-labelledby"] for _, attrs in page.tags if "aria-labelledby" in attrs]
    jumps = [link["href"].removeprefix("#") for link in page.all("a")]
    assert set(named) | set(jumps) <= set(ids)
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}


@pytest.mark.slow
def test_the_same_report_gives_the_same_bytes(tmp_path, report_of, evaluation_of):
    first = write_page(report_of(evaluation_of(LABELS)), tmp_path).read_bytes()
    second = write_page(report_of(evaluation_of(LABELS)), tmp_path).read_bytes()
    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.slow
def test_only_the_date_changes_with_the_day(tmp_path, report_of, evaluation_of):
    report = report_of(evaluation_of(LABELS))
    first = write_page(report, tmp_path).read_text()
    second = write_page(replace(report, created="2027-01-01"), tmp_path).read_text()
    assert first != second
    assert first.replace("2026-11-27", "2027-01-01") == second


@pytest.mark.parametrize("noise", [0.4, 1.0])
def test_the_numbers_in_the_table_are_those_of_the_evaluation(html_of, report_of, evaluation_of, noise):
    evaluation = evaluation_of(LABELS, noise=noise)
    page = Page(html_of(report_of(evaluation)))
    *cells, across = page.row("ave-nce")
    scores = [evaluation.score(direction) for direction in DIRECTIONS]
    assert cells == [f"{it.mean:.3f} {it.interval.low:.3f} to {it.interval.high:.3f}" for it in scores]
    assert across == f"{(scores[1].mean + scores[2].mean) / 2:.3f}"
    assert page.row("chance")[:4] == [f"{it.chance:.3f}" for it in scores]
    assert page.row("nDCG@10") == [f"{cell} chance {it.chance:.3f}" for cell, it in zip(cells, scores, strict=True)]
    assert page.row("queries") == ["15"] * 4


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("recall@10", Column(Measure.RECALL)),
        ("MAP", Column(Measure.MAP)),
        ("MRR self-in", Column(Measure.MRR, SelfRule.IN)),
        (
            "nDCG@10 self-in (iou, exponential gain)",
            Column(Measure.NDCG, SelfRule.IN, Grading(Relevance.IOU, Gain.EXPONENTIAL)),
        ),
    ],
    ids=str,
)
def test_every_measure_stands_under_its_name(html_of, report_of, evaluation_of, name, column):
    evaluation = evaluation_of(LABELS)
    means = [evaluation.score(direction, column).mean for direction in DIRECTIONS]
    assert [float(cell.split()[0]) for cell in Page(html_of(report_of(evaluation))).row(name)] == pytest.approx(
        means, abs=6e-4
    )


def test_names_from_outside_are_text(html_of, report_of, evaluation_of):
    names = [SCRIPT, *(f"{number}.mp4" for number in range(14))]
    labels = [QUOTED, QUOTED, QUOTED, *LABELS[3:]]
    evaluation = evaluation_of(labels, names=names)
    problem = Problem(ProblemKind.FAILED, (f"{SCRIPT}: broken",))
    hostile = replace(evaluation, items=replace(evaluation.items, problems=(problem,)))
    report = report_of(systems=apart([Run(SCRIPT, hostile), Run("two", evaluation)]))
    page = Page(html_of(report))
    assert "script" not in {tag for tag, _ in page.tags}
    assert SCRIPT in page.text()
    assert f"{SCRIPT}: broken" in page.text()
    assert QUOTED in page.text()
    assert any(QUOTED in image["alt"] for image in page.all("img"))
    assert not any("onload" in attrs for _, attrs in page.tags)


@pytest.mark.slow
def test_no_path_of_this_machine_is_told(html_of, report_of, evaluation_of):
    text = html_of(report_of(evaluation_of(LABELS)))
    assert "/nowhere" not in text
    assert "clips/3.mp4" in text
    assert "there is no such file" in text


@pytest.mark.slow
def test_a_name_that_is_no_text_is_written_all_the_same(html_of, report_of, evaluation_of):
    names = ["caf\udce9.mp4", *(f"{number}.mp4" for number in range(14))]
    assert "caf?.mp4" in html_of(report_of(evaluation_of(LABELS, names=names)))


@pytest.mark.slow
def test_pictures_and_sounds_stand_in_the_page(tmp_path, html_of, report_of, evaluation_of):
    clip = make_clip(tmp_path / "clip.mp4", frames=50, seconds=2)
    page = Page(html_of(report_of(evaluation_of(["bell", "bell", "bird", "bird"], paths=[clip] * 4))))
    thumbs = [image for image in page.all("img") if image.get("class") == "thumb"]
    sounds = page.all("audio")
    # four queries in each direction find three others: every card has a picture, those of sounds a player
    assert len(thumbs) == 4 * 4 * (1 + 3)
    assert len(sounds) == 4 * (3 + 1 + 4)
    assert all(it["src"].startswith("data:image/jpeg;base64,") for it in thumbs)
    assert all(it["src"].startswith("data:audio/wav;base64,") and "controls" in it for it in sounds)


@pytest.mark.slow
def test_media_that_would_make_the_page_too_large_are_left_out_and_said(
    tmp_path, html_of, report_of, evaluation_of, monkeypatch
):
    clip = make_clip(tmp_path / "clip.mp4", frames=50, seconds=2)
    report = report_of(evaluation_of(["bell", "bell", "bird", "bird"], paths=[clip] * 4))
    whole = html_of(report)
    monkeypatch.setattr(cards.Room.__init__, "__defaults__", (200_000,))
    small = html_of(report)
    embedded = sum(len(uri) for uri in re.findall(r"data:(?:image/jpeg|audio/wav)[^\"]*", small))
    assert 100_000 < embedded <= 200_000 < len(whole) - len(small)
    assert "left out, or the page would be too large" in small


@pytest.mark.slow
def test_two_systems_are_compared_and_the_better_one_is_marked_in_words(html_of, report_of, evaluation_of):
    runs = [Run("before", evaluation_of(LABELS, noise=1.5)), Run("after", evaluation_of(LABELS, noise=0.1, seed=1))]
    systems = apart(runs)
    comparison = compare(*systems, seed=0)
    page = Page(html_of(report_of(systems=systems, comparison=comparison)))
    assert all("best" in cell for cell in page.row("after"))
    assert not any("best" in cell for cell in page.row("before"))
    test = comparison.tests[DIRECTIONS[1]]
    cells = page.row("picture → sound")
    assert cells[0].startswith(f"{test.difference.mean:+.3f}")
    assert cells[1:3] == [f"{test.p_value:.4f}", f"{comparison.adjusted[DIRECTIONS[1]]:.4f}"]
    assert cells[3] == f"{test.effect_size:+.2f}"
    assert cells[4:] == [str(it) for it in (test.better, test.worse, test.equal, test.num_queries)]


@pytest.mark.slow
def test_several_runs_are_summarised(html_of, report_of, evaluation_of):
    runs = [evaluation_of(LABELS, noise=0.8, seed=seed) for seed in range(3)]
    page = Page(html_of(report_of(*runs)))
    means = [run.score(DIRECTIONS[1]).mean for run in runs]
    assert page.row("ave-nce")[1] == f"{np.mean(means):.3f} ± {np.std(means, ddof=1):.3f}, 3 runs"
    assert "Every run" in page.text()


def test_problems_are_counted_and_named(html_of, report_of, evaluation_of):
    text = Page(html_of(report_of(evaluation_of(LABELS)))).text()
    assert "25 rows whose file is missing, left out" in text
    assert "gone/0.mp4" in text
    assert "and 5 more, in report.json" in text


@pytest.mark.slow
def test_what_else_was_measured_is_told(html_of, report_of, evaluation_of):
    judged = Correspondence(("a", "b"), np.array([1.0, 2.0], np.float32), np.array([-1.0, 3.0], np.float32))
    bench = Bench("index", "2026-11-01", "a small machine", (BenchFigure("hours per hour", 132.4, None, 140.0),))
    systems = group_runs([Run("run", evaluation_of(LABELS), correspondence=judged)])
    page = Page(html_of(report_of(systems=systems, benches=(bench,))))
    assert ["AVC accuracy", "0.750 [0.500, 1.000]", "0.500", "4 pairs"] in [
        [it.strip() for it in row[1:]] for row in page.rows if row
    ]
    assert page.row("hours per hour") == ["132", "-", "140"]
    assert "a small machine" in page.text()


def test_pictures_alone_have_one_direction(html_of, report_of, evaluation_of):
    page = Page(html_of(report_of(evaluation_of(LABELS, modalities=(Modality.IMAGE,)))))
    assert page.row("ave-nce")[1:] == ["-", "-", "-", "-"]
    assert len(page.all("article")) == 1


def test_items_without_anything_to_find_still_make_a_page(html_of, report_of, items_of):
    page = Page(html_of(report_of(evaluate(items_of(["bell", "bird"])))))
    assert "No query had anything to find" in page.text()
    assert page.row("ave-nce") == ["-"] * 5


def test_importing_the_page_loads_none_of_its_tools():
    tell = "import sys, avsearch.evaluation.page; print({'matplotlib', 'sklearn', 'jinja2'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_real_clips_make_a_page_of_less_than_ten_megabytes(tmp_path, shared_data, report_of, items_of):
    from avsearch.manifest import read_manifest

    rows = read_manifest(shared_data / "dev" / "manifest.csv").in_split("val")
    labels = [row.columns["class"] for row in rows]
    items = items_of(labels, paths=[row.path for row in rows], names=[row.columns["path"] for row in rows], k=30)
    pages = [write_page(report_of(evaluate(items)), tmp_path).read_bytes() for _ in range(2)]
    assert 1_000_000 < len(pages[0]) < 10_000_000
    assert len({hashlib.sha256(page).hexdigest() for page in pages}) == 1
    assert b"there is no such file" not in pages[0]
