import io

import pytest
from PIL import Image

from avsearch.errors import MediaError
from avsearch.media import probe
from avsearch.media.given import kept, picture_suffix
from avsearch.moments import MediaKind
from tests.media.clips import make_clip, tones, write_wav


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "AVIF"])
def test_pictures_that_are_piped_in_are_known_by_their_first_bytes(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(buffer, kind)
    buffer.seek(0)
    with kept(buffer, name="stdin") as path:
        info = probe(path)
        assert (info.kind, info.video.width, info.video.height) == (MediaKind.PICTURE, 40, 30)
    assert not path.exists()


def test_films_and_sounds_that_are_piped_in_are_read_too(tmp_path):
    film = make_clip(tmp_path / "film.mp4", frames=10)
    write_wav(tmp_path / "sound.wav", tones(1.5))
    for original, kind in ((film, MediaKind.VIDEO), (tmp_path / "sound.wav", MediaKind.SOUND)):
        with original.open("rb") as stream, kept(stream, name="stdin") as path:
            assert path.read_bytes() == original.read_bytes()
            assert probe(path).kind is kind


def test_an_empty_pipe_is_refused_with_a_sentence():
    with pytest.raises(MediaError, match="nothing came"), kept(io.BytesIO(), name="stdin"):
        pass


def test_a_sound_has_no_pictures_suffix():
    assert picture_suffix(b"RIFF\0\0\0\0WAVEfmt ") == ""
    assert picture_suffix(b"\0\0\0\x20ftypisom") == ""
