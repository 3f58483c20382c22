"""Truth here: clips whose pictures and sounds tell the time that they were made for."""

import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from avsearch.errors import ManifestError
from avsearch.evaluation import drawn
from avsearch.evaluation.drawn import draw_moment, load_items_from_model
from avsearch.evaluation.items import EvaluationSettings
from avsearch.evaluation.problems import ProblemKind
from avsearch.front_end import SMALL_FRONT_END
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, Modality, Span, VideoStream

LUMA_STEP = 5
FRAMES_PER_SECOND = 10
FULL_SCALE_S = 8
VIDEO = VideoStream(index=0, codec="h264", width=64, height=64, rotation=0, frames_per_second=10.0)
AUDIO = AudioStream(index=1, ordinal=0, codec="aac", sample_rate_hz=48000, num_channels=1, is_default=True)


def make_clip(path, *, seconds, picture=True, sound=True, start=0):
    """Frame n is grey at 20 + 5 (n + start); the sound is a straight line: its value is the time / 8 s."""
    luma = f"nullsrc=size=128x128:rate={FRAMES_PER_SECOND},geq=lum='20+{LUMA_STEP}*(N+{start})':cb=128:cr=128"
    inputs = ["-f", "lavfi", "-i", luma] if picture else []
    inputs += ["-f", "lavfi", "-i", f"aevalsrc='t/{FULL_SCALE_S}':s=48000"] if sound else []
    codecs = ["-c:v", "ffv1", "-c:a", "pcm_s16le", "-t", str(seconds), "-fflags", "+bitexact"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *codecs, path], check=True, stdin=subprocess.DEVNULL)


def frame_time_s(square):
    """Undo the grey level: limited-range luma to RGB is (y - 16) x 255 / 219."""
    return ((square.mean() * 219 / 255 + 16) - 20) / LUMA_STEP / FRAMES_PER_SECOND


class NotingEncoder:
    """Encodes nothing worth knowing, but keeps what it was given."""

    def __init__(self, modalities=tuple(Modality), front_end=SMALL_FRONT_END):
        self.header = SimpleNamespace(
            modalities=modalities, fingerprint="f" * 32, architecture="ave", recipe_name="ave", size="small"
        )
        self.front_end = front_end
        self.squares, self.waveforms = [], []

    def encode_images(self, frames):
        around = () if self.front_end.num_frames == 1 else (self.front_end.num_frames,)
        assert (frames.shape[1:], frames.dtype) == ((*around, 112, 112, 3), np.uint8)
        self.squares += list(frames)
        return np.eye(4, dtype=np.float32)[np.arange(len(frames)) % 4]

    def encode_sounds(self, waveforms):
        assert (waveforms.shape[1:], waveforms.dtype) == ((48000,), np.float32)
        self.waveforms += list(waveforms)
        return np.eye(4, dtype=np.float32)[np.arange(len(waveforms)) % 4]


