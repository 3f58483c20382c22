"""The weights that a library keeps: one active encoder, whole and its own."""

import pytest

from avsearch.errors import LibraryError, WeightsError
from avsearch.library import verify


def test_the_encoder_is_kept_with_the_library(library, fill, weights):
    fill("a")
    encoder = library.snapshot().encoder
    assert (encoder.architecture, encoder.size, encoder.recipe, encoder.dim) == ("ave", "small", "ave", 4)
    assert library.encoder_path(encoder).read_bytes() == weights.read_bytes()


def test_another_encoder_is_refused_once_there_are_vectors(library, fill, make_weights, tmp_path):
    fill("a")
    other = make_weights(tmp_path / "other.safetensors", seed=1)
    refusal = r"other\.safetensors: is not the encoder.*never compared.*--library"
    with library.writer() as writer, pytest.raises(LibraryError, match=refusal):
        writer.use_encoder(other)
    assert len(list((library.directory / "encoders").iterdir())) == 1


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
