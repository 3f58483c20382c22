"""A writer that is killed at any instant leaves the state before or the state after, or a step between them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from avsearch.catalog import CatalogWriter
from avsearch.library import Batch, Library, compact, open_library, orphans, remove, verify
from avsearch.moments import Modality, Silent
from tests.library.killed_writer import OPERATIONS, digest
from tests.library.stored import files, moments, named_segments, segment_files

KILLED_WRITER = Path(__file__).with_name("killed_writer.py")
STRIDES = {
    "publish": 41,
    "publish_rows": 29,
    "reembed": 97,
    "compact": 97,
    "remove": 29,
    "relink": 29,
    "set_localizer": 29,
}
OPERATIONS_IN_TURN = [
    name if name == "publish" else pytest.param(name, marks=pytest.mark.slow) for name in STRIDES
]  # each kill is a process of its own


@dataclass(frozen=True)
class Job:
    """An operation that is killed, and the library that it begins with."""

    operation: str
    library: Library
    weights: Path
    footage: Path

    def arguments(self, out, stride):
        places = (self.weights, self.footage, self.library.directory, out)
        return [sys.executable, KILLED_WRITER, self.operation, *places, str(stride)]

    def run(self, out, stride, **options):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(self.arguments(out, stride), check=True, env=environment, timeout=1500, **options)


@pytest.fixture
def several(library, fill):
    """A library of three commits."""
    for number in range(3):
        fill(f"a{number}", f"b{number}", labels=("label",), seed=number)
    return library


@pytest.fixture
def job(request, library, weights, footage, make_weights, tmp_path, maker):
    """An operation, and the library that it begins with."""
    operation = request.param
    new_weights = make_weights(tmp_path / "new.safetensors", seed=1)
    if operation != "publish":
        request.getfixturevalue("several")
    if operation == "publish_rows":
        lose_sounds(library)
    elif operation == "compact":
        give_up_reembed(library, new_weights, maker)
        remove(library, [str(footage / name) for name in ("a0", "b0", "a1")])
    elif operation == "relink":
        footage = footage.rename(footage.with_name("moved"))
        (footage / "a0").write_bytes(bytes(100))
    elif operation == "set_localizer":
        new_weights = make_weights(tmp_path / "avol.safetensors", seed=2, architecture="avol")
    needs_new = operation in {"reembed", "set_localizer"}
    return Job(operation, library, new_weights if needs_new else weights, footage)


def lose_sounds(library):
    lost = next(one for one in library.snapshot().segments if one.modality is Modality.AUDIO)
    with library.writer() as writer:
        writer.drop_segments([lost])


def give_up_reembed(library, new_weights, maker):
    """Leave vectors of an encoder that is not used."""
    with library.writer() as writer:
        encoder = writer.begin_reembed(new_weights)
        writer.publish_rows(encoder, dict.fromkeys(Modality, maker(writer, 1).rows([1, 2])), media_ids=[1, 2])
        writer.abandon_reembed()


def state(library):
    """What users can tell: moments, files, places of roots, the localizer."""
    roots = [root.path for root in library.catalog.roots()]
    return moments(library), files(library), roots, library.catalog.localizer()


def assert_whole(library, problems):
    """Nothing is wrong but what was wrong before, and the next writer sweeps what lies around."""
    assert set(map(str, verify(library))) <= set(map(str, problems))
    with library.writer():
        assert orphans(library) == []
    assert set(segment_files(library)) == named_segments(library)


def killed_copies(job, out, stride):
    """Copies of the library after kills at each stride-th line; the last writer lived."""
    before, problems = state(job.library), verify(job.library)
    out.mkdir()
    job.run(out, stride)
    copies = [open_library(copy) for copy in sorted(out.iterdir())]
    states = [state(copy) for copy in copies]
    assert states[0] == before
    assert verify(copies[-1]) == []
    for copy, seen in zip(copies, states, strict=True):
        assert_whole(copy, problems)
        assert seen[0] in (before[0], states[-1][0])
    is_after = [seen == states[-1] for seen in states]
    assert is_after == sorted(is_after)
    return copies


def assert_can_be_done_again(job, copy, expected):
    """The same work on what a killed writer left comes to the same end; only ids of new media may be others."""
    OPERATIONS[job.operation](copy, job.weights, job.footage)
    assert sorted(moments(copy).values()) == sorted(expected.values())
    assert verify(copy) == []


@pytest.mark.slow
@pytest.mark.sqlite
@pytest.mark.parametrize("job", OPERATIONS_IN_TURN, indirect=True)
def test_a_writer_killed_at_any_instant_leaves_the_state_before_or_after(job, tmp_path):
    copies = killed_copies(job, tmp_path / "copies", STRIDES[job.operation])
    assert len(copies) > 10
    expected = moments(copies[-1])
    for copy in copies:
        assert_can_be_done_again(job, copy, expected)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.sqlite
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("job", STRIDES, indirect=True)
def test_a_writer_killed_at_every_single_line_leaves_the_state_before_or_after(job, tmp_path):
    copies = killed_copies(job, tmp_path / "copies", 1)
    assert len(copies) > 200
    expected = moments(copies[-1])
    for copy in copies[::10]:
        assert_can_be_done_again(job, copy, expected)


@pytest.mark.slow
@pytest.mark.parametrize("job", OPERATIONS_IN_TURN, indirect=True)
def test_writers_killed_one_after_the_other_leave_the_state_before_or_after(job):
    """On a server too; each finds what the one before it left."""
    before, problems = digest(job.library), set(map(str, verify(job.library)))
    told = job.run("-", 2 * STRIDES[job.operation], stdout=subprocess.PIPE, text=True).stdout
    steps = [json.loads(line) for line in told.splitlines()]
    after = steps[-1]["moments"]
    assert [step["lived"] for step in steps] == [False] * (len(steps) - 1) + [True]
    assert len(steps) > 4
    assert steps[-1]["problems"] == []
    assert all(set(step["problems"]) <= problems and step["moments"] in (before, after) for step in steps)
    is_after = [step["moments"] == after for step in steps]
    assert is_after == sorted(is_after)


@pytest.mark.slow
@pytest.mark.sqlite
@pytest.mark.parametrize("job", ["compact"], indirect=True)
def test_a_content_that_comes_back_after_a_killed_compact_has_its_moments_once(job, tmp_path, maker):
    """Its vectors may still lie in segments that the killed one did not come to."""
    expected = len(moments(job.library)) + 4
    for copy in killed_copies(job, tmp_path / "copies", 97):
        with copy.writer() as writer:
            writer.publish(maker(writer, 1, np.random.default_rng(8)).batch("a0"))
        assert len(moments(copy)) == expected
        assert verify(copy) == []


def test_segments_are_on_the_disk_before_the_commit_that_names_them(library, weights, footage, maker, monkeypatch):
    seen = []
    fsync, replace, commit = os.fsync, os.replace, CatalogWriter.publish
    with library.writer() as writer:
        writer.use_encoder(weights)
        batch = maker(writer, writer.catalog.add_root(footage).id).batch("a")
        monkeypatch.setattr(os, "fsync", lambda descriptor: (seen.append("fsync"), fsync(descriptor)))
        monkeypatch.setattr(os, "replace", lambda *names: (seen.append("rename"), replace(*names)))
        monkeypatch.setattr(CatalogWriter, "publish", lambda *some: (seen.append("commit"), commit(*some)))
        writer.publish(Batch(batch.media, batch.rows, batch.files))
    assert seen == ["fsync", "rename", "fsync"] * 2 + ["commit"]


@pytest.mark.parametrize("job", ["compact"], indirect=True)
def test_compact_deletes_the_old_files_only_after_the_commit_that_no_longer_names_them(job, monkeypatch):
    library = job.library
    replaced, unlink = CatalogWriter.replace_segments, Path.unlink

    def commit(catalog, replacement):
        """Before the commit the old files are there, and so are the new ones."""
        there = set(segment_files(library))
        assert {*replacement.old, *(new.record.name for new in replacement.new)} <= there
        replaced(catalog, replacement)

    def delete(path, **options):
        assert path.name not in named_segments(library)
        unlink(path, **options)

    monkeypatch.setattr(CatalogWriter, "replace_segments", commit)
    monkeypatch.setattr(Path, "unlink", delete)
    assert compact(library, Silent()).num_media_forgotten == 3
