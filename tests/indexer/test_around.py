"""Encoders that see several frames around a moment, or only pictures, through index, query and upkeep.

Truth here: a plain loop over all frames of a file.
"""

import numpy as np
import pytest

from avsearch import media
from avsearch.encoder import load_encoder
from avsearch.errors import UsageError
from avsearch.flow import flow_images
from avsearch.front_end import centre_square
from avsearch.library import open_library, verify
from avsearch.moments import MediaKind, Modality
from avsearch.query import Source, parse_source, search
from indexer.deep import verify_deep
from indexer.reembed import ReembedJob, reembed
from indexer.repair import RepairJob, repair
from tests.indexer.known import NOBODY, by_file, copy_of, lowest_cosine, make_footage, run_index, segments_of
from tests.media.naive import all_frames, naive_burst
from tests.tiny import moving_weights, picture_weights, tiny_weights

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO
NUM_IMAGES = 2 + 1 + 6 + 1  # the two films', those of the long clip's two keyframes and its gaps, the picture's
KINDS = ("plain", "frames", "flow", "pictures")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Footage of every kind, four weights files, and a library of the footage with each of them."""
    folder = tmp_path_factory.mktemp("around")
    make_footage(folder / "footage")
    tiny_weights(folder / "plain.safetensors")
    moving_weights(folder / "frames.safetensors", num_frames=5)
    moving_weights(folder / "flow.safetensors", num_frames=11, flow=True)
    picture_weights(folder / "pictures.safetensors")
    for kind in KINDS:
        result = run_index(folder / kind, folder / "footage", model=weights_of(folder, kind))
        assert (result.num_indexed, result.failures, result.partly) == (6, (), ())
    return folder


def weights_of(place, kind):
    return place / f"{kind}.safetensors"


def times_of(vectors, modality=IMAGE):
    return {(name, time) for name, side, time in vectors if side is modality}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frames", "flow"])
def test_the_vectors_are_those_of_a_plain_loop_over_all_frames(place, kind):
    encoder = load_encoder(weights_of(place, kind), "cpu")
    found = by_file(place / kind)
    assert times_of(found) == times_of(by_file(place / "plain"))
    assert len(times_of(found)) == NUM_IMAGES
    for path in (it for it in (place / "footage").rglob("*") if it.is_file()):
        if media.probe(path).kind is MediaKind.SOUND:
            continue
        frames = all_frames(path, encoder.front_end)
        for name, time_us in times_of(found):
            if name == path.name:
                seen = naive_burst(frames, time_us, encoder.front_end.num_frames)
                if kind == "flow":  # of whole frames, as in training, and then cut
                    seen = centre_square(flow_images(seen[None])[0], encoder.front_end)
                assert found[name, IMAGE, time_us] @ encoder.encode_images(seen[None])[0] > 0.9999


def test_moments_differ_so_that_no_other_vector_would_have_done(place):
    for kind in KINDS:
        vectors = np.stack([vector for (_, side, _), vector in by_file(place / kind).items() if side is IMAGE])
        cosines = vectors @ vectors.T
        assert (cosines[np.triu_indices(len(cosines), 1)] < 0.999).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frames", "flow", "pictures"])
def test_every_image_moment_asked_as_file_at_start_comes_back_first(place, kind):
    library = open_library(place / kind)
    paths = {path.name: path for path in (place / "footage").rglob("*")}
    for name, start_us in times_of(by_file(place / kind)):
        source = parse_source(f"{paths[name]}@{start_us / 1e6}")
        hit = search(library, source, find=IMAGE, by=IMAGE, k=1)[0]
        assert (hit.path.name, hit.start_s) == (name, start_us / 1e6)
        assert hit.score > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [("plain", "frames"), ("frames", "flow"), ("frames", "plain")])
def test_reembedding_gives_what_a_new_library_would_hold(place, tmp_path, before, after):
    library = copy_of(place / before, place / "footage", tmp_path)
    assert reembed(ReembedJob(library, weights_of(place, after)), NOBODY).is_switched
    assert lowest_cosine(by_file(library), by_file(place / after)) > 0.999


def test_from_pictures_alone_to_both_sides_the_sounds_are_planned_and_back_they_go(place, tmp_path):
    library = copy_of(place / "pictures", place / "footage", tmp_path)
    assert reembed(ReembedJob(library, weights_of(place, "frames")), NOBODY).is_switched
    assert lowest_cosine(by_file(library), by_file(place / "frames")) > 0.999
    assert times_of(by_file(library), AUDIO) == times_of(by_file(place / "plain"), AUDIO) != set()
    assert reembed(ReembedJob(library, weights_of(place, "pictures")), NOBODY).is_switched
    assert lowest_cosine(by_file(library), by_file(place / "pictures")) > 0.999
    assert verify(open_library(library)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frames", "flow", "pictures"])
def test_what_is_lost_is_made_again_and_a_deep_check_finds_the_same_vectors(place, tmp_path, kind):
    library = copy_of(place / kind, place / "footage", tmp_path)
    [segment] = [path for path, record in segments_of(library) if record.modality is IMAGE]
    segment.unlink()
    result = repair(RepairJob(library), NOBODY)
    assert (result.num_moments, result.still_lost, result.problems) == (NUM_IMAGES, (), ())
    assert lowest_cosine(by_file(library), by_file(place / kind)) > 0.999
    check = verify_deep(open_library(library), tell=NOBODY)
    assert (check.num_checked, check.problems) == (len(by_file(library)), ())


def test_an_encoder_of_pictures_alone_gives_no_moments_of_sound_and_reads_none(place, tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError

    monkeypatch.setattr("avsearch.media.decode.resampled", refuse)
    run_index(tmp_path / "lib", place / "footage", model=weights_of(place, "pictures"))
    found = by_file(tmp_path / "lib")
    assert times_of(found) == times_of(by_file(place / "plain"))
    assert times_of(found, AUDIO) == set()
    status = open_library(tmp_path / "lib").catalog.status()
    assert (status.moments["audio"], status.files["indexed"]) == (0, 6)  # the sounds are known, and say nothing
    assert run_index(tmp_path / "lib", place / "footage").num_unchanged == 6


def test_files_keep_the_length_that_their_unread_sound_gives_them(place):
    def durations(kind):
        catalog = open_library(place / kind).catalog
        ids = catalog.live_media_ids().tolist()
        return {it.paths[0].name: it.duration_us for it in catalog.media_records(ids).values()}

    assert durations("pictures") == durations("plain")


def test_an_encoder_of_pictures_alone_answers_pictures_and_says_what_it_lacks(place):
    library, footage = open_library(place / "pictures"), place / "footage"
    hits = search(library, Source(footage / "one.mp4", 0), find=IMAGE)  # a side that nobody named
    assert hits[0].path.name == "one.mp4"
    assert search(library, Source(footage / "still.png"), find=IMAGE)[0].path.name == "still.png"
    for source, find, by in [
        (footage / "one.mp4", AUDIO, None),
        (footage / "one.mp4", IMAGE, AUDIO),
        (footage / "deep" / "sound.wav", IMAGE, None),
    ]:
        with pytest.raises(UsageError, match="vgg16, hears no sound"):
            search(library, Source(source), find=find, by=by)
