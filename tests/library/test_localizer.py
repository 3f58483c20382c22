"""A localizer lies beside the encoders of a library and disturbs none of them."""

import pytest

from avsearch.errors import LibraryError, WeightsError
from avsearch.library import compact, open_library, orphans, verify
from avsearch.moments import Modality, Silent
from tests.library.stored import moments


@pytest.fixture
def avol(make_weights, tmp_path):
    return make_weights(tmp_path / "avol.safetensors", seed=7, architecture="avol")


@pytest.fixture
def filled(library, fill):
    fill("a", "b")
    return library


def set_localizer(library, weights):
    with library.writer() as writer:
        return writer.set_localizer(weights)


def encoder_files(library):
    return sorted(path.name for path in (library.directory / "encoders").iterdir())


def test_the_weights_are_copied_and_what_is_searched_stays(filled, avol):
    before, snapshot, status = moments(filled), filled.snapshot(), filled.catalog.status()
    localizer = set_localizer(filled, avol)
    assert (localizer.architecture, localizer.recipe) == ("avol", "ave")
    path = open_library(filled.directory).localizer_path()
    assert path.read_bytes() == avol.read_bytes()
    assert path == filled.encoder_path(localizer)
    assert moments(filled) == before
    assert filled.snapshot().encoder == snapshot.encoder
    assert filled.catalog.pending_encoder() is None
    found = filled.catalog.status()
    assert (found.localizer, found.encoder, found.dead_moments) == (localizer, status.encoder, status.dead_moments)
    assert verify(filled) == []
    assert orphans(filled) == []


def test_it_may_come_before_anything_is_indexed(library, avol, fill):
    localizer = set_localizer(library, avol)
    assert library.snapshot().encoder is None
    fill("a")
    assert library.catalog.localizer() == localizer
    assert library.snapshot().encoder != localizer
    assert verify(library) == []


def test_weights_without_a_map_or_damaged_ones_are_refused_and_nothing_changes(filled, weights, avol):
    with pytest.raises(WeightsError, match=r"encoder\.safetensors: ave cannot say where"):
        set_localizer(filled, weights)
    avol.write_bytes(avol.read_bytes()[:-1] + b"\xff")
    with pytest.raises(WeightsError, match="damaged"):
        set_localizer(filled, avol)
    assert filled.localizer_path() is None
    assert len(encoder_files(filled)) == 1


def test_another_one_takes_its_place_and_compact_removes_the_old_ones_weights(filled, avol, make_weights, tmp_path):
    old = set_localizer(filled, avol)
    new = set_localizer(filled, make_weights(tmp_path / "new.safetensors", seed=8, architecture="avol-cosine"))
    assert filled.catalog.localizer() == new
    assert len(encoder_files(filled)) == 3
    compact(filled, Silent())
    kept = {f"{it.fingerprint}.safetensors" for it in (filled.snapshot().encoder, new)}
    assert set(encoder_files(filled)) == kept
    assert old not in filled.catalog.encoders()
    assert verify(filled) == []


def test_it_can_be_taken_away(filled, avol):
    set_localizer(filled, avol)
    assert set_localizer(filled, None) is None
    assert filled.localizer_path() is None
    assert verify(filled) == orphans(filled) == []
    compact(filled, Silent())
    assert len(encoder_files(filled)) == 1
    assert set_localizer(filled, None) is None


def test_weights_that_are_damaged_or_gone_are_a_problem_that_the_same_file_mends(filled, avol):
    set_localizer(filled, avol)
    for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\xff")):
        harm(filled.localizer_path())
        (problem,) = verify(filled)
        assert str(problem).startswith(f"{filled.localizer_path()}: ")
        assert "run `avsearch library set-localizer MODEL` with the file of its training run" in str(problem)
        set_localizer(filled, avol)
        assert verify(filled) == []


def test_the_active_encoder_can_be_the_localizer_too_and_counts_once(library, avol, maker, footage):
    with library.writer() as writer:
        active = writer.use_encoder(avol)
        writer.publish(maker(writer, writer.catalog.add_root(footage).id).batch("a"))
        assert writer.set_localizer(library.encoder_path(active)) == active
    assert len(encoder_files(library)) == 1
    library.localizer_path().unlink()
    assert len(verify(library)) == 1
    assert "repair --model" in str(verify(library)[0])


def test_an_encoder_that_is_replaced_stays_as_localizer_and_only_its_vectors_go(
    library, avol, maker, footage, make_weights, tmp_path
):
    with library.writer() as writer:
        writer.use_encoder(avol)
        rows = maker(writer, writer.catalog.add_root(footage).id)
        writer.publish(rows.batch("a"))
        localizer = writer.set_localizer(avol)
        new = writer.begin_reembed(make_weights(tmp_path / "new.safetensors", seed=1))
        media_ids = writer.catalog.uncovered_media(new.id)
        writer.publish_rows(new, dict.fromkeys(Modality, rows.rows(media_ids)), media_ids=media_ids)
        writer.switch_encoder(new)
    before = moments(library)
    compact(library, Silent())
    assert moments(library) == before
    assert library.catalog.localizer() == localizer
    assert {record.fingerprint for record in library.catalog.all_segments()} == {new.fingerprint}
    assert library.localizer_path().read_bytes() == avol.read_bytes()
    assert library.catalog.covered_media(localizer.id) == set()
    assert verify(library) == []


def test_a_localizer_can_become_the_librarys_encoder(filled, avol, maker):
    localizer = set_localizer(filled, avol)
    with filled.writer() as writer:
        assert writer.begin_reembed(avol) == localizer
        media_ids = writer.catalog.uncovered_media(localizer.id)
        rows = maker(writer, 1).rows(media_ids)
        writer.publish_rows(localizer, dict.fromkeys(Modality, rows), media_ids=media_ids)
        writer.switch_encoder(localizer)
    compact(filled, Silent())
    assert filled.snapshot().encoder == filled.catalog.localizer() == localizer
    assert verify(filled) == []


def test_one_writer_at_a_time_sets_it(library, avol):
    second = open_library(library.directory)
    with library.writer(), pytest.raises(LibraryError, match="another avsearch writes"):
        set_localizer(second, avol)
