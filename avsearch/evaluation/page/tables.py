"""The tables of the page: of systems, measures, seeds, and two systems compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from avsearch.evaluation.markdown import CROSS_MODAL, cross_modal_mean, judgement_figures, run_seed
from avsearch.evaluation.record import column_key
from avsearch.evaluation.results import Column, Evaluation, Measure, Score
from avsearch.evaluation.statistics import PairedTest
from avsearch.evaluation.systems import Comparison, Report, System
from avsearch.moments import DIRECTIONS, Direction, Modality

NOTHING = "-"
_WRITTEN = {Measure.NDCG: "nDCG", Measure.MAP: "MAP", Measure.MRR: "MRR"}
_WORDS = {Modality.IMAGE: "picture", Modality.AUDIO: "sound"}


@dataclass(frozen=True)
class Cell:
    """One cell: `details` are printed smaller below; `is_best` is said in words, not by colour."""

    text: str
    details: tuple[str, ...] = ()
    is_best: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of which names its row; `head` names the columns, of which the first hold text."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    num_text: int = 1


def spoken(direction: Direction) -> str:
    """`picture → sound`: asked with the one, finding the other."""
    return f"{_WORDS[direction.query]} → {_WORDS[direction.target]}"


def shown(value: float | None) -> str:
    """Three decimals, or a dash."""
    return NOTHING if value is None else f"{value:.3f}"


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, num_text: int = 1) -> Table:
    """A table of plain texts."""
    return Table(caption, tuple(head), tuple(tuple(map(Cell, row)) for row in rows), num_text)


def systems_table(report: Report) -> Table:
    """Systems x directions: the headline with its interval, or its spread over several runs, and chance."""
    rows = [(Cell(system.name), *_system_cells(system)) for system in report.systems]
    if len(rows) > 1:
        rows = _with_best(rows)
    head = ("system", *map(spoken, DIRECTIONS), f"{spoken(CROSS_MODAL[0]).replace('→', '↔')}, mean")
    k = report.first.settings.k
    caption = f"nDCG@{k} by labels shared or not, the query's own item left out; below it the 95 % interval"
    return Table(caption, head, (*rows, *_chance_rows(report)))


def runs_table(report: Report) -> Table | None:
    """Every run, where a system has several."""
    if len(report.runs) == len(report.systems):
        return None
    head = ("system", "run", "seed", *map(spoken, DIRECTIONS))
    rows = []
    for system in report.systems:
        for run in system.runs:
            cells = [score_cell(run.evaluation.score(direction)) for direction in DIRECTIONS]
            rows.append((Cell(system.name), Cell(run.source), Cell(run_seed(run)), *cells))
    return Table("Every run, with its 95 % interval", head, tuple(rows), num_text=2)


def measures_table(name: str, evaluation: Evaluation) -> Table:
    """All ways to count, of one run, each with its own chance."""
    rows: list[tuple[Cell, ...]] = []
    for column in evaluation.columns:
        rows += _measure_rows(evaluation, column)
    counts = [evaluation.queries(direction) for direction in DIRECTIONS]
    rows.append((Cell("queries"), *(Cell(f"{count.asked:,}") for count in counts)))
    for rule in {column.self_rule: None for column in evaluation.columns}:
        cells = [Cell(f"{count.without_relevant[rule]:,}") for count in counts]
        rows.append((Cell(f"without a relevant candidate, {rule}"), *cells))
    return Table(name, ("measure", *map(spoken, DIRECTIONS)), tuple(rows))


def comparison_table(comparison: Comparison) -> Table:
    """The second system minus the first, paired by query."""
    head = ("direction", "difference", "p", "p (Holm)", "effect size d", "better", "worse", "equal", "queries")
    rows = [
        (Cell(spoken(direction)), *_test_cells(test, comparison.adjusted[direction]))
        for direction, test in comparison.tests.items()
    ]
    return Table(f"nDCG of {comparison.names[1]} minus {comparison.names[0]}", head, tuple(rows))


def judgement_table(report: Report) -> Table | None:
    """Correspondence and localization, where a run has been judged."""
    rows = [(run.source, *figure) for run in report.runs for figure in judgement_figures(run)]
    if not rows:
        return None
    head = ("run", "figure", "reached", "baseline", "of")
    return table("What was reached, and what it is worth to know nothing", head, rows, num_text=2)


def score_cell(score: Score | None) -> Cell:
    """A mean with its interval."""
    if score is None:
        return Cell(NOTHING)
    return Cell(shown(score.mean), (f"{score.interval.low:.3f} to {score.interval.high:.3f}",))


def _system_cells(system: System) -> list[Cell]:
    across = [cross_modal_mean(run.evaluation) for run in system.runs]
    known = [mean for mean in across if mean is not None]
    mean = sum(known) / len(known) if len(known) == len(across) else None
    return [*(_spread_cell(system, direction) for direction in DIRECTIONS), Cell(shown(mean))]


def _spread_cell(system: System, direction: Direction) -> Cell:
    spread = system.spread(direction)
    if len(system.runs) == 1 or spread is None:
        return score_cell(system.first.score(direction))
    return Cell(shown(spread.mean), (f"± {shown(spread.standard_deviation)}, {spread.num} runs",))


def _with_best(rows: Sequence[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    """Mark the best of each column; as good ones are all best. A mark of all would tell nothing."""
    columns = [[cell.text for cell in column] for column in zip(*rows, strict=True)][1:]
    best = [max(texts, key=_value) if len(set(texts)) > 1 else None for texts in columns]
    return [
        (row[0], *(replace(cell, is_best=cell.text == top) for cell, top in zip(row[1:], best, strict=True)))
        for row in rows
    ]


def _value(text: str) -> float:
    return -1.0 if text == NOTHING else float(text)


def _chance_rows(report: Report) -> list[tuple[Cell, ...]]:
    """One row where all systems have the same chance, else one for each."""
    by_system = {system.name: _chances(system.first) for system in report.systems}
    if len(set(by_system.values())) == 1:
        return [(Cell("chance"), *map(Cell, next(iter(by_system.values()))))]
    return [(Cell(f"chance of {name}"), *map(Cell, chances)) for name, chances in by_system.items()]


def _chances(evaluation: Evaluation) -> tuple[str, ...]:
    by_direction = {it: score.chance if (score := evaluation.score(it)) else None for it in DIRECTIONS}
    across = [chance for it in CROSS_MODAL if (chance := by_direction[it]) is not None]
    mean = sum(across) / len(across) if len(across) == len(CROSS_MODAL) else None
    return (*map(shown, by_direction.values()), shown(mean))


def _measure_rows(evaluation: Evaluation, column: Column) -> Iterator[tuple[Cell, ...]]:
    scores = [evaluation.score(direction, column) for direction in DIRECTIONS]
    yield Cell(_measure_name(column, evaluation.settings.k)), *map(_cell_with_chance, scores)
    own_first = [score.chance_own_first if score else None for score in scores]
    if any(it is not None for it in own_first):
        yield Cell("chance, own item first"), *(Cell(shown(it)) for it in own_first)


def _measure_name(column: Column, k: int) -> str:
    """As people write it: nDCG@30 self-in."""
    key = column_key(column, k)
    return f"{_WRITTEN.get(column.measure, column.measure)}{key.removeprefix(column.measure)}"


def _cell_with_chance(score: Score | None) -> Cell:
    cell = score_cell(score)
    return cell if score is None else replace(cell, details=(*cell.details, f"chance {shown(score.chance)}"))


def _test_cells(test: PairedTest, adjusted: float) -> list[Cell]:
    interval = test.difference
    return [
        Cell(f"{interval.mean:+.3f}", (f"{interval.low:+.3f} to {interval.high:+.3f}",)),
        Cell(f"{test.p_value:.4f}"),
        Cell(f"{adjusted:.4f}"),
        Cell(NOTHING if test.effect_size is None else f"{test.effect_size:+.2f}"),
        *(Cell(f"{count:,}") for count in (test.better, test.worse, test.equal, test.num_queries)),
    ]
