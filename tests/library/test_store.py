"""Creating, opening and upgrading a library; bad directories, bad files, one writer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avsearch.catalog.encoders import read_active_encoder
from avsearch.errors import LibraryError
from avsearch.home import default_library
from avsearch.library import create_library, open_library, upgrade_library
from avsearch.moments import Modality


def test_a_new_library_is_empty_and_can_be_opened_again(library):
    again = open_library(library.directory)
    snapshot = again.snapshot()
    assert (snapshot.encoder, snapshot.segments, snapshot.live_media_ids.tolist()) == (None, (), [])
    assert again.segments(snapshot, Modality.IMAGE) == []


@pytest.mark.sqlite
def test_library_json_says_where_things_are(library):
    fields = json.loads((library.directory / "library.json").read_text())
    library_id = fields.pop("library_id")
    assert len(library_id) == 32
    assert fields == {"format_version": 1, "database_url": "sqlite:///catalog.sqlite3", "segments": "segments"}


def test_a_library_can_be_moved(library, fill, tmp_path):
    fill("a")
    library.directory.rename(tmp_path / "elsewhere")
    moved = open_library(tmp_path / "elsewhere")
    assert len(moved.segments(moved.snapshot(), Modality.AUDIO)[0]) == 2


def test_a_name_that_is_not_utf8_is_a_name(tmp_path):
    directory = tmp_path / os.fsdecode(b"caf\xe9 ?#%")
    create_library(directory)
    assert open_library(directory).snapshot().encoder is None


def test_the_database_can_lie_elsewhere(tmp_path):
    create_library(tmp_path / "library", database_url=f"sqlite:///{tmp_path}/elsewhere.db")
    assert (tmp_path / "elsewhere.db").is_file()
    assert not (tmp_path / "library" / "catalog.sqlite3").exists()
    assert open_library(tmp_path / "library").snapshot().encoder is None


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "sqlite:///a?b=c"]
)
def test_a_database_url_that_cannot_serve_is_one_sentence(tmp_path, url):
    with pytest.raises(LibraryError, match="database URL"):
        create_library(tmp_path / "library", database_url=url or "://")
    assert not (tmp_path / "library").exists()


def test_no_library_where_there_is_none(tmp_path):
    (tmp_path / "file").touch()
    for directory in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(LibraryError, match=r"there is no library here\. Make one with `avsearch index FOLDER "):
            open_library(directory)


def test_a_second_library_in_one_directory_is_refused(library):
    with pytest.raises(LibraryError, match="there is a library already"):
        create_library(library.directory)


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(LibraryError, match=r"holds other files, as holiday\.mp4"):
        create_library(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="a library cannot be made here"):
        create_library(tmp_path / "file" / "library")


def test_a_directory_that_cannot_be_written_is_one_sentence(library, monkeypatch):
    def forbidden(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(LibraryError, match=r"cannot be written \(Permission denied\)"), library.writer():
        pass


@pytest.mark.sqlite
def test_one_who_may_only_read_reads_and_leaves_nothing_behind(library, fill, monkeypatch):
    fill("a")
    seen = []

    def watch(connection):
        seen.append({path.name for path in library.directory.glob("catalog.*")})
        return read_active_encoder(connection)

    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    monkeypatch.setattr("avsearch.catalog.reading.read_active_encoder", watch)
    snapshot = open_library(library.directory).snapshot()
    assert snapshot.live_media_ids.tolist() == [1]
    assert seen == [{"catalog.sqlite3"}]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "{}", '{"format_version": "x"}', '{"format_version": 1, "library_id": 3}', "[" * 100_000,
     '{"format_version": 1, "library_id": "a", "database_url": null}', '{"format_version": 1, "more": "a"}'],
)  # fmt: skip
def test_a_damaged_library_json_is_one_sentence(library, text):
    (library.directory / "library.json").write_text(text)
    with pytest.raises(LibraryError, match=r"library\.json: is damaged\. Restore it from a backup"):
        open_library(library.directory)


def test_a_library_of_a_newer_avsearch_says_so(library):
    path = library.directory / "library.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 2, "surprise": []}))
    with pytest.raises(LibraryError, match=r"newer avsearch.*Upgrade avsearch"):
        open_library(library.directory)


@pytest.mark.sqlite
def test_a_missing_database_is_not_made_anew(library):
    (library.directory / "catalog.sqlite3").unlink()
    for opening in (open_library, upgrade_library):
        with pytest.raises(LibraryError, match=r"catalog\.sqlite3: the library's database is missing"):
            opening(library.directory)
    with pytest.raises(LibraryError, match="The catalog cannot be read"):  # by one who had opened it before
        library.catalog.status()
    assert not (library.directory / "catalog.sqlite3").exists()


@pytest.mark.sqlite
def test_a_damaged_database_is_one_sentence(library):
    (library.directory / "catalog.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(LibraryError, match=r"The catalog cannot be read \(file is not a database\)"):
        open_library(library.directory)


@pytest.mark.sqlite
def test_an_empty_database_is_not_a_catalog(library):
    (library.directory / "catalog.sqlite3").write_bytes(b"")
    with pytest.raises(LibraryError, match="holds no catalog"):
        open_library(library.directory)


@pytest.mark.sqlite
def test_the_database_of_another_library_is_refused(library, tmp_path):
    other = create_library(tmp_path / "other")
    shutil.copy(other.directory / "catalog.sqlite3", library.directory / "catalog.sqlite3")
    with pytest.raises(LibraryError, match="belongs to another library"):
        open_library(library.directory)


def test_a_database_that_a_library_uses_cannot_become_another_ones(library, fill, tmp_path, database_url):
    fill("a")
    url = database_url.replace("sqlite:///", f"sqlite:///{library.directory}/")
    with pytest.raises(LibraryError, match="Another library uses this database"):
        create_library(tmp_path / "thief", database_url=url)
    assert open_library(library.directory).snapshot().live_media_ids.tolist() == [1]


def test_a_killed_creation_can_be_repeated(tmp_path, monkeypatch):
    def killed(layout):
        raise KeyboardInterrupt

    monkeypatch.setattr("avsearch.library.store.write_layout", killed)
    with pytest.raises(KeyboardInterrupt):
        create_library(tmp_path / "library")
    monkeypatch.undo()
    create_library(tmp_path / "library")
    assert open_library(tmp_path / "library").snapshot().encoder is None


def test_an_upgrade_of_the_newest_library_changes_nothing(library, fill):
    fill("a")
    assert upgrade_library(library.directory).snapshot().live_media_ids.tolist() == [1]


def test_only_one_writer_at_a_time(library):
    busy = rf"another avsearch writes.*process {os.getpid()}.*Wait"
    second = open_library(library.directory)
    with library.writer(), pytest.raises(LibraryError, match=busy), second.writer():
        pass
    with library.writer():
        pass


def test_the_lock_dies_with_its_holder(library):
    program = (
        "import os, sys, pathlib; from avsearch.library import open_library\n"
        "with open_library(pathlib.Path(sys.argv[1])).writer(): print('locked', flush=True); os.read(0, 1)"
    )
    arguments = [sys.executable, "-c", program, str(library.directory)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(LibraryError, match=rf"process {holder.pid}( on .*)?\)"), library.writer():
            pass
        holder.kill()
    with library.writer():
        pass


def test_readers_read_while_a_writer_writes(library, fill, footage):
    fill("a")
    with library.writer() as writer:
        writer.reserve_media_ids(5)
        assert open_library(library.directory).snapshot().live_media_ids.tolist() == [1]


def test_opening_a_library_imports_neither_torch_nor_faiss_nor_alembic(library):
    program = (
        "import sys, pathlib; from avsearch.library import open_library\n"
        "open_library(pathlib.Path(sys.argv[1])).snapshot()\n"
        "print({'torch', 'faiss', 'alembic'} & set(sys.modules))"
    )
    arguments = [sys.executable, "-c", program, str(library.directory)]
    assert subprocess.check_output(arguments, text=True) == "set()\n"


def test_the_default_library_is_named_by_the_environment_or_lies_in_the_users_data(monkeypatch, tmp_path):
    monkeypatch.setenv("AVSEARCH_LIBRARY", "/somewhere/else")
    assert default_library() == Path("/somewhere/else")
    monkeypatch.delenv("AVSEARCH_LIBRARY")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_library() == tmp_path / "avsearch" / "library"


def test_segments_are_those_of_the_modality_and_are_mapped_once(library, fill):
    fill("a", "b")
    snapshot = library.snapshot()
    images, sounds = (library.segments(snapshot, modality) for modality in Modality)
    assert [len(rows) for rows in images + sounds] == [4, 4]
    assert not np.array_equal(images[0].vector, sounds[0].vector)
    assert library.segments(snapshot, Modality.IMAGE)[0] is images[0]


@pytest.mark.parametrize("harm", ["flip", "truncate", "delete"])
def test_a_damaged_segment_is_named_when_it_is_searched(library, fill, harm):
    fill("a")
    record = library.snapshot().segments[0]
    path = library.directory / "segments" / record.name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    {
        "flip": lambda: path.write_bytes(data),
        "truncate": lambda: path.write_bytes(data[:-9]),
        "delete": path.unlink,
    }[harm]()
    with pytest.raises(LibraryError, match=rf"{record.name}.*`avsearch library verify`"):
        library.segments(library.snapshot(), record.modality)
