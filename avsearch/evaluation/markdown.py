"""A report as Markdown, for a terminal, an issue or a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from avsearch.evaluation.classes import Confusion
from avsearch.evaluation.markdown_table import cell, number, shown, table_head, table_line
from avsearch.evaluation.paper import PAPER_TABLE, PaperRow
from avsearch.evaluation.record import column_key, model_record, protocol_record
from avsearch.evaluation.results import Evaluation, Score
from avsearch.evaluation.statistics import PairedTest
from avsearch.evaluation.systems import Report, Run, System
from avsearch.moments import DIRECTIONS

NAMES_SHOWN = 5
WORST_CLASSES = 10
CROSS_MODAL = tuple(direction for direction in DIRECTIONS if not direction.is_same_modality)
PAPER_TITLE = "Objects that Sound, table 2"


def report_markdown(report: Report) -> str:
    """The contents of report.md."""
    first = report.first
    sections = [
        [f"# Retrieval on the {first.settings.split} split of {first.settings.manifest.name}"],
        _systems(report),
        [explanation(first)],
        _measures(first),
        _over_runs(report),
        _comparison(report),
        _judgements(report.runs),
        _classes(report),
        _paper(report),
        _benches(report),
        ["## Settings", *_settings(first)],
        ["## Problems of the input", *(_problems(report.runs) or ["None."])],
    ]
    return "\n\n".join("\n".join(_spaced(section)) for section in sections if section) + "\n"


def explanation(evaluation: Evaluation) -> str:
    """How to read the figures, in words."""
    return (
        f"{evaluation.protocol.description} "
        "Self-out, the headline: a query does not compete for its own item, nor, within one modality, for items "
        "that share one of its group values. Self-in: it competes for all of them. "
        "An item is relevant that shares a label with the query; graded nDCG counts by "
        f"{evaluation.settings.grading}. "
        "Chance is what the same candidates reach on average in random order. "
        "A query without a relevant candidate is left out of the mean. "
        "In brackets: 95 % confidence, by a bootstrap over items."
    )


def cross_modal_mean(evaluation: Evaluation) -> float | None:
    """The mean of the two directions across modalities; None where one has no score."""
    return _mean([_reached(evaluation.score(direction)) for direction in CROSS_MODAL])


def _spaced(section: Sequence[str]) -> list[str]:
    """A blank line between a heading, a table and what follows them."""
    lines: list[str] = []
    for line in section:
        if lines and not (line.startswith(("|", "- ")) and lines[-1].startswith(line[0])):
            lines.append("")
        lines.append(line)
    return lines


def _systems(report: Report) -> list[str]:
    k = report.first.settings.k
    lines = table_head([f"nDCG@{k}", *map(str, DIRECTIONS), "cross-modal mean"])
    for system in report.systems:
        for run in system.runs:
            mean = cross_modal_mean(run.evaluation)
            cells = [_with_interval(run.evaluation.score(direction)) for direction in DIRECTIONS]
            lines.append(table_line([_run_name(system, run), *cells, shown(mean)]))
    chances = [_chance(report.first.score(direction)) for direction in DIRECTIONS]
    across = [_chance(report.first.score(direction)) for direction in CROSS_MODAL]
    return [*lines, table_line(["chance", *map(shown, [*chances, _mean(across)])])]


def _run_name(system: System, run: Run) -> str:
    return system.name if len(system.runs) == 1 else f"{system.name} ({run.source}, seed {run_seed(run)})"


def run_seed(run: Run) -> str:
    """The seed of the draws, or a dash where nothing is drawn."""
    seed = run.evaluation.protocol.seed
    return "-" if seed is None else str(seed)


def _measures(evaluation: Evaluation) -> list[str]:
    lines = ["## All measures", *table_head(["", *map(str, DIRECTIONS)])]
    for column in evaluation.columns:
        scores = [evaluation.score(direction, column) for direction in DIRECTIONS]
        lines.append(table_line([column_key(column, evaluation.settings.k), *map(_with_interval, scores)]))
        lines.append(table_line(["chance", *(shown(_chance(score)) for score in scores)]))
        own_first = [score.chance_own_first if score else None for score in scores]
        if any(chance is not None for chance in own_first):
            lines.append(table_line(["chance, own item first", *map(shown, own_first)]))
    counts = [evaluation.queries(direction) for direction in DIRECTIONS]
    lines.append(table_line(["queries", *(str(count.asked) for count in counts)]))
    for rule in {column.self_rule: None for column in evaluation.columns}:
        cells = [str(count.without_relevant[rule]) for count in counts]
        lines.append(table_line([f"without a relevant candidate, {rule}", *cells]))
    return lines


def _over_runs(report: Report) -> list[str]:
    several = [system for system in report.systems if len(system.runs) > 1]
    if not several:
        return []
    lines = [
        "## Several seeds: mean and standard deviation",
        *table_head(["system", "runs", *map(str, DIRECTIONS)]),
    ]
    for system in several:
        spreads = [system.spread(direction) for direction in DIRECTIONS]
        cells = ["-" if it is None else f"{it.mean:.3f} ± {shown(it.standard_deviation)}" for it in spreads]
        lines.append(table_line([system.name, str(len(system.runs)), *cells]))
    return lines


def _comparison(report: Report) -> list[str]:
    comparison = report.comparison
    if comparison is None:
        return []
    head = ["direction", "difference", "p", "p (Holm)", "effect size", "better", "worse", "equal", "queries"]
    lines = [f"## {comparison.names[1]} minus {comparison.names[0]}", *table_head(head)]
    for direction, test in comparison.tests.items():
        lines.append(table_line([str(direction), *_test_cells(test, comparison.adjusted[direction])]))
    return [
        *lines,
        "Paired by query; p by a two-sided randomisation test over items, of four directions together after Holm; "
        "effect size: Cohen's d of the differences.",
    ]


def _test_cells(test: PairedTest, adjusted: float) -> list[str]:
    interval = test.difference
    return [
        f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]",
        f"{test.p_value:.4f}",
        f"{adjusted:.4f}",
        "-" if test.effect_size is None else f"{test.effect_size:+.2f}",
        *(str(count) for count in (test.better, test.worse, test.equal, test.num_queries)),
    ]


def _judgements(runs: Sequence[Run]) -> list[str]:
    rows = [(run.source, figure) for run in runs for figure in judgement_figures(run)]
    if not rows:
        return []
    lines = ["## Correspondence and localization", *table_head(["", "figure", "reached", "baseline", "of"])]
    return lines + [table_line([source, *figure]) for source, figure in rows]


def judgement_figures(run: Run) -> Iterator[tuple[str, str, str, str]]:
    """What is measured, what was reached, its baseline, and of how many."""
    for measured in (run.correspondence, run.localization):
        if measured is not None:
            yield from measured.figures()


def _classes(report: Report) -> list[str]:
    lines: list[str] = []
    for direction, found in report.class_scores.items():
        scores = [score for score in found if score.mean is not None]
        if not scores:
            continue
        lines.append(f"### {direction}")
        lines += table_head(["class", "items", "queries", f"nDCG@{report.first.settings.k}", "chance"])
        for score in scores[:WORST_CLASSES]:
            cells = [score.label, str(score.num_items), str(score.num_queries)]
            lines.append(table_line([*map(cell, cells), shown(score.mean), shown(score.chance)]))
        lines.append(_taken_for(report.confusions[direction]))
    return ["## Classes, the worst first", *lines] if lines else []


def _taken_for(found: Confusion | None) -> str:
    pairs = [] if found is None else found.worst(3)
    told = "; ".join(f"{cell(asked)} finds {cell(instead)} ({share:.0%})" for asked, instead, share in pairs)
    return f"Most often confused: {told}." if told else "No class is confused with another."


def _paper(report: Report) -> list[str]:
    theirs = _paper_lines(PAPER_TITLE, PAPER_TABLE)
    if report.beside_the_paper:
        ours = _paper_lines("this report", report.beside_the_paper)
        return ["## Beside the paper: the same protocol and data", *ours, *theirs]
    apart = (
        "These figures are of other clips (AudioSet-Instruments) or another protocol than those above: "
        "the order within each table can be compared, the figures cannot."
    )
    return ["## Apart: the paper's own table", apart, *theirs]


def _paper_lines(title: str, rows: Sequence[PaperRow]) -> list[str]:
    lines = [table_line([row.name, *map(shown, row.ndcg), shown(row.avc)]) for row in rows]
    return [*table_head([title, *map(str, DIRECTIONS), "AVC"]), *lines]


def _benches(report: Report) -> list[str]:
    lines: list[str] = []
    for bench in report.benches:
        lines.append(f"## avsearch bench {bench.benchmark}, {bench.date}")
        lines.append(cell(bench.machine))
        lines += table_head(["", "median", "lowest", "highest"])
        for it in bench.figures:
            lines.append(table_line([cell(it.name), *map(number, (it.median, it.lowest, it.highest))]))
    return lines


def _settings(evaluation: Evaluation) -> list[str]:
    record = protocol_record(evaluation) | {f"model {key}": it for key, it in model_record(evaluation).items()}
    told = {"protocol": record["name"], "items": evaluation.num_items}
    told |= {key: it for key, it in record.items() if key not in {"name", "description", "relevance", "self"}}
    told["groups"] = ", ".join(record["groups"])
    rows = [
        table_line([key.replace("_", " "), "-" if it in {None, ""} else cell(str(it))]) for key, it in told.items()
    ]
    return [*table_head(["setting", "value"])[:1], table_line(["---", "---"]), *rows]


def _problems(runs: Sequence[Run]) -> list[str]:
    lines: dict[str, None] = {}
    for run in runs:
        for problem in run.evaluation.problems:
            names = ", ".join(f"`{' '.join(name.split())}`" for name in problem.names[:NAMES_SHOWN])
            more = len(problem.names) - NAMES_SHOWN
            rest = f" and {more} more" if more > 0 else ""
            whose = f" ({run.source})" if len(runs) > 1 else ""
            lines[f"- {len(problem.names)} {problem.kind.value}{whose}: {names}{rest}."] = None
    return list(lines)


def _with_interval(score: Score | None) -> str:
    if score is None:
        return "-"
    return f"**{score.mean:.3f}** [{score.interval.low:.3f}, {score.interval.high:.3f}]"


def _reached(score: Score | None) -> float | None:
    return None if score is None else score.mean


def _chance(score: Score | None) -> float | None:
    return None if score is None else score.chance


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
