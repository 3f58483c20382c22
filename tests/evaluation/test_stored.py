"""Truth here: a library into which the test itself put every vector."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.errors import LibraryError, ManifestError
from avsearch.evaluation.items import EvaluationSettings
from avsearch.evaluation.problems import ProblemKind
from avsearch.evaluation.stored import load_items_from_library
from avsearch.front_end import SMALL_FRONT_END
from avsearch.library import Batch, create_library, open_library
from avsearch.models.header import WeightsHeader
from avsearch.models.weights import save_weights
from avsearch.moments import MediaInfo, MediaKind, Modality
from avsearch.vectors import Rows

AXES = np.eye(4, dtype=np.float32)
HEADER = WeightsHeader(
    architecture="ave",
    widths=(1, 1, 1, 1),
    size="small",
    dim=4,
    modalities=tuple(Modality),
    num_frames=1,
    front_end=SMALL_FRONT_END,
    recipe={"name": "ave-nce"},
)
MANIFEST = """path,labels,split
b.mp4,x,test
a.mp4,x;y,test
copy_of_a.mp4,x,test
deaf.mp4,x,test
broken.mp4,x,test
gone.mp4,x,test
dropped.mp4,x,test
never.mp4,x,test
../elsewhere/c.mp4,x,test
unlabelled.mp4,,test
other.mp4,x,train
"""


def rows_of(*moments):
    """(media id, start_us, axis) each."""
    media_id, start_us, axis = (np.array(column, np.int64) for column in zip(*moments, strict=True))
    return Rows(vector=AXES[axis].astype(np.float16), media_id=media_id, start_us=start_us)


def media_of(media_id):
    info = MediaInfo(MediaKind.VIDEO, 3_000_000, 0, "mov", None, None)
    return IndexedMedia(id=media_id, content_hash=f"{media_id:032x}", info=info)


@pytest.fixture
def library(tmp_path):
    """Media 1 is a.mp4 and its copy, 2 b.mp4, 3 has pictures only, 4 is of another split; in two batches."""
    (tmp_path / "clips").mkdir()
    weights = tmp_path / "encoder.safetensors"
    save_weights(weights, {"weight": np.ones(1, np.float32)}, HEADER)
    library = create_library(tmp_path / "library")
    with library.writer() as writer:
        writer.use_encoder(weights)
        root = writer.catalog.add_root(tmp_path / "clips")
        writer.reserve_media_ids(4)

        def at(name, state, media_id=None, reason=""):
            return FileState(root.id, name.encode(), 1, 1, state, reason, media_id)

        names = {"a.mp4": 1, "copy_of_a.mp4": 1, "b.mp4": 2}
        first = tuple(at(name, State.INDEXED, media_id) for name, media_id in names.items())
        lost = (
            at("broken.mp4", State.FAILED, reason="It is truncated."),
            at("gone.mp4", State.MISSING),
            at("dropped.mp4", State.REMOVED),
        )
        writer.publish(
            Batch(
                media=(media_of(1), media_of(2)),
                rows={
                    Modality.IMAGE: rows_of((1, 1_000_000, 1), (1, 0, 0), (2, 0, 2)),
                    Modality.AUDIO: rows_of((1, 0, 3), (2, 1_000_000, 3), (2, 0, 0)),
                },
                files=(*first, *lost),
            )
        )
        writer.publish(
            Batch(
                media=(media_of(3), media_of(4)),
                rows={Modality.IMAGE: rows_of((3, 0, 1), (4, 0, 2)), Modality.AUDIO: rows_of((4, 0, 1))},
                files=(at("deaf.mp4", State.INDEXED, 3), at("other.mp4", State.INDEXED, 4)),
            )
        )
    return open_library(tmp_path / "library")


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "clips").mkdir(exist_ok=True)
    path = tmp_path / "clips" / "manifest.csv"
    path.write_text(MANIFEST, encoding="utf-8")
    return EvaluationSettings(path)


def test_every_stored_moment_of_the_split_is_there_by_item_and_time(library, settings):
    items = load_items_from_library(library, settings)
    assert items.names == ("b.mp4", "a.mp4", "deaf.mp4")
    images, sounds = items.vectors[Modality.IMAGE], items.vectors[Modality.AUDIO]
    assert images.item.tolist() == [0, 1, 1, 2]
    assert images.vector.argmax(axis=1).tolist() == [2, 0, 1, 1]
    assert sounds.item.tolist() == [0, 0, 1]
    assert sounds.vector.argmax(axis=1).tolist() == [0, 3, 3]


def test_what_the_library_says_about_the_others_is_named(library, settings):
    problems = load_items_from_library(library, settings).problems
    assert {problem.kind: problem.names for problem in problems} == {
        ProblemKind.UNLABELLED: ("unlabelled.mp4",),
        ProblemKind.MISSING: ("gone.mp4",),
        ProblemKind.NOT_INDEXED: ("never.mp4", "../elsewhere/c.mp4"),
        ProblemKind.REMOVED: ("dropped.mp4",),
        ProblemKind.FAILED: ("broken.mp4: It is truncated.",),
        ProblemKind.REPEATED: ("copy_of_a.mp4",),
        ProblemKind.WITHOUT_SOUND: ("deaf.mp4",),
        ProblemKind.LONE_LABEL: ("y",),
    }


def test_the_protocol_names_the_active_encoder_and_needs_no_seed(library, settings):
    protocol = load_items_from_library(library, settings).protocol
    assert protocol.name == "library"
    assert (protocol.architecture, protocol.recipe, protocol.size) == ("ave", "ave-nce", "small")
    assert protocol.fingerprint == library.snapshot().encoder.fingerprint
    assert protocol.seed is None


def test_a_manifest_of_other_files_is_refused_with_the_counts(library, settings):
    settings.manifest.write_text("path,labels,split\nx.mp4,x,test\ny.mp4,x,test\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="2 rows whose file is not in the library"):
        load_items_from_library(library, settings)


def test_an_empty_library_says_what_to_do(tmp_path, settings):
    library = create_library(tmp_path / "empty")
    with pytest.raises(LibraryError, match=r"nothing has been indexed.*avsearch index"):
        load_items_from_library(library, settings)


def test_an_unknown_label_column_is_refused_before_the_library_is_read(library, settings):
    with pytest.raises(ManifestError, match="no column class"):
        load_items_from_library(library, replace(settings, label_column="class"))


@pytest.mark.parametrize("module", ["avsearch.evaluation", "avsearch.evaluation.stored"])
def test_importing_evaluation_loads_neither_torch_nor_faiss(module):
    program = f"import sys, {module}; print([name for name in ('torch', 'faiss') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
