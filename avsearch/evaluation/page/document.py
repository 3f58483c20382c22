"""From a report to the text of the page: everything is gathered here and laid out by the template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from avsearch.evaluation.page import sections, tables
from avsearch.evaluation.page.cards import Cards, QueryCard, Room
from avsearch.evaluation.page.embedding_map import embedding_map, map_caption, map_plot
from avsearch.evaluation.page.gallery import Kind, ShownQuery, gallery, moments_of
from avsearch.evaluation.page.heat import HeatPair, heat_pairs
from avsearch.evaluation.page.plots import Line, Plot, confusion_plot, curve_plot, interval_plot, with_others
from avsearch.evaluation.systems import Report, System
from avsearch.media.shown import read_shown
from avsearch.moments import DIRECTIONS, Direction, Progress

if TYPE_CHECKING:
    from avsearch.localize import Localizer

WORST_CLASSES = 10
_FOLDER = "avsearch.evaluation.page"


@dataclass(frozen=True)
class ClassSection:
    """The classes of one direction: the worst, all of them where they are more, and who is taken for whom."""

    title: str
    worst: tables.Table
    every: tables.Table | None
    taken_for: str
    matrix: Plot | None


@dataclass(frozen=True)
class GallerySection:
    """The queries of one direction, by kind."""

    title: str
    queries: Mapping[str, Sequence[QueryCard]]


@dataclass(frozen=True)
class Heat:
    """The heat maps of one run."""

    source: str
    pairs: Sequence[HeatPair]


def page_html(report: Report, localizers: Sequence[Localizer | None], progress: Progress) -> str:
    """The whole page."""
    first = report.first
    seed = first.settings.seed
    found = embedding_map(first.items, seed=seed)
    template = _environment().get_template("page.html.jinja")
    return template.render(
        css=_resource("page.css"),
        report=report,
        first=first,
        whose=_whose(report),
        k=first.settings.k,
        verdict=sections.verdict(first),
        statements=sections.statements(first),
        intervals=_interval_plots(report),
        curves=_curve_plots(report),
        classes=[made for it in DIRECTIONS if (made := _class_section(report, it)) is not None],
        space=None if found is None else (map_plot(found, first.items), map_caption(found)),
        **_tables(report),
        **_media(report, localizers, progress, seed),
    )


def _tables(report: Report) -> dict[str, Any]:
    return {
        "systems": tables.systems_table(report),
        "seeds": tables.runs_table(report),
        "measures": [tables.measures_table(run.source, run.evaluation) for run in report.runs],
        "comparison": tables.comparison_table(report.comparison) if report.comparison else None,
        "judgements": tables.judgement_table(report),
        "settings": sections.setting_rows(report.first),
        "models": sections.model_table(report),
        "problems": sections.problems_of(report.runs),
        "benches": sections.bench_tables(report),
        "paper": sections.paper_tables(report),
    }


def _media(report: Report, localizers: Sequence[Localizer | None], progress: Progress, seed: int) -> dict[str, Any]:
    chosen = gallery(report.systems, seed=seed)
    wanted = (moment for queries in chosen.values() for moment in moments_of(queries))
    cards = Cards(read_shown(wanted, progress), Room())
    heats = _heats(report, localizers, seed)
    return {
        "heats": [Heat(it.source, [cards.room.heat(pair) for pair in it.pairs]) for it in heats],
        "gallery": [_gallery_section(direction, chosen[direction], cards) for direction in _across_first(chosen)],
    }


def _gallery_section(direction: Direction, queries: Sequence[ShownQuery], cards: Cards) -> GallerySection:
    by_kind = {kind.value: [cards.query(it) for it in queries if it.kind is kind] for kind in Kind}
    return GallerySection(tables.spoken(direction), {kind: shown for kind, shown in by_kind.items() if shown})


def _across_first(directions: Iterable[Direction]) -> list[Direction]:
    return sorted(directions, key=lambda direction: direction.is_same_modality)


def _heats(report: Report, localizers: Sequence[Localizer | None], seed: int) -> list[Heat]:
    """Of the first run of each system that has maps."""
    of_run = dict(zip(map(id, report.runs), localizers, strict=False))
    found = []
    for system in report.systems:
        run = system.runs[0]
        localizer = of_run.get(id(run))
        if localizer is not None:
            found.append(Heat(run.source, heat_pairs(run.evaluation, localizer, seed=seed)))
    return [heat for heat in found if heat.pairs]


def _whose(report: Report) -> str:
    """Which of several systems and runs single figures are about; empty if there is only one."""
    system = report.systems[0]
    if len(report.runs) == 1:
        return ""
    return system.name if len(system.runs) == 1 else f"{system.name} ({system.runs[0].source})"


def _interval_plots(report: Report) -> list[Plot]:
    plots = []
    for direction in DIRECTIONS:
        scores = [(system.name, system.first.score(direction)) for system in report.systems]
        known = [(name, score) for name, score in scores if score is not None]
        if known:
            plots.append(interval_plot(tables.spoken(direction), known, report.first.settings.k))
    return plots


def _curve_plots(report: Report) -> list[Plot]:
    plots = []
    for direction in DIRECTIONS:
        first = report.first.curve(direction)
        lines = [line for system in report.systems if (line := _line(system, direction)) is not None]
        if first is not None:
            fitting = [line for line in lines if len(line.values) == len(first[1])]
            plots.append(curve_plot(tables.spoken(direction), fitting, first[1]))
    return plots


def _line(system: System, direction: Direction) -> Line | None:
    """The mean over the runs."""
    curves = [curve[0] for run in system.runs if (curve := run.evaluation.curve(direction)) is not None]
    return Line(system.name, np.mean(curves, axis=0)) if curves else None


def _class_section(report: Report, direction: Direction) -> ClassSection | None:
    scores = [score for score in report.class_scores[direction] if score.mean is not None]
    if not scores:
        return None
    title, k = tables.spoken(direction), report.first.settings.k
    found = report.confusions[direction]
    num_items = {score.label: score.num_items for score in report.class_scores[direction]}
    matrix = None
    if found is not None and len(found.labels) > 1:
        few = with_others(found, [num_items[it] for it in found.labels])
        num_named = len(few.labels) - (few is not found)
        matrix = confusion_plot(title, few, num_named=num_named)
    worst = sections.class_table(f"The worst classes, {title}", scores[:WORST_CLASSES], k)
    every = sections.class_table(f"All classes, {title}", scores, k) if len(scores) > WORST_CLASSES else None
    return ClassSection(title, worst, every, sections.taken_for(found), matrix)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _resource(name: str) -> str:
    return resources.files(_FOLDER).joinpath(name).read_text("utf-8")
