"""Truth here: the localizer asked directly, with frames and sounds read one by one."""

import numpy as np
import pytest
from PIL import Image

from avsearch.errors import LibraryError, MediaError, WeightsError
from avsearch.front_end import padded_second
from avsearch.localize import blended, heat_map, load_localizer
from avsearch.localize.job import LocalizeJob
from avsearch.localize.parts import Part
from avsearch.localize.still import LONGEST_PX, localize_still
from avsearch.media import probe, read_frames, read_sound
from avsearch.moments import SECOND_US, Span
from tests.media.clips import make_clip, write_wav
from tests.models import tiny


@pytest.fixture
def still(tmp_path, localizer_weights):
    """Localize, and return what was found and the picture that was written."""

    def run(picture, sound=None):
        out = tmp_path / "map.png"
        done = localize_still(LocalizeJob(picture, sound, localizer_weights, out, "cpu"))
        with Image.open(out) as written:
            assert written.format == "PNG"
            return done, np.asarray(written)

    return run


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture of random patches, 300 x 200."""
    patches = np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(patches.repeat(50, axis=0).repeat(50, axis=1)).save(path)
    return path


def frame_of(path, time_us, short_side):
    return next(read_frames(path, probe(path), [time_us], short_side=short_side)).rgb


def second_of(path, start_us):
    return padded_second(read_sound(path, probe(path), Span(start_us, start_us + SECOND_US)))


def expected(weights, frame, waveform):
    return heat_map(load_localizer(weights, "cpu"), frame, waveform)


def test_the_map_of_a_picture_and_a_second_lies_over_the_picture_in_its_own_size(
    still, photo, clip, localizer_weights
):
    done, written = still(Part(photo), Part(clip, 2 * SECOND_US))
    frame, waveform = frame_of(photo, 0, tiny.FRONT_END.short_side), second_of(clip, 2 * SECOND_US)
    heat = expected(localizer_weights, frame, waveform)
    np.testing.assert_allclose(done.heat.probabilities, heat.probabilities, atol=1e-5)
    assert (done.picture_us, done.sound_us, done.size) == (0, 2 * SECOND_US, (300, 200))
    np.testing.assert_allclose(written, blended(np.asarray(Image.open(photo)), heat), atol=2)


def test_a_video_at_a_time_is_looked_at_with_the_second_around_the_frame(still, clip, localizer_weights):
    done, written = still(Part(clip, 1_990_000))
    assert (done.picture_us, done.sound_us, written.shape) == (1_960_000, 1_460_000, (240, 320, 3))
    frame = frame_of(clip, 1_960_000, tiny.FRONT_END.short_side)
    heat = expected(localizer_weights, frame, second_of(clip, 1_460_000))
    np.testing.assert_allclose(done.heat.probabilities, heat.probabilities, atol=1e-5)


def test_at_the_beginning_the_first_second_is_heard_and_a_whole_video_is_seen_in_its_middle(still, clip):
    assert still(Part(clip, 100_000))[0].sound_us == 0
    done, _ = still(Part(clip))
    assert (done.picture_us, done.sound_us) == (1_960_000, 1_460_000)


def test_of_a_longer_sound_the_second_that_the_picture_answers_best_is_told(still, photo, clip, localizer_weights):
    frame = frame_of(photo, 0, tiny.FRONT_END.short_side)
    peaks = [expected(localizer_weights, frame, second_of(clip, it * SECOND_US)).probability for it in range(4)]
    assert len(set(peaks)) == 4
    done, _ = still(Part(photo), Part(clip))
    assert done.sound_us == int(np.argmax(peaks)) * SECOND_US
    assert done.heat.probability == pytest.approx(max(peaks), abs=1e-5)
    worse = (int(np.argmax(peaks)) + 1) % 3
    stretch = Part(clip, worse * SECOND_US, (worse + 1) * SECOND_US)
    assert still(Part(photo), stretch)[0].sound_us == worse * SECOND_US


@pytest.mark.parametrize(
    ("size", "shown"), [((4000, 1000), (1920, 480)), ((1000, 4000), (480, 1920)), ((64, 40), (64, 40)),
                        ((3000, 300), (1920, 192)), ((51, 31), (51, 31))]
)  # fmt: skip
def test_a_picture_keeps_its_shape_and_is_made_no_longer_than_a_screen(still, tmp_path, clip, size, shown):
    path = tmp_path / "large.jpg"
    Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 20).convert("RGB").save(path)
    done, written = still(Part(path), Part(clip, 0))
    assert (done.size, written.shape) == (shown, (shown[1], shown[0], 3))
    assert max(shown) <= LONGEST_PX


def test_a_sound_without_a_tail_is_followed_by_silence(still, photo, tmp_path):
    short = write_wav(tmp_path / "short.wav", np.full(10_000, 0.5, np.float32))
    assert still(Part(photo), Part(short))[0].sound_us == 0
    assert still(Part(photo), Part(short, 100_000))[0].sound_us == 100_000


def test_what_lacks_a_side_or_ends_before_is_one_sentence(tmp_path, photo, clip, localizer_weights):
    silent = make_clip(tmp_path / "silent.mp4", frames=25)
    sound = write_wav(tmp_path / "sound.wav", np.zeros(48_000, np.float32))
    for picture, heard, told in (
        (Part(photo), None, r"photo\.png: has no sound.*Name a sound"),
        (Part(silent), None, r"silent\.mp4: has no sound"),
        (Part(photo), Part(silent), r"silent\.mp4: has no sound"),
        (Part(sound), Part(sound), r"sound\.wav: has no pictures.*picture first"),
        (Part(clip, 60 * SECOND_US), Part(sound), r"its pictures end at 3\.960 s"),
        (Part(photo), Part(sound, 60 * SECOND_US), r"its sound ends before 60\.000 s"),
        (Part(photo), Part(sound, 60 * SECOND_US, 70 * SECOND_US), r"has no sound there"),
        (Part(tmp_path / "none.png"), Part(sound), "there is no such file"),
    ):
        with pytest.raises(MediaError, match=told):
            localize_still(LocalizeJob(picture, heard, localizer_weights, tmp_path / "map.png", "cpu"))
    assert not (tmp_path / "map.png").exists()


def test_weights_without_a_map_are_refused_before_anything_is_read(tmp_path, photo):
    tiny.save(tmp_path / "ave.safetensors")
    with pytest.raises(WeightsError, match="ave cannot say where"):
        localize_still(LocalizeJob(Part(photo), Part(photo), tmp_path / "ave.safetensors", tmp_path / "map.png"))


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path, photo, clip, localizer_weights):
    out = tmp_path / "none" / "map.png"
    with pytest.raises(LibraryError, match=r"map\.png: cannot be written \(No such file or directory\)"):
        localize_still(LocalizeJob(Part(photo), Part(clip), localizer_weights, out, "cpu"))
