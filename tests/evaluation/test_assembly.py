"""Truth here: small manifests and vectors written in the test."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avsearch.errors import ManifestError, UsageError
from avsearch.evaluation.assembly import Found, assemble, select_rows
from avsearch.evaluation.items import EvaluationSettings, Protocol, TimedVectors, group_values
from avsearch.evaluation.problems import ProblemKind
from avsearch.manifest import read_manifest
from avsearch.moments import Modality

PROTOCOL = Protocol("library", "as a test says", "f" * 32, "ave", "ave", "small")
ONE, OTHER = (TimedVectors(row[None], np.array([3])) for row in np.eye(2, dtype=np.float32))
TEXT = """path,labels,split,photo,recordings
a.mp4,x;y,test,p1,r1|r2
b.mp4,x,test,p1,r2
c.mp4,,test,,
d.mp4,z,train,p2,r1
e.mp4,x,test,, | r3 |
"""


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text(TEXT, encoding="utf-8")
    return EvaluationSettings(path, group_columns=("photo", "recordings"))


def both(one, other):
    return TimedVectors(
        *(np.concatenate([getattr(it, of) for it in (one, other)]) for of in ("vector", "start_us"))
    )


def put_together(settings, found, modalities=tuple(Modality)):
    return assemble(found, modalities=modalities, settings=settings, protocol=PROTOCOL, cases=[])


def test_only_labelled_rows_of_the_split_are_selected_and_the_others_named(settings):
    selection = select_rows(settings)
    assert [row.columns["path"] for row in selection.rows] == ["a.mp4", "b.mp4", "e.mp4"]
    assert selection.cases == ((ProblemKind.UNLABELLED, "c.mp4"),)


def test_a_path_again_a_column_that_says_nothing_and_an_unknown_label_are_named(settings, tmp_path):
    settings.manifest.write_text(
        TEXT.replace("recordings", "mood") + "./a.mp4,z,test,,\nd.mp4,z,train,,\n", "utf-8"
    )
    settings = replace(settings, group_columns=("photo",))
    assert select_rows(settings).cases == (
        (ProblemKind.UNLABELLED, "c.mp4"),
        (ProblemKind.DUPLICATE_PATH, "./a.mp4"),
        (ProblemKind.UNUSED_COLUMN, "mood"),
    )
    ontology = tmp_path / "ontology.json"
    ontology.write_text(json.dumps([{"id": "/m/1", "name": "x", "child_ids": []}]), "utf-8")
    a, *_ = select_rows(settings).rows
    settings = replace(settings, ontology=ontology)
    items = put_together(settings, [Found(a, "1", {Modality.IMAGE: ONE})])
    assert (ProblemKind.FOREIGN_LABEL, ("y",)) in [(problem.kind, problem.names) for problem in items.problems]


def test_a_bar_stands_between_values_and_empty_ones_do_not_count(settings):
    a, b, c, _, e = read_manifest(settings.manifest).rows
    columns = ["photo", "recordings"]
    assert group_values(a, columns) == {("photo", "p1"), ("recordings", "r1"), ("recordings", "r2")}
    assert group_values(a, columns) & group_values(b, ["recordings"]) == {("recordings", "r2")}
    assert group_values(c, columns) == frozenset()
    assert group_values(e, columns) == {("recordings", "r3")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_column": "class"}, "no column class"),
        ({"group_columns": ("photo", "take")}, "no column take"),
        ({"split": "val"}, "no row has split=val"),
        ({"label_column": "photo", "split": "none"}, "no row has split=none"),
    ],
)
def test_what_the_manifest_does_not_have_is_named(settings, changes, message):
    with pytest.raises(ManifestError, match=message):
        select_rows(EvaluationSettings(settings.manifest, **changes))


def test_a_label_column_that_is_empty_throughout_is_refused(settings):
    settings.manifest.write_text("path,labels,split\na.mp4,,test\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="labels is empty in all rows of split=test"):
        select_rows(EvaluationSettings(settings.manifest))


@pytest.mark.parametrize(("changes", "message"), [({"k": 0}, "at least one rank"), ({"seed": -1}, "not negative")])
def test_settings_that_mean_nothing_are_wrong_usage(settings, changes, message):
    with pytest.raises(UsageError, match=message):
        EvaluationSettings(settings.manifest, **changes)


def test_the_rows_of_an_item_stay_together_in_the_order_of_the_manifest(settings):
    a, b, e = select_rows(settings).rows
    found = [
        Found(a, "1", {Modality.IMAGE: both(ONE, OTHER)}),
        Found(b, "2", {Modality.AUDIO: ONE}),
        Found(e, "3", {Modality.IMAGE: OTHER, Modality.AUDIO: both(OTHER, ONE)}),
    ]
    items = put_together(settings, found)
    assert items.names == ("a.mp4", "b.mp4", "e.mp4")
    assert items.labels == ({"x", "y"}, {"x"}, {"x"})
    assert items.vectors[Modality.IMAGE].item.tolist() == [0, 0, 2]
    assert items.vectors[Modality.IMAGE].vector.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert items.vectors[Modality.AUDIO].item.tolist() == [1, 2, 2]
    named = {problem.kind: problem.names for problem in items.problems}
    assert named == {
        ProblemKind.WITHOUT_PICTURE: ("b.mp4",),
        ProblemKind.WITHOUT_SOUND: ("a.mp4",),
        ProblemKind.LONE_LABEL: ("y",),
    }


def test_the_same_content_twice_is_one_item(settings):
    a, b, e = select_rows(settings).rows
    sides = {Modality.IMAGE: ONE, Modality.AUDIO: ONE}
    items = put_together(settings, [Found(a, "1", sides), Found(b, "1", sides), Found(e, "2", sides)])
    assert items.names == ("a.mp4", "e.mp4")
    assert (ProblemKind.REPEATED, ("b.mp4",)) in [(problem.kind, problem.names) for problem in items.problems]


def test_a_manifest_that_gives_no_vector_at_all_is_refused_with_the_counts(settings):
    rows = select_rows(settings).rows
    with pytest.raises(ManifestError, match="3 rows with nothing that the model encodes"):
        put_together(settings, [Found(row, row.columns["path"], {}) for row in rows])
