"""The words of the page, and its tables of classes, settings, problems, benchmarks and the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avsearch.evaluation.classes import ClassScore, Confusion
from avsearch.evaluation.page.first_answers import FirstAnswers, first_answers
from avsearch.evaluation.page.tables import NOTHING, Table, shown, spoken, table
from avsearch.evaluation.paper import PAPER_TABLE, PaperRow
from avsearch.evaluation.problems import Problem
from avsearch.evaluation.record import protocol_record
from avsearch.evaluation.results import Evaluation, Score
from avsearch.evaluation.systems import Report, Run
from avsearch.moments import DIRECTIONS, Direction, Modality

NAMES_SHOWN = 20  # of a problem
PAIRS_SHOWN = 3
_PLURALS = {Modality.IMAGE: "pictures", Modality.AUDIO: "sounds"}
_SINGULARS = {Modality.IMAGE: "a picture", Modality.AUDIO: "a sound"}


@dataclass(frozen=True)
class Statement:
    """What search is worth in one direction, for someone who wants to use it, as a sentence and as its numbers."""

    title: str
    sentence: str
    answers: FirstAnswers


@dataclass(frozen=True)
class ShownProblem:
    """A kind of problem of the input: whose runs have it, how many cases, and the first of them."""

    what: str
    count: int
    whose: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class BenchTable:
    """What one call of `avsearch bench` measured, and on which machine."""

    machine: str
    table: Table


def statements(evaluation: Evaluation) -> list[Statement]:
    """One for each direction that was asked, across modalities first."""
    order = sorted(DIRECTIONS, key=lambda direction: direction.is_same_modality)
    return [made for direction in order if (made := _statement(evaluation, direction)) is not None]


def verdict(evaluation: Evaluation) -> str:
    """Whether search across modalities, or else within one, does better than chance, in a sentence."""
    scores = {it: score for it in DIRECTIONS if (score := evaluation.score(it)) is not None}
    if not scores:
        return "No query had anything to find, so nothing can be said."
    across = {it: score for it, score in scores.items() if not it.is_same_modality} or scores
    better = [it for it, score in across.items() if score.interval.low > score.chance]
    told = "; ".join(f"{spoken(it)} {_against_chance(score)}" for it, score in across.items())
    much = "better" if len(better) == len(across) else "in part better" if better else "nowhere better"
    return f"By nDCG@{evaluation.settings.k}, {much} than chance: {told}."


def class_table(title: str, scores: Sequence[ClassScore], k: int) -> Table:
    """The classes of one direction, the worst first."""
    rows = [
        (it.label, f"{it.num_items:,}", f"{it.num_queries:,}", shown(it.mean), shown(it.chance)) for it in scores
    ]
    return table(title, ("class", "items", "queries", f"nDCG@{k}", "chance"), rows)


def taken_for(confusion: Confusion | None) -> str:
    """The classes that are most often taken for others."""
    pairs = [] if confusion is None else confusion.worst(PAIRS_SHOWN)
    told = "; ".join(f"{asked} finds {found} ({share:.0%} of its first answers)" for asked, found, share in pairs)
    return f"Most often confused: {told}." if told else "No class is confused with another."


def setting_rows(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What was asked, of what, and how it was counted."""
    record = protocol_record(evaluation)
    known = {
        "manifest": record["manifest"],
        "split": record["split"],
        "items": f"{evaluation.num_items:,}",
        "labels from": record["label_column"],
        "left out together (--group)": ", ".join(record["groups"]),
        "protocol": record["name"],
        "headline": f"nDCG@{record['k']}, {record['relevance']} relevance, {record['self']}",
        "graded relevance": f"{record['graded_relevance']}, {record['graded_gain']} gain",
        "ontology": record["ontology"],
        "seed of the draws": record["seed"],
        "seed of intervals and samples": evaluation.settings.seed,
    }
    return [(key, NOTHING if value in {None, ""} else str(value)) for key, value in known.items()]


def model_table(report: Report) -> Table:
    """What made the vectors of each run."""
    rows = []
    for run in report.runs:
        made = run.evaluation.protocol
        seed = NOTHING if made.seed is None else str(made.seed)
        rows.append((run.source, made.architecture, made.recipe or NOTHING, made.size, seed, made.fingerprint))
    head = ("run", "architecture", "recipe", "size", "seed", "fingerprint")
    return table("What made the vectors", head, rows, num_text=len(head))


def problems_of(runs: Sequence[Run]) -> list[ShownProblem]:
    """Each problem once, with the runs that have it where not all do."""
    whose: dict[Problem, list[str]] = {}
    for run in runs:
        for problem in run.evaluation.problems:
            whose.setdefault(problem, []).append(run.source)
    return [
        ShownProblem(
            what=problem.kind.value,
            count=len(problem.names),
            whose="" if len(sources) == len(runs) else ", ".join(sources),
            names=problem.names[:NAMES_SHOWN],
        )
        for problem, sources in whose.items()
    ]


def bench_tables(report: Report) -> list[BenchTable]:
    """What `avsearch bench` measured."""
    made = []
    for bench in report.benches:
        rows = [(it.name, *map(_number, (it.median, it.lowest, it.highest))) for it in bench.figures]
        caption = f"avsearch bench {bench.benchmark}, {bench.date}"
        made.append(BenchTable(bench.machine, table(caption, ("figure", "median", "lowest", "highest"), rows)))
    return made


def paper_tables(report: Report) -> list[Table]:
    """The paper's table, and before it our runs by its way to count where protocol and data are its own."""
    paper = _paper_table("Objects that Sound, table 2: nDCG@30", PAPER_TABLE)
    if not report.beside_the_paper:
        return [paper]
    return [_paper_table("This report, counted as in the paper: graded, self-in", report.beside_the_paper), paper]


def _paper_table(caption: str, rows: Sequence[PaperRow]) -> Table:
    head = ("system", *map(spoken, DIRECTIONS), "AVC accuracy")
    return table(caption, head, [(row.name, *map(shown, row.ndcg), shown(row.avc)) for row in rows])


def _statement(evaluation: Evaluation, direction: Direction) -> Statement | None:
    found = first_answers(evaluation, direction)
    if found is None:
        return None
    sentence = (
        f"Of the first {found.looked_at} {_PLURALS[direction.target]} found with {_SINGULARS[direction.query]}, "
        f"{found.right:.1f} are right on average; random order would give {found.by_chance:.1f}, "
        f"a perfect one {found.possible:.1f}."
    )
    return Statement(spoken(direction), sentence, found)


def _against_chance(score: Score) -> str:
    if score.interval.low > score.chance:
        return f"{score.mean:.3f} against {score.chance:.3f}"
    if score.interval.high < score.chance:
        return f"{score.mean:.3f}, below the {score.chance:.3f} of chance"
    return f"{score.mean:.3f}, which cannot be told from the {score.chance:.3f} of chance"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
