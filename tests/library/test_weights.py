"""The weights that a library keeps: one active encoder, whole and its own."""

import pytest

from avsearch.errors import LibraryError, WeightsError
from avsearch.library import verify
from avsearch.models.weights import read_usable_header

SECOND = (
    "{weights}: is not the encoder that made this library's vectors: that is {active}, this is {new}, and vectors "
    "of two encoders are never compared."
)


def named(weights):
    """How an encoder is told, of its weights file."""
    header = read_usable_header(weights)
    return f"{header.architecture} ({header.size}, {header.recipe_name}, {header.fingerprint[:8]})"


def written_at(path):
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def test_the_encoder_is_kept_with_the_library(library, fill, weights):
    fill("a")
    encoder = library.snapshot().encoder
    assert (encoder.architecture, encoder.size, encoder.recipe, encoder.dim) == ("ave", "small", "ave", 4)
    assert library.encoder_path(encoder).read_bytes() == weights.read_bytes()


def test_another_encoder_is_refused_once_there_are_vectors(library, fill, make_weights, tmp_path):
    fill("a")
    other = make_weights(tmp_path / "other.safetensors", seed=1)
    with library.writer() as writer, pytest.raises(LibraryError) as told:
        writer.use_encoder(other)
    assert told.value.message == SECOND.format(weights=other, active=library.snapshot().encoder, new=named(other))
    assert told.value.hint == "Index without --model to go on with the library's own, or name another --library."
    assert len(list((library.directory / "encoders").iterdir())) == 1


def test_where_another_indexer_was_quicker_its_encoder_stays(library, weights, make_weights, tmp_path, monkeypatch):
    other = make_weights(tmp_path / "other.safetensors", seed=1)
    with library.writer() as writer:
        first = writer.use_encoder(weights)
        monkeypatch.setattr(writer.catalog, "_may_replace", lambda _connection, _encoder: False)
        with pytest.raises(LibraryError) as told:
            writer.use_encoder(other)
    assert told.value.message == SECOND.format(weights=other, active=first, new=named(other))
    assert library.snapshot().encoder == first


def test_another_encoder_may_come_before_the_first_vectors(library, weights, make_weights, tmp_path):
    with library.writer() as writer:
        first = writer.use_encoder(weights)
        second = writer.use_encoder(make_weights(tmp_path / "other.safetensors", seed=1))
    assert first.fingerprint != second.fingerprint
    assert library.snapshot().encoder == second


def test_the_librarys_own_encoder_can_be_used_again_and_is_put_back_when_it_is_missing(library, fill, weights):
    fill("a")
    encoder = library.snapshot().encoder
    with library.writer() as writer:
        before = written_at(library.encoder_path(encoder))
        assert writer.use_encoder(weights) == encoder
        assert written_at(library.encoder_path(encoder)) == before, "what is whole is not written again"
        assert writer.use_encoder(library.encoder_path(encoder)) == encoder
        library.encoder_path(encoder).unlink()
        assert writer.use_encoder(weights) == encoder
    assert library.encoder_path(encoder).is_file()


def test_damaged_weights_never_come_in(library, weights):
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with library.writer() as writer, pytest.raises(WeightsError, match="damaged"):
        writer.use_encoder(weights)
    assert library.snapshot().encoder is None
    assert list((library.directory / "encoders").iterdir()) == []


def test_damaged_weights_in_the_library_are_put_back_by_the_same_ones(library, fill, weights):
    fill("a")
    path = library.encoder_path(library.snapshot().encoder)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert "damaged" in str(verify(library)[0])
    with library.writer() as writer:
        writer.use_encoder(weights)
    assert verify(library) == []
