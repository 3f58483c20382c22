import resource
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch import media
from avsearch.errors import TrainingError
from avsearch.moments import MediaInfo, MediaKind, Silent
from tests.media.clips import ffmpeg, make_clip, number_of, numbered_frames
from tests.models import tiny
from trainer.cache import fill_cache
from trainer.dataset import Clips, validation_pairs
from trainer.decoding import windows

FRONT_END = replace(tiny.FRONT_END, short_side=32)  # so that a square frame is seen whole
PERIOD = 1 << 16


def timed_clip(path, rate, *, first_value=0):
    """A lossless sound that counts samples beside frames that count themselves; three seconds."""
    frames = round(3 * eval_rate(rate))
    raw = path.with_suffix(".raw")
    raw.write_bytes(
        ((np.arange(first_value, 3 * 48_000 + first_value) % PERIOD) - PERIOD // 2).astype("<i2").tobytes()
    )
    video = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-r", rate, "-i", "pipe:0"]
    sound = ["-f", "s16le", "-ar", "48000", "-ac", "1", "-i", raw, "-c:a", "pcm_s16le"]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2"]
    ffmpeg(*video, *sound, *codec, path, stdin=numbered_frames(frames, 64, 64).tobytes())
    return path


def eval_rate(rate):
    numerator, _, denominator = rate.partition("/")
    return int(numerator) / int(denominator or 1)


@pytest.fixture
def small_files_only():
    """The kernel refuses to write more than 20 kB to a file, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(files, directory):
    return fill_cache(files, directory, FRONT_END, Silent())


def count_decoding(monkeypatch):
    """Which files `media.read_frames` is asked for from now on."""
    asked = []
    original = media.read_frames

    def spy(path, info, times_us, *, short_side):
        asked.append(path)
        return original(path, info, times_us, short_side=short_side)

    monkeypatch.setattr(media, "read_frames", spy)
    return asked


def test_from_file_to_batch_each_second_is_centred_on_its_frame_at_25_and_23_976_frames_a_second(tmp_path):
    rates = {"a.mov": "25", "b.mov": "24000/1001"}
    files = [timed_clip(tmp_path / name, rate) for name, rate in rates.items()]
    clips, failures = fill(files, tmp_path / "cache")
    assert not failures
    batch = validation_pairs(Clips.of(clips), FRONT_END, pairs_per_clip=1000)
    rate_of = {media.content_hash(path): eval_rate(rates[path.name]) for path in files}
    rate_of_number = [rate_of[content] for content in sorted(rate_of)]
    assert len(batch.frames) >= 2 * 2 * 5  # two seconds of each, five frames a second or more
    for frame, second, number in zip(batch.frames.numpy(), batch.sounds, batch.media.tolist(), strict=True):
        frame_s = number_of(frame) / rate_of_number[number]
        middle = round(float(second[0]) * 32767) + PERIOD // 2 + 24_000  # modulo the period
        off = (middle - frame_s * 48_000 + PERIOD / 2) % PERIOD - PERIOD / 2
        assert (
            abs(off) <= 4
        )  # samples; half of one for the cut, the rest for rounding the sawtooth and the frame times


def test_cached_frames_lie_a_sixth_of_a_second_apart_and_each_has_its_whole_second(tmp_path):
    clips, _ = fill([make_clip(tmp_path / "a.mp4", frames=75, seconds=3, size=(64, 64))], tmp_path / "cache")
    arrays = clips[0].record.read(check=True)
    times, sound = arrays.frame_us, arrays.sound
    assert [number_of(frame) for frame in arrays.frames] == (times // 40_000).tolist()
    assert (np.diff(times) >= 1_000_000 / 6).all()
    assert times[0] == 520_000  # 0.5 s is between two frames
    assert times[0] - 500_000 >= arrays.start_us == 0
    assert times[-1] + 500_000 <= len(sound) * 1_000_000 / 48_000
    assert sound.dtype == np.int16


def test_a_second_run_decodes_nothing(tmp_path, clips_folder, monkeypatch):
    files = sorted(clips_folder.glob("*.mp4"))[:3]
    first, _ = fill(files, tmp_path)
    asked = count_decoding(monkeypatch)
    second, _ = fill(files, tmp_path)
    assert second == first
    assert asked == []


def test_an_interrupted_run_goes_on_with_the_next_file(tmp_path, clips_folder, monkeypatch):
    files = sorted(clips_folder.glob("*.mp4"))[:3]
    fill(files[:2], tmp_path)
    asked = count_decoding(monkeypatch)
    clips, _ = fill(files, tmp_path)
    assert [clip.source for clip in clips] == files
    assert asked == files[2:]


def test_a_moved_file_is_found_by_its_content(tmp_path, clips_folder, monkeypatch):
    file = clips_folder / "0.mp4"
    first, _ = fill([file], tmp_path / "cache")
    moved = tmp_path / "elsewhere.mp4"
    moved.write_bytes(file.read_bytes())
    asked = count_decoding(monkeypatch)
    second, _ = fill([moved], tmp_path / "cache")
    assert [clip.record for clip in second] == [clip.record for clip in first]
    assert asked == []


def test_another_size_of_frames_is_another_cache(tmp_path, clips_folder):
    small, _ = fill([clips_folder / "0.mp4"], tmp_path)
    large, _ = fill_cache([clips_folder / "0.mp4"], tmp_path, replace(FRONT_END, short_side=48), Silent())
    assert small[0].record.read(check=True).frames.shape[1:] == (32, 32, 3)
    assert large[0].record.read(check=True).frames.shape[1:] == (48, 48, 3)


def test_files_that_cannot_train_are_listed_with_their_reasons_in_order(tmp_path, clips_folder):
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    silent = make_clip(tmp_path / "silent.mp4", size=(64, 64))
    short = make_clip(tmp_path / "short.mp4", frames=20, seconds=0.8, size=(64, 64))
    sound = tmp_path / "short.tones.wav"
    clips, failures = fill([text, silent, clips_folder / "0.mp4", short, sound], tmp_path / "cache")
    assert [clip.source for clip in clips] == [clips_folder / "0.mp4"]
    assert [failed.path for failed in failures] == [text, silent, short, sound]
    for failed, word in zip(failures[1:], ("no sound", "no second", "no pictures"), strict=True):
        assert word in failed.reason
    assert str(text) not in failures[0].reason  # the path is told beside the reason


@pytest.mark.slow
def test_nothing_half_written_is_left(tmp_path, clips_folder):
    fill(sorted(clips_folder.glob("*.mp4")), tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".jsonl", ".clips"}


def test_a_file_that_is_gone_is_listed_and_stops_nothing(tmp_path, clips_folder):
    clips, failures = fill([tmp_path / "gone.mp4", clips_folder / "0.mp4"], tmp_path / "cache")
    assert len(clips) == 1
    assert [failed.path.name for failed in failures] == ["gone.mp4"]


def test_copies_of_one_file_are_decoded_once_and_give_their_clips_once(tmp_path, clips_folder, monkeypatch):
    copies = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for copy in copies:
        copy.write_bytes((clips_folder / "0.mp4").read_bytes())
    asked = count_decoding(monkeypatch)
    clips, failures = fill(copies, tmp_path / "cache")
    assert not failures
    assert [clip.source for clip in clips] == asked == copies[:1]


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, clips_folder):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match="cache"):
        fill([clips_folder / "0.mp4"], tmp_path / "file")


def test_a_disk_that_takes_no_clips_is_one_sentence(tmp_path, clips_folder, small_files_only):
    with pytest.raises(TrainingError, match="cannot be written"):
        fill([clips_folder / "0.mp4"], tmp_path)


def info(duration_us):
    return MediaInfo(MediaKind.VIDEO, duration_us, 0, "mov", video=None, audio=None)


@given(seconds=st.floats(12.001, 100_000))
def test_a_long_file_gives_up_to_thirty_stretches_of_4_s_that_do_not_overlap(seconds):
    duration_us = int(seconds * 1_000_000)
    spans = windows(info(duration_us))
    assert 3 <= len(spans) <= 30
    assert {span.duration_us for span in spans} == {4_000_000}
    assert all(before.end_us <= after.start_us for before, after in pairwise(spans))
    assert (spans[0].start_us, spans[-1].end_us) == (0, duration_us)


@given(duration_us=st.integers(1, 12_000_000))
def test_a_short_file_is_kept_whole(duration_us):
    assert [(span.start_us, span.end_us) for span in windows(info(duration_us))] == [(0, duration_us)]


def test_a_file_of_unknown_length_gives_nothing():
    assert windows(info(0)) == []
