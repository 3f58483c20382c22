"""From what each row of a manifest gave to the items of an evaluation; the same for both protocols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import ManifestError
from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol, group_values, name_of
from avsearch.evaluation.problems import ProblemKind, gather_problems
from avsearch.manifest import ManifestRow, read_manifest
from avsearch.moments import Modality

Case = tuple[ProblemKind, str]
_LACKS = {Modality.IMAGE: ProblemKind.WITHOUT_PICTURE, Modality.AUDIO: ProblemKind.WITHOUT_SOUND}


@dataclass(frozen=True)
class Found:
    """What one row gave.

    Attributes:
        row: the row.
        content: equal for rows that hold the same content.
        vectors: (n, D) unit rows for each modality, n = 0 or no entry for one that it lacks.
    """

    row: ManifestRow
    content: str
    vectors: Mapping[Modality, NDArray[np.floating]]


@dataclass(frozen=True)
class Selection:
    """The rows of a split that can be judged, and those that cannot, for want of a label."""

    rows: tuple[ManifestRow, ...]
    cases: tuple[Case, ...]


def select_rows(settings: EvaluationSettings) -> Selection:
    """Read the manifest and keep the rows of the split that have a label.

    Raises:
        ManifestError: the manifest cannot be read, lacks a column that the settings name, or has no row of the
            split, or none with a label.
    """
    manifest = read_manifest(settings.manifest)
    manifest.require_columns([settings.label_column, *settings.group_columns])
    rows = manifest.in_split(settings.split)
    labelled = tuple(row for row in rows if row.labels_in(settings.label_column))
    if not labelled:
        raise ManifestError(
            f"{settings.manifest}: {settings.label_column} is empty in all rows of split={settings.split}.",
            hint="Fill in that column, or name another with --label-column.",
        )
    unlabelled = [row for row in rows if not row.labels_in(settings.label_column)]
    return Selection(labelled, tuple((ProblemKind.UNLABELLED, name_of(row)) for row in unlabelled))


def assemble(
    found: Sequence[Found],
    *,
    modalities: Iterable[Modality],
    settings: EvaluationSettings,
    protocol: Protocol,
    cases: Iterable[Case],
) -> Items:
    """Make items of the rows that gave a vector, each content once, in the order of the manifest.

    Args:
        found: what the rows gave, in their order.
        modalities: those that the encoder has.
        settings: what was asked for.
        protocol: where the vectors come from.
        cases: the problems met so far.

    Raises:
        ManifestError: no row gave a vector.
    """
    modalities = tuple(modalities)
    kept = [one for one in _each_content_once(found) if any(map(len, one.vectors.values()))]
    lone = _lone_labels([one.row.labels_in(settings.label_column) for one in kept])
    problems = gather_problems([*cases, *_cases(found, modalities), *lone])
    if not kept:
        raise ManifestError(
            f"{settings.manifest}: split={settings.split} holds nothing to evaluate.",
            hint="; ".join(f"{len(problem.names)} {problem.kind.value}" for problem in problems) + ".",
        )
    return Items(
        names=tuple(name_of(one.row) for one in kept),
        labels=tuple(frozenset(one.row.labels_in(settings.label_column)) for one in kept),
        groups=tuple(group_values(one.row, settings.group_columns) for one in kept),
        vectors={it: _vectors(kept, it) for it in modalities if any(len(one.vectors.get(it, ())) for one in kept)},
        settings=settings,
        protocol=protocol,
        problems=problems,
    )


def _each_content_once(found: Sequence[Found]) -> list[Found]:
    first = {one.content: one for one in reversed(found)}
    return [one for one in found if first[one.content] is one]


def _vectors(kept: Sequence[Found], modality: Modality) -> ItemVectors:
    parts = [(item, one.vectors[modality]) for item, one in enumerate(kept) if len(one.vectors.get(modality, ()))]
    return ItemVectors(
        vector=np.concatenate([rows for _, rows in parts]),
        item=np.repeat([item for item, _ in parts], [len(rows) for _, rows in parts]),
    )


def _cases(found: Sequence[Found], modalities: Sequence[Modality]) -> Iterator[Case]:
    seen: set[str] = set()
    for one in found:
        lacking = [it for it in modalities if not len(one.vectors.get(it, ()))]
        if one.content in seen:
            yield ProblemKind.REPEATED, name_of(one.row)
        elif len(lacking) == len(modalities):
            yield ProblemKind.WITHOUT_VECTOR, name_of(one.row)
        else:
            yield from ((_LACKS[it], name_of(one.row)) for it in lacking)
        seen.add(one.content)


def _lone_labels(labels: Iterable[Iterable[str]]) -> list[Case]:
    bearers: dict[str, int] = {}
    for of_item in labels:
        for label in set(of_item):
            bearers[label] = bearers.get(label, 0) + 1
    return [(ProblemKind.LONE_LABEL, label) for label in sorted(bearers) if bearers[label] == 1]
