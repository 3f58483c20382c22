"""Libraries of real, small media, and what can be found in them."""

import shutil

import numpy as np
from PIL import Image

from avsearch.encoder import Encoder
from avsearch.library import open_library, relink
from avsearch.moments import Modality, Moment
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import make_clip, tones, write_wav
from tests.tiny import make_film, tiny_weights

NOBODY = lambda _: None  # noqa: E731  (listens to a run)


def make_footage(folder):
    """Films with keyframes far apart and near, sounds, one of them without any, and a picture."""
    (folder / "deep").mkdir(parents=True)
    make_film(folder / "one.mp4", seed=1)
    make_film(folder / "deep" / "two.mov", seed=2, seconds=2)
    make_clip(folder / "long.mp4", frames=250, gop=125)
    write_wav(folder / "deep" / "sound.wav", tones(2.5))
    write_wav(folder / "silence.wav", np.zeros(2 * 48_000, np.float32))
    Image.new("RGB", (90, 60), "teal").save(folder / "still.png")
    return folder


def make_place(folder, *encoders):
    """Footage, weights files of some encoders, and a library of the footage made with the first of them."""
    weights = [tiny_weights(folder / f"{name}.safetensors", seed=seed) for seed, name in enumerate(encoders)]
    run_index(folder / "library", make_footage(folder / "footage"), model=weights[0])
    return folder


def copy_of(library, footage, folder):
    """A library and its footage in a folder of their own."""
    shutil.copytree(footage, folder / "footage")
    copied = shutil.copytree(library, folder / "library")
    relink(open_library(copied), footage, folder / "footage")
    return copied


def run_index(library, *paths, **options):
    return index(IndexJob(paths, library, **options), NOBODY)


def moments(directory):
    """{moment: its vector} of everything that can be found."""
    library = open_library(directory)
    view = library.view(*Modality)
    return {
        Moment(media_id, modality, start_us): vector
        for modality, segments in view.segments.items()
        for rows in segments
        for media_id, start_us, vector in zip(
            rows.media_id.tolist(), rows.start_us.tolist(), rows.vector, strict=True
        )
        if media_id in view.snapshot.live_media_ids
    }


def by_file(directory):
    """{(file's name, modality, time): vector}: what two libraries of the same files have in common."""
    found = moments(directory)
    records = open_library(directory).catalog.media_records({moment.media_id for moment in found})
    return {
        (records[moment.media_id].paths[0].name, moment.modality, moment.start_us): vector
        for moment, vector in found.items()
    }


def lowest_cosine(one, other):
    """Between vectors of the same moments."""
    assert one.keys() == other.keys()
    return min(float(one[key] @ other[key]) for key in one)


def segments_of(directory, fingerprint=None):
    """(path, record) of all segments, or of those that one encoder made."""
    library = open_library(directory)
    return [
        (library.layout.shelf.folder / record.name, record)
        for record in library.catalog.all_segments()
        if fingerprint in {None, record.fingerprint}
    ]


def flip_byte(path, position=-5):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def count_encoded(monkeypatch):
    """A list that grows by the number of moments whenever an encoder is called."""
    encoded = []

    def counting(genuine):
        def encode(encoder, content):
            encoded.append(len(content))
            return genuine(encoder, content)

        return encode

    for name in ("encode_images", "encode_sounds"):
        monkeypatch.setattr(Encoder, name, counting(getattr(Encoder, name)))
    return encoded
