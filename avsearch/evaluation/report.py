"""What an evaluation found, as `report.json` for programs and `report.md` for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avsearch.evaluation.relevance import Gain, SelfRule
from avsearch.evaluation.retrieval import Evaluation, Table
from avsearch.moments import DIRECTIONS, Direction

SCHEMA_VERSION = 1
DECIMALS = 6
NAMES_SHOWN = 5
CROSS_MODAL = tuple(direction for direction in DIRECTIONS if not direction.is_same_modality)


def write_report(evaluation: Evaluation, directory: Path) -> Path:
    """Write `report.json` and `report.md`; the same evaluation gives the same bytes.

    Args:
        evaluation: what was found.
        directory: the folder to write them into; it is made when missing.

    Returns:
        The path of `report.json`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _publish(directory / "report.md", report_markdown(evaluation))
    text = json.dumps(report_record(evaluation), indent=2, ensure_ascii=False)
    return _publish(directory / "report.json", text + "\n")


def report_record(evaluation: Evaluation) -> dict[str, Any]:
    """The contents of `report.json`; docs/evaluation.md says what each field is."""
    binary, graded = (_gain_record(evaluation, gain) for gain in (Gain.BINARY, Gain.GRADED))
    self_in = binary.pop("self_in")
    return {
        "schema_version": SCHEMA_VERSION,
        **binary,
        "queries": max(count.asked for count in evaluation.queries.values()),
        "protocol": _protocol_record(evaluation),
        "model": _model_record(evaluation),
        "items": evaluation.num_items,
        "directions": {str(direction): _direction_record(evaluation, direction) for direction in DIRECTIONS},
        "self_in": self_in,
        "graded": graded,
        "problems": [
            {
                "kind": problem.kind.name.lower(),
                "what": problem.kind.value,
                "count": len(problem.names),
                "names": list(problem.names),
            }
            for problem in evaluation.problems
        ],
    }


def report_markdown(evaluation: Evaluation) -> str:
    """The contents of `report.md`."""
    settings = evaluation.settings
    parts = [
        f"# Retrieval on the {settings.split} split of {settings.manifest.name}",
        "\n".join(_score_lines(evaluation)),
        _explanation(evaluation),
        "## Settings",
        "\n".join(_setting_lines(evaluation)),
        "## Problems of the input",
        "\n".join(_problem_lines(evaluation)) or "None.",
    ]
    return "\n\n".join(parts) + "\n"


def _gain_record(evaluation: Evaluation, gain: Gain) -> dict[str, Any]:
    self_out = _table_record(evaluation.table(SelfRule.OUT, gain), evaluation.settings.k)
    self_in = _table_record(evaluation.table(SelfRule.IN, gain), evaluation.settings.k)
    return {**self_out, "self_in": self_in}


def _table_record(table: Table, k: int) -> dict[str, Any]:
    return {
        f"ndcg@{k}": {str(direction): _rounded(table.scores[direction].ndcg) for direction in DIRECTIONS},
        "chance": {str(direction): _rounded(table.scores[direction].chance) for direction in DIRECTIONS},
    }


def _direction_record(evaluation: Evaluation, direction: Direction) -> dict[str, Any]:
    count = evaluation.queries[direction]
    return {
        "queries": count.asked,
        "without_relevant": count.without_relevant[SelfRule.OUT],
        "without_relevant_self_in": count.without_relevant[SelfRule.IN],
    }


def _protocol_record(evaluation: Evaluation) -> dict[str, Any]:
    settings, protocol = evaluation.settings, evaluation.protocol
    return {
        "name": protocol.name,
        "description": protocol.description,
        "relevance": str(Gain.BINARY),
        "self": str(SelfRule.OUT),
        "k": settings.k,
        "manifest": settings.manifest.name,
        "split": settings.split,
        "label_column": settings.label_column,
        "groups": list(settings.group_columns),
        "seed": protocol.seed,
    }


def _model_record(evaluation: Evaluation) -> dict[str, Any]:
    protocol = evaluation.protocol
    return {
        "fingerprint": protocol.fingerprint,
        "architecture": protocol.architecture,
        "recipe": protocol.recipe,
        "size": protocol.size,
    }


def _score_lines(evaluation: Evaluation) -> list[str]:
    counts = [evaluation.queries[direction] for direction in DIRECTIONS]
    lines = [
        _line([f"nDCG@{evaluation.settings.k}", *map(str, DIRECTIONS)]),
        _line(["---"] + ["---:"] * len(DIRECTIONS)),
    ]
    for gain in Gain:
        for rule in SelfRule:
            lines += _table_lines(evaluation.table(rule, gain))
    lines.append(_line(["queries", *(str(count.asked) for count in counts)]))
    lines += [
        _line([f"without a relevant candidate, {rule}", *(str(count.without_relevant[rule]) for count in counts)])
        for rule in SelfRule
    ]
    return lines


def _table_lines(table: Table) -> list[str]:
    scores = [table.scores[direction] for direction in DIRECTIONS]
    ratios = [score.ndcg / score.chance if score.ndcg is not None and score.chance else None for score in scores]
    return [
        _line([f"**{table.gain}, {table.self_rule}**", *(f"**{_shown(score.ndcg)}**" for score in scores)]),
        _line(["chance", *(_shown(score.chance) for score in scores)]),
        _line(["times chance", *(_shown(ratio, 2) for ratio in ratios)]),
    ]


def _explanation(evaluation: Evaluation) -> str:
    return (
        f"{evaluation.protocol.description} "
        "Self-out, the headline: a query does not compete for its own item, nor, within one modality, for items "
        "that share one of its group values. Self-in: it competes for all of them. "
        "Binary: an item that shares a label with the query gains 1. Graded: 2^r - 1 for r shared labels. "
        "Chance is what the same candidates reach on average in random order. "
        "A query without a relevant candidate is left out of the mean."
        f"{_cross_modal_sentence(evaluation)}"
    )


def _cross_modal_sentence(evaluation: Evaluation) -> str:
    table = evaluation.table(SelfRule.OUT, Gain.BINARY)
    found = [table.scores[direction].ndcg for direction in CROSS_MODAL]
    reached = [ndcg for ndcg in found if ndcg is not None]
    if len(reached) < len(found):
        return ""
    return f" Mean of {' and '.join(map(str, CROSS_MODAL))}: {sum(reached) / len(reached):.3f}."


def _setting_lines(evaluation: Evaluation) -> list[str]:
    record = _protocol_record(evaluation) | {f"model {key}": it for key, it in _model_record(evaluation).items()}
    shown = {"protocol": record["name"], "items": evaluation.num_items}
    shown |= {key: it for key, it in record.items() if key not in {"name", "description", "relevance", "self"}}
    shown["groups"] = ", ".join(record["groups"])
    rows = [_line([key.replace("_", " "), "-" if it in {None, ""} else str(it)]) for key, it in shown.items()]
    return [_line(["setting", "value"]), _line(["---", "---"]), *rows]


def _problem_lines(evaluation: Evaluation) -> list[str]:
    lines = []
    for problem in evaluation.problems:
        names = ", ".join(f"`{' '.join(name.split())}`" for name in problem.names[:NAMES_SHOWN])
        more = len(problem.names) - NAMES_SHOWN
        lines.append(
            f"- {len(problem.names)} {problem.kind.value}: {names}"
            + (f" and {more} more" if more > 0 else "")
            + "."
        )
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: float | None, decimals: int = 3) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


def _publish(path: Path, text: str) -> Path:
    """Write aside, then rename: a reader never sees half a report."""
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    return aside.replace(path)
