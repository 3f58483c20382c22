"""A report as the JSON of report.json; docs/evaluation.md says what each field is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from avsearch.evaluation.classes import Confusion
from avsearch.evaluation.paper import PAPER_TABLE, PaperRow
from avsearch.evaluation.problems import Problem
from avsearch.evaluation.relevance import BINARY, SelfRule
from avsearch.evaluation.results import Column, Evaluation, Measure, Score
from avsearch.evaluation.systems import Comparison, Report, Run, System
from avsearch.moments import DIRECTIONS, Direction

SCHEMA_VERSION = 2
DECIMALS = 6
WORST_PAIRS = 20


def report_record(report: Report) -> dict[str, Any]:
    """The contents of report.json: the headline of the first system, then everything of each."""
    first = report.first
    return {
        "schema_version": SCHEMA_VERSION,
        "created": report.created,
        **_headline(first, Column(Measure.NDCG), first.settings.k),
        "queries": max(first.queries(direction).asked for direction in DIRECTIONS),
        "protocol": protocol_record(first),
        "model": model_record(first),
        "items": first.num_items,
        "directions": {str(direction): _direction(first, direction) for direction in DIRECTIONS},
        "self_in": _headline(first, Column(Measure.NDCG, SelfRule.IN), first.settings.k),
        "graded": _graded(first),
        "systems": [_system(system) for system in report.systems],
        "comparison": None if report.comparison is None else _comparison(report.comparison),
        "classes": {str(it): [asdict(one) for one in found] for it, found in report.class_scores.items()},
        "confusions": {str(direction): _confusions(found) for direction, found in report.confusions.items()},
        "curves": {str(direction): _curves(first, direction) for direction in DIRECTIONS},
        "paper": {"comparable": bool(report.beside_the_paper), "rows": [_paper_row(row) for row in PAPER_TABLE]},
        "benches": [asdict(bench) for bench in report.benches],
        "problems": problem_records(first.problems),
    }


def protocol_record(evaluation: Evaluation) -> dict[str, Any]:
    """What was asked, of what, and how it was counted."""
    settings, protocol = evaluation.settings, evaluation.protocol
    return {
        "name": protocol.name,
        "description": protocol.description,
        "relevance": str(BINARY),
        "graded_relevance": str(settings.grading.relevance),
        "graded_gain": str(settings.grading.gain),
        "self": str(SelfRule.OUT),
        "k": settings.k,
        "manifest": settings.manifest.name,
        "split": settings.split,
        "label_column": settings.label_column,
        "groups": list(settings.group_columns),
        "ontology": None if settings.ontology is None else settings.ontology.name,
        "seed": protocol.seed,
    }


def model_record(evaluation: Evaluation) -> dict[str, Any]:
    """What made the vectors."""
    protocol = evaluation.protocol
    return {
        "fingerprint": protocol.fingerprint,
        "architecture": protocol.architecture,
        "recipe": protocol.recipe,
        "size": protocol.size,
    }


def problem_records(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """What a reader must know of the input."""
    return [
        {
            "kind": problem.kind.name.lower(),
            "what": problem.kind.value,
            "count": len(problem.names),
            "names": list(problem.names),
        }
        for problem in problems
    ]


def column_key(column: Column, k: int) -> str:
    """What a column is called: `ndcg@30`, `ndcg@30 self-in`, `ndcg@30 self-in (iou, exponential gain)`."""
    parts = [column.measure.at(k)]
    if column.self_rule is SelfRule.IN:
        parts.append(str(column.self_rule))
    if column.grading != BINARY:
        parts.append(f"({column.grading})")
    return " ".join(parts)


def rounded(value: float | None) -> float | None:
    """To as many decimals as are told."""
    return None if value is None else round(value, DECIMALS)


def _headline(evaluation: Evaluation, column: Column, k: int) -> dict[str, Any]:
    scores = {str(direction): evaluation.score(direction, column) for direction in DIRECTIONS}
    return {
        f"ndcg@{k}": {name: rounded(score.mean) if score else None for name, score in scores.items()},
        "chance": {name: rounded(score.chance) if score else None for name, score in scores.items()},
    }


def _graded(evaluation: Evaluation) -> dict[str, Any]:
    grading, k = evaluation.settings.grading, evaluation.settings.k
    out, kept = (Column(Measure.NDCG, rule, grading) for rule in SelfRule)
    own_first = {str(it): evaluation.score(it, kept) for it in DIRECTIONS}
    return {
        **_headline(evaluation, out, k),
        "self_in": {
            **_headline(evaluation, kept, k),
            "chance_own_first": {
                name: rounded(score.chance_own_first) if score else None for name, score in own_first.items()
            },
        },
    }


def _direction(evaluation: Evaluation, direction: Direction) -> dict[str, Any]:
    count = evaluation.queries(direction)
    return {
        "queries": count.asked,
        "without_relevant": count.without_relevant[SelfRule.OUT],
        "without_relevant_self_in": count.without_relevant[SelfRule.IN],
    }


def _system(system: System) -> dict[str, Any]:
    spreads = {str(direction): system.spread(direction) for direction in DIRECTIONS}
    return {
        "name": system.name,
        "runs": [_run(run) for run in system.runs],
        "over_runs": {
            name: None if it is None else {key: rounded(value) for key, value in asdict(it).items()}
            for name, it in spreads.items()
        },
    }


def _run(run: Run) -> dict[str, Any]:
    evaluation = run.evaluation
    return {
        "source": run.source,
        "model": model_record(evaluation),
        "seed": evaluation.protocol.seed,
        "items": evaluation.num_items,
        "scores": {str(direction): _scores(evaluation, direction) for direction in DIRECTIONS},
        "correspondence": None if run.correspondence is None else run.correspondence.record(),
        "localization": None if run.localization is None else run.localization.record(),
        "problems": problem_records(evaluation.problems),
    }


def _scores(evaluation: Evaluation, direction: Direction) -> dict[str, Any]:
    k = evaluation.settings.k
    scores = {column_key(column, k): evaluation.score(direction, column) for column in evaluation.columns}
    return {name: None if score is None else _score(score) for name, score in scores.items()}


def _score(score: Score) -> dict[str, Any]:
    interval = {key: rounded(value) for key, value in asdict(score.interval).items()}
    return {**interval, "chance": rounded(score.chance), "queries": score.num_queries}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "first": comparison.names[0],
        "second": comparison.names[1],
        "directions": {
            str(direction): {
                **_rounded_leaves(asdict(test)),
                "p_value_holm": rounded(comparison.adjusted[direction]),
            }
            for direction, test in comparison.tests.items()
        },
    }


def _rounded_leaves(record: Mapping[str, Any]) -> dict[str, Any]:
    """Every number of a nested record rounded."""
    return {
        key: _rounded_leaves(it) if isinstance(it, Mapping) else rounded(it) if isinstance(it, float) else it
        for key, it in record.items()
    }


def _confusions(found: Confusion | None) -> list[dict[str, Any]]:
    worst = [] if found is None else found.worst(WORST_PAIRS)
    return [{"asked": asked, "found": instead, "share": rounded(share)} for asked, instead, share in worst]


def _curves(evaluation: Evaluation, direction: Direction) -> dict[str, Any] | None:
    curve = evaluation.curve(direction)
    if curve is None:
        return None
    return {"ndcg": [rounded(it) for it in curve[0].tolist()], "chance": [rounded(it) for it in curve[1].tolist()]}


def _paper_row(row: PaperRow) -> dict[str, Any]:
    return {"system": row.name, "ndcg@30": dict(zip(map(str, DIRECTIONS), row.ndcg, strict=True)), "avc": row.avc}