def write_manifest(folder, names):
    rows = "".join(f"{name},{label},test\n" for name, label in names.items())
    (folder / "manifest.csv").write_text(f"path,labels,split\n{rows}", encoding="utf-8")
    return EvaluationSettings(folder / "manifest.csv", seed=7)


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Three seconds, short, silent, deaf, a picture, a copy, a fake, a missing one, and one without a label."""
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "long.mkv", seconds=3)
    make_clip(folder / "other.mkv", seconds=3, start=1)
    make_clip(folder / "short.mkv", seconds=0.6)
    make_clip(folder / "silent.mkv", seconds=2, sound=False)
    make_clip(folder / "sound.wav", seconds=2, picture=False)
    Image.new("RGB", (160, 120), (9, 9, 9)).save(folder / "still.png")
    (folder / "copy.mkv").write_bytes((folder / "long.mkv").read_bytes())
    (folder / "fake.mp4").write_text("no video", encoding="utf-8")
    clips = ["long.mkv", "other.mkv", "short.mkv", "silent.mkv", "sound.wav", "still.png"]
    names = [*clips, "copy.mkv", "fake.mp4", "none.mp4"]
    return write_manifest(folder, dict.fromkeys(names, "a") | {"unlabelled.mkv": ""})


@pytest.fixture(scope="module")
def loaded(collection):
    encoder = NotingEncoder()
    return encoder, load_items_from_model(encoder, collection)


def test_each_item_gives_one_frame_and_the_second_centred_on_it(loaded):
    encoder, items = loaded
    assert items.names == ("long.mkv", "other.mkv", "short.mkv", "silent.mkv", "sound.wav", "still.png")
    assert items.vectors[Modality.IMAGE].item.tolist() == [0, 1, 2, 3, 5]
    assert items.vectors[Modality.AUDIO].item.tolist() == [0, 1, 2, 4]
    frame_s, sound_s = frame_time_s(encoder.squares[0]), encoder.waveforms[0].mean() * FULL_SCALE_S
    assert frame_s == pytest.approx(sound_s, abs=0.03)
    assert 0.5 <= sound_s <= 2.5


def test_a_clip_shorter_than_a_second_gives_its_middle_and_then_silence(loaded):
    encoder, _ = loaded
    assert frame_time_s(encoder.squares[2]) == pytest.approx(0.3, abs=0.03)
    heard = encoder.waveforms[2]
    assert heard[28000] > 0.05
    assert not heard[28900:].any()


def test_every_problem_is_named(loaded, collection):
    _, items = loaded
    named = {problem.kind: problem.names for problem in items.problems}
    reason = named.pop(ProblemKind.FAILED)
    assert named == {
        ProblemKind.UNLABELLED: ("unlabelled.mkv",),
        ProblemKind.MISSING: ("none.mp4",),
        ProblemKind.REPEATED: ("copy.mkv",),
        ProblemKind.WITHOUT_PICTURE: ("sound.wav",),
        ProblemKind.WITHOUT_SOUND: ("silent.mkv", "still.png"),
    }
    assert len(reason) == 1
    assert reason[0].startswith("fake.mp4: ")
    assert str(collection.manifest.parent) not in reason[0]


def test_an_encoder_of_pictures_alone_opens_no_sound_and_leaves_out_what_has_no_picture(collection):
    encoder = NotingEncoder(modalities=(Modality.IMAGE,))
    items = load_items_from_model(encoder, collection)
    assert not encoder.waveforms
    assert set(items.vectors) == {Modality.IMAGE}
    named = {problem.kind: problem.names for problem in items.problems}
    assert named[ProblemKind.WITHOUT_VECTOR] == ("sound.wav",)
    assert ProblemKind.WITHOUT_SOUND not in named


def test_an_encoder_of_many_frames_sees_those_around_the_drawn_one(loaded, collection):
    """At ten frames a second the nearest to 120, 80 and 40 ms away are one frame, one frame and none away."""
    encoder = NotingEncoder(front_end=replace(SMALL_FRONT_END, num_frames=7))
    items = load_items_from_model(encoder, collection)
    assert items.names == loaded[1].names
    for burst, square in zip(encoder.squares, loaded[0].squares, strict=True):
        np.testing.assert_array_equal(burst[3], square)
    drawn_s = frame_time_s(loaded[0].squares[0])
    around_s = [frame_time_s(frame) for frame in encoder.squares[0]]
    assert around_s == pytest.approx([drawn_s + step / 10 for step in (-1, -1, 0, 0, 0, 1, 1)], abs=0.03)
    assert all((frame == encoder.squares[4][0]).all() for frame in encoder.squares[4])  # the still picture


@pytest.mark.slow
def test_the_draw_depends_on_the_seed_and_on_the_name_but_not_on_the_other_rows(loaded, collection):
    def loudness(seed):
        encoder = NotingEncoder()
        load_items_from_model(encoder, EvaluationSettings(alone, seed=seed))
        return float(encoder.waveforms[0].mean())

    folder = collection.manifest.parent
    alone = folder / "alone.csv"
    alone.write_text("path,labels,split\nlong.mkv,a,test\n", encoding="utf-8")
    assert loudness(7) == float(loaded[0].waveforms[0].mean())
    assert len({loudness(seed) for seed in range(4)}) > 1


def test_a_manifest_of_which_nothing_can_be_read_is_refused_with_the_counts(tmp_path):
    settings = write_manifest(tmp_path, {"a.mp4": "x", "b.mp4": "y"})
    with pytest.raises(ManifestError, match=r"nothing to evaluate.*2 rows whose file is missing"):
        load_items_from_model(NotingEncoder(), settings)


def info_of(duration_us, *, video=VIDEO, audio=AUDIO):
    return MediaInfo(MediaKind.VIDEO, duration_us, 0, "mov", video, audio)


def test_every_frame_with_its_whole_second_inside_is_drawn_equally_often():
    times_us = np.arange(0, 2 * SECOND_US, 100_000)
    rng = np.random.default_rng(0)
    drawn = [draw_moment(info_of(2 * SECOND_US), times_us, rng).frame_us for _ in range(2000)]
    times, counts = np.unique(drawn, return_counts=True)
    assert times.tolist() == list(range(500_000, 1_500_001, 100_000))
    assert counts.min() > 0.7 * 2000 / 11


@pytest.mark.parametrize(
    ("duration_us", "times_us", "frame_us", "start_us"),
    [
        (SECOND_US, [0, 400_000, 500_000, 600_000], 500_000, 0),  # just one second fits
        (600_000, [0, 200_000, 400_000], 200_000, 0),  # none fits: the middle, the earlier of two
        (4 * SECOND_US, [0], 0, 0),  # a cover over a long sound
        (2 * SECOND_US, [0, 1_900_000], 1_900_000, SECOND_US),  # the second is moved inside the clip
        (0, [0, 2_000_000, 4_000_000], 2_000_000, 1_500_000),  # a container that does not tell its length
    ],
)
def test_where_little_fits_the_middle_is_taken(duration_us, times_us, frame_us, start_us):
    moment = draw_moment(info_of(duration_us), np.array(times_us), np.random.default_rng(0))
    assert moment.frame_us == frame_us
    assert moment.second == Span(start_us, start_us + SECOND_US)


def test_a_side_that_a_file_lacks_is_not_drawn():
    rng, times_us = np.random.default_rng(0), np.array([0])
    assert draw_moment(info_of(SECOND_US, audio=None), times_us, rng).second is None
    assert draw_moment(info_of(SECOND_US, video=None), times_us, rng).frame_us is None


class Noting:
    """A judge that keeps what it is given, and has a remark on each sample."""

    def __init__(self):
        self.pieces = []

    def take(self, samples):
        self.pieces.append(list(samples))
        return [(ProblemKind.BAD_BOXES, sample.row.columns["path"]) for sample in samples]


def test_judges_get_what_the_encoder_sees_the_whole_frame_and_the_second(loaded, collection):
    encoder, _ = loaded
    judge = Noting()
    items = load_items_from_model(NotingEncoder(), collection, judges=(judge,))
    (samples,) = judge.pieces
    assert [sample.row.columns["path"] for sample in samples] == list(items.names)  # the copy is not judged again
    seen = [sample for sample in samples if sample.look is not None]
    for sample, square in zip(seen, encoder.squares[:-1], strict=True):
        np.testing.assert_array_equal(sample.look, square)
    assert seen[0].frame.shape == (128, 128, 3)
    assert seen[-1].frame.shape == (128, 171, 3)  # 160 x 120, the shorter side at 128
    np.testing.assert_array_equal(seen[-1].frame[8:120, 29:141], seen[-1].look)
    waveforms = [sample.waveform for sample in samples if sample.waveform is not None]
    np.testing.assert_array_equal(waveforms, encoder.waveforms[:-1])


def test_what_judges_remark_is_among_the_problems(collection):
    items = load_items_from_model(NotingEncoder(), collection, judges=(Noting(),))
    named = {problem.kind: problem.names for problem in items.problems}
    assert named[ProblemKind.BAD_BOXES] == tuple(sorted(items.names))


@pytest.mark.slow
def test_a_judge_of_an_encoder_of_many_frames_gets_no_whole_frame(collection):
    judge = Noting()
    encoder = NotingEncoder(front_end=replace(SMALL_FRONT_END, num_frames=3))
    load_items_from_model(encoder, collection, judges=(judge,))
    assert all(sample.frame is None for sample in judge.pieces[0])
    assert judge.pieces[0][0].look.shape == (3, 112, 112, 3)


def test_rows_are_read_in_pieces_whose_partners_are_a_fair_draw_and_listed_in_the_order_of_the_manifest(
    tmp_path, monkeypatch
):
    names = [f"{number:02}.png" for number in range(20)]
    for number, name in enumerate(names):
        Image.new("RGB", (120, 120), (number, 0, 0)).save(tmp_path / name)
    settings = write_manifest(tmp_path, dict.fromkeys(names, "a"))
    monkeypatch.setattr(drawn, "ITEMS_AT_A_TIME", 8)
    judge, encoder = Noting(), NotingEncoder(modalities=(Modality.IMAGE,))
    encoder.encode_images = lambda frames: np.eye(20, dtype=np.float32)[frames[:, 0, 0, 0]]
    items = load_items_from_model(encoder, settings, judges=(judge,))
    assert items.names == tuple(names)
    np.testing.assert_array_equal(items.vectors[Modality.IMAGE].vector, np.eye(20))  # each its own, not another's
    pieces = [[sample.row.columns["path"] for sample in piece] for piece in judge.pieces]
    assert sorted(map(len, pieces)) == [6, 7, 7]
    assert sorted(name for piece in pieces for name in piece) == names
    assert pieces[0] != names[:7]


def test_pieces_depend_on_the_seed_alone_and_none_is_left_with_a_single_row():
    assert drawn.pieces(130, 4) == drawn.pieces(130, 4) != drawn.pieces(130, 5)
    for count in (1, 2, 63, 64, 65, 129, 1000):
        pieces = drawn.pieces(count, 0)
        assert sorted(index for piece in pieces for index in piece) == list(range(count))
        assert max(map(len, pieces)) <= 64
        assert min(map(len, pieces)) >= min(count, 32)
    first = [drawn.pieces(640, seed)[0] for seed in range(30)]
    assert 290 < np.mean(first) < 350  # from all of the manifest, not from its beginning
