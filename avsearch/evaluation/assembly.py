"""From what each row of a manifest gave to the items of an evaluation; the same for both protocols."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsearch.audioset import Ontology, read_ontology
from avsearch.errors import ManifestError
from avsearch.evaluation.items import (
    EvaluationSettings,
    Items,
    ItemVectors,
    Protocol,
    TimedVectors,
    group_values,
    name_of,
)
from avsearch.evaluation.problems import Problem, ProblemKind, gather_problems
from avsearch.evaluation.relevance import ClassRelevance
from avsearch.manifest import BOXES_COLUMN, REQUIRED_COLUMNS, Manifest, ManifestRow, read_manifest_with_repeats
from avsearch.moments import Modality

MOST_RELEVANT = 20.0
"""Of two classes that are the same: 20 - d ("Objects that Sound", section 4.1)."""

Case = tuple[ProblemKind, str]
_LACKS = {Modality.IMAGE: ProblemKind.WITHOUT_PICTURE, Modality.AUDIO: ProblemKind.WITHOUT_SOUND}


@dataclass(frozen=True)
class Found:
    """What one row gave.

    Attributes:
        row: the row.
        content: equal for rows that hold the same content.
        vectors: those of each modality, of no moment or no entry for one that it lacks.
    """

    row: ManifestRow
    content: str
    vectors: Mapping[Modality, TimedVectors]


@dataclass(frozen=True)
class Selection:
    """The rows of a split that can be judged, and what there is to say of the manifest."""

    rows: tuple[ManifestRow, ...]
    cases: tuple[Case, ...]


def select_rows(settings: EvaluationSettings) -> Selection:
    """Read the manifest and keep the rows of the split that have a label.

    Raises:
        ManifestError: the manifest cannot be read, lacks a column that the settings name, or has no row of the
            split, or none with a label.
    """
    manifest = read_manifest_with_repeats(settings.manifest)
    manifest.require_columns([settings.label_column, *settings.group_columns])
    rows = manifest.in_split(settings.split)
    labelled = tuple(row for row in rows if row.labels_in(settings.label_column))
    if not labelled:
        raise ManifestError(
            f"{settings.manifest}: {settings.label_column} is empty in all rows of split={settings.split}.",
            hint="Fill in that column, or name another with --label-column.",
        )
    return Selection(labelled, tuple(_cases_of_rows(manifest, settings)))


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
    labels = tuple(frozenset(one.row.labels_in(settings.label_column)) for one in kept)
    classes, foreign = _classes(labels, settings.ontology)
    problems = gather_problems([*cases, *_cases(found, modalities), *foreign, *_lone_labels(labels)])
    if not kept:
        raise _nothing_left(settings, problems)
    return Items(
        names=tuple(name_of(one.row) for one in kept),
        paths=tuple(one.row.path for one in kept),
        labels=labels,
        groups=tuple(group_values(one.row, settings.group_columns) for one in kept),
        vectors={it: _vectors(kept, it) for it in modalities if any(len(one.vectors.get(it, ())) for one in kept)},
        settings=settings,
        protocol=protocol,
        problems=problems,
        classes=classes,
    )


def _nothing_left(settings: EvaluationSettings, problems: Iterable[Problem]) -> ManifestError:
    return ManifestError(
        f"{settings.manifest}: split={settings.split} holds nothing to evaluate.",
        hint="; ".join(f"{len(problem.names)} {problem.kind.value}" for problem in problems) + ".",
    )


def class_relevance(ontology: Ontology, labels: Collection[str]) -> ClassRelevance:
    """20 - d of all labels that the ontology knows, by id or by name; 0 for classes of different trees."""
    ids = ontology.resolve(sorted(labels))
    distances = ontology.tree_distances(list(ids.values()))
    matrix = np.maximum(MOST_RELEVANT - distances, 0).astype(np.float32)
    return ClassRelevance({label: index for index, label in enumerate(ids)}, matrix, same=MOST_RELEVANT)


def _classes(labels: Iterable[frozenset[str]], ontology: Path | None) -> tuple[ClassRelevance | None, list[Case]]:
    if ontology is None:
        return None, []
    used = frozenset[str]().union(*labels)
    classes = class_relevance(read_ontology(ontology), used)
    return classes, [(ProblemKind.FOREIGN_LABEL, label) for label in sorted(used - classes.index.keys())]


def _cases_of_rows(manifest: Manifest, settings: EvaluationSettings) -> Iterator[Case]:
    """What is left out of a split before a file is touched, and which columns say nothing."""
    for row in manifest.in_split(settings.split):
        if not row.labels_in(settings.label_column):
            yield ProblemKind.UNLABELLED, name_of(row)
    for row in manifest.repeated:
        if row.split == settings.split:
            yield ProblemKind.DUPLICATE_PATH, name_of(row)
    read = {*REQUIRED_COLUMNS, BOXES_COLUMN, settings.label_column, *settings.group_columns}
    yield from ((ProblemKind.UNUSED_COLUMN, column) for column in manifest.columns if column not in read)


def _each_content_once(found: Sequence[Found]) -> list[Found]:
    first = {one.content: one for one in reversed(found)}
    return [one for one in found if first[one.content] is one]


def _vectors(kept: Sequence[Found], modality: Modality) -> ItemVectors:
    parts = [(item, one.vectors[modality]) for item, one in enumerate(kept) if len(one.vectors.get(modality, ()))]
    return ItemVectors(
        vector=np.concatenate([moments.vector for _, moments in parts]),
        item=np.repeat([item for item, _ in parts], [len(moments) for _, moments in parts]),
        start_us=np.concatenate([moments.start_us for _, moments in parts]),
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


def _lone_labels(labels: Iterable[frozenset[str]]) -> list[Case]:
    bearers: dict[str, int] = {}
    for of_item in labels:
        for label in of_item:
            bearers[label] = bearers.get(label, 0) + 1
    return [(ProblemKind.LONE_LABEL, label) for label in sorted(bearers) if bearers[label] == 1]
