import os
from pathlib import Path

import pytest

from avsearch.errors import UsageError
from avsearch.localize.job import LocalizeJob
from avsearch.localize.parts import Part

PICTURE, SOUND, MODEL = Part(Path("a.png")), Part(Path("a.wav")), Path("m.safetensors")


def job(out, picture=PICTURE, sound=SOUND):
    return LocalizeJob(picture, sound, MODEL, Path(out))


def test_the_name_of_what_is_written_says_whether_it_is_a_picture_or_a_film():
    assert not job("map.PNG").is_film
    assert job("map.Mp4", sound=None).is_film
    for name in ("map.jpg", "map", "map.mov", ".png"):
        with pytest.raises(UsageError, match=r"neither a \.png nor an \.mp4.*--out"):
            job(name)


def test_a_film_has_its_own_sound_and_is_a_stretch_or_all_of_a_video():
    assert job("map.mp4", Part(Path("a.mp4"), 0, 5), sound=None).is_film
    with pytest.raises(UsageError, match="with its own sound"):
        job("map.mp4", Part(Path("a.mp4")))
    with pytest.raises(UsageError, match=r"a moment is no film.*FILE@FROM-TO"):
        job("map.mp4", Part(Path("a.mp4"), 5), sound=None)


def test_a_picture_is_a_moment():
    assert not job("map.png", Part(Path("a.mp4"), 5)).is_film
    with pytest.raises(UsageError, match=r"a stretch is no picture.*FILE@S"):
        job("map.png", Part(Path("a.mp4"), 5, 6))


def test_nothing_that_is_read_is_ever_replaced(tmp_path):
    film, link, picture = tmp_path / "film.mp4", tmp_path / "link.mp4", tmp_path / "still.png"
    film.write_bytes(b"film")
    picture.write_bytes(b"still")
    os.link(film, link)
    (tmp_path / "soft.png").symlink_to(picture)
    for out, of_picture, sound in (
        (film, film, None), (link, film, None), (picture, picture, film), (tmp_path / "soft.png", picture, film),
        (picture, film, picture), (tmp_path / "." / "still.png", picture, film),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="would be replaced, and is read here"):
            LocalizeJob(Part(of_picture), sound and Part(sound), MODEL, out)
    model = tmp_path / "model.png"
    model.write_bytes(b"weights")
    with pytest.raises(UsageError, match="would be replaced"):
        LocalizeJob(Part(picture), Part(film), model, model)
