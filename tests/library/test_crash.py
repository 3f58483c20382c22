"""A writer that is killed at any instant leaves the state before or the state after."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from avsearch.library import Batch, open_library, orphans, verify
from avsearch.moments import Modality

KILLED_WRITER = Path(__file__).with_name("killed_writer.py")


def rows_by_modality(library):
    snapshot = library.snapshot()
    return [sum(map(len, library.segments(snapshot, modality))) for modality in Modality]


def killed_libraries(library, weights, footage, out, *, stride):
    out.mkdir()
    arguments = [sys.executable, KILLED_WRITER, weights, footage, library.directory, out, str(stride)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(arguments, check=True, env=environment)
    return [open_library(copy) for copy in sorted(out.iterdir())]


def assert_before_or_after(library):
    """Nothing, or all of the one media that the writer published; what lies around is known to be an orphan."""
    live = library.snapshot().live_media_ids.tolist()
    assert verify(library) == []
    if live:
        (record,) = library.catalog.media_records(live).values()
        assert ([path.name for path in record.paths], record.labels) == (["new"], ("label",))
    else:
        assert [library.catalog.files_of(root.id) for root in library.catalog.roots()] in ([], [{}])
        assert library.catalog.media_by_hash(["new"]) == {}
    assert rows_by_modality(library) == ([2, 2] if live else [0, 0])
    with library.writer():
        assert orphans(library) == []
    named = {record.name for record in library.catalog.all_segments()}
    assert {path.name for path in (library.directory / "segments").iterdir()} == named
    return bool(live)


def check_every(library, weights, footage, out, *, stride):
    copies = killed_libraries(library, weights, footage, out, stride=stride)
    is_after = [assert_before_or_after(copy) for copy in copies]
    assert is_after == sorted(is_after)
    assert is_after[0] is False
    assert is_after[-1] is True
    return copies


def test_a_writer_killed_at_any_instant_leaves_the_state_before_or_after(library, weights, footage, tmp_path):
    assert len(check_every(library, weights, footage, tmp_path / "copies", stride=13)) > 30


@pytest.mark.slow
def test_a_writer_killed_at_every_single_line_leaves_the_state_before_or_after(library, weights, footage, tmp_path):
    assert len(check_every(library, weights, footage, tmp_path / "copies", stride=1)) > 400


def test_after_a_kill_the_work_can_be_done_again(library, weights, footage, tmp_path, maker):
    for copy in killed_libraries(library, weights, footage, tmp_path / "copies", stride=90):
        with copy.writer() as writer:
            writer.use_encoder(weights)
            writer.publish(maker(writer, writer.catalog.add_root(footage).id).batch("new"))
        assert len(copy.snapshot().live_media_ids) == 1
        assert rows_by_modality(copy) == [2, 2]
        assert verify(copy) == []


def test_segments_are_on_the_disk_before_the_commit_that_names_them(library, weights, footage, maker, monkeypatch):
    from avsearch.catalog import CatalogWriter

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
