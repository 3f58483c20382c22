"""What editors have, made by ffmpeg: each file is probed, its frames and seconds are those of their true times."""

import functools
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest

from avsearch import media
from avsearch.media.intra import is_intra, read_intra_frames
from avsearch.moments import MediaKind
from tests.media.clips import RATE, ffmpeg, number_of, numbered_frames, tone_of, tones, write_wav
from tests.media.test_frames import ffprobe_frame_times

NUM_FRAMES, SECONDS = 75, 3
CHOSEN = [0, 1, 24, 25, 26, 51, 74]
SECOND_US = 1_000_000


@functools.cache
def encoders():
    """The names of the encoders that this ffmpeg has."""
    listed = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True, check=True)
    return {line.split()[1] for line in listed.stdout.splitlines() if len(line.split()) > 1}


def needs(*names):
    missing = [name for name in names if name not in encoders()]
    if missing:
        pytest.skip(f"this ffmpeg has no encoder {missing[0]}")


@dataclass(frozen=True)
class Film:
    """How a film of numbered frames and tones is coded, and what is known of it beforehand.

    Attributes:
        says: the codec's name in ffprobe, where it is not the encoder's.
        shown: the size with square pixels, where it is not `size`.
        is_listed: the container has the time of every frame; else only decoding all of them tells.
        is_rare: met less often, so that `make test` leaves it out.
    """

    name: str
    codec: str
    options: str = ""
    says: str = ""
    sound: str = "pcm_s16le"
    size: tuple[int, int] = (320, 240)
    shown: tuple[int, int] | None = None
    seconds: int = SECONDS
    is_listed: bool = True
    is_rare: bool = False

    def __str__(self):
        return f"{self.codec} {self.options}in {self.name}"


PAL, PAL_SHOWN = (720, 576), (768, 576)  # pixels of 16:15
HD = (1920, 1080)
LONG_GOP = "-g 12 -bf 2 -b:v 5M "
X265 = "-preset ultrafast -x265-params log-level=none -pix_fmt "
FILMS = [
    Film("a.mov", "prores_ks", "-profile:v hq -pix_fmt yuv422p10le ", "prores"),
    Film("a.mov", "prores_ks", "-profile:v proxy -pix_fmt yuv422p10le ", "prores", is_rare=True),
    Film("a.mov", "prores_ks", "-profile:v 4444 -pix_fmt yuva444p10le ", "prores"),
    Film("a.mov", "dnxhd", "-profile:v dnxhr_hq -pix_fmt yuv422p "),
    Film("a.mxf", "dnxhd", "-profile:v dnxhr_lb -pix_fmt yuv422p "),
    Film("a.mxf", "dnxhd", "-profile:v dnxhr_hqx -pix_fmt yuv422p10le ", is_rare=True),
    Film("a.mov", "dnxhd", "-b:v 36M -pix_fmt yuv422p ", size=HD, seconds=1, is_rare=True),
    Film("a.mxf", "dnxhd", "-b:v 36M -pix_fmt yuv422p ", size=HD, seconds=1),
    Film("a.mov", "mjpeg", "-pix_fmt yuvj422p "),
    Film("a.avi", "mjpeg", "-pix_fmt yuvj422p "),
    Film("a.mxf", "libx264", "-preset ultrafast -g 1 -pix_fmt yuv422p10le ", "h264", "pcm_s24le"),
    Film("a.mxf", "mpeg2video", LONG_GOP, size=PAL),
    Film("a.mov", "mpeg2video", LONG_GOP, size=PAL, is_rare=True),
    Film("a.mpg", "mpeg2video", f"{LONG_GOP}-f vob ", sound="mp2", size=PAL, is_listed=False),
    Film("a.gxf", "mpeg2video", "-g 12 -b:v 5M ", size=PAL, is_listed=False, is_rare=True),
    Film("a.wmv", "libx264", "-preset ultrafast -g 12 -bf 2 ", "h264", "wmav2", is_listed=False, is_rare=True),
    Film("a.ts", "mpeg2video", f"{LONG_GOP}-flags +ildct+ilme -top 1 ", sound="mp2", size=PAL),
    Film("a.mov", "libx264", "-preset ultrafast -flags +ildct+ilme -x264opts tff=1 ", "h264"),
    Film("a.mp4", "libx264", "-preset ultrafast -pix_fmt yuv420p10le ", "h264", "aac", is_rare=True),
    Film("a.mp4", "libx265", f"{X265}yuv420p10le ", "hevc", "aac"),
    Film("a.mov", "libx265", f"{X265}yuv422p12le ", "hevc", is_rare=True),
    Film("a.mkv", "ffv1", "-pix_fmt yuv444p12le ", sound="flac"),
    Film("a.mkv", "ffv1", "-pix_fmt bgra ", sound="pcm_s24le", is_rare=True),
    Film("a.dv", "dvvideo", "-pix_fmt yuv420p -ar 48000 -ac 2 ", size=PAL, shown=PAL_SHOWN),
    Film("a.avi", "dvvideo", "-pix_fmt yuv420p -ac 2 ", size=PAL, shown=PAL_SHOWN, is_rare=True),
    Film("a.mov", "dvvideo", "-pix_fmt yuv422p -ac 2 ", size=PAL, shown=PAL_SHOWN, is_rare=True),
    Film("a.mov", "qtrle", "-pix_fmt argb ", is_rare=True),
    Film("a.mov", "png", "-pix_fmt rgba ", is_rare=True),
    Film("a.mov", "cfhd", "-pix_fmt yuv422p10le ", is_rare=True),
    Film("a.mov", "v210", "-pix_fmt yuv422p10le ", is_rare=True),
    Film("a.mov", "rawvideo", "-pix_fmt uyvy422 ", is_rare=True),
    Film("a.avi", "utvideo", "-pix_fmt yuv422p ", is_rare=True),
    Film("a.mxf", "jpeg2000", "-pix_fmt yuv422p ", is_rare=True),
    Film("a.ogv", "libtheora", "-g 12 -b:v 2M ", "theora", "libvorbis", is_rare=True),
    Film("a.webm", "libvpx-vp9", "-g 12 -deadline realtime -cpu-used 8 ", "vp9", "libopus", is_rare=True),
]


def make_film(path, options, *, size=(320, 240), seconds=SECONDS, sounds=1, shift=0):
    """Numbered frames, and as many streams of sound, the n-th of them with tones of `n * shift` seconds later."""
    width, height = size
    inputs = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", "pipe:0"]
    maps = ["-map", "0"]
    for number in range(sounds):
        waveform = tones(seconds + number * shift)[number * shift * RATE :]
        inputs += ["-i", write_wav(path.with_name(f"tones {number}.wav"), waveform)]
        maps += ["-map", str(number + 1)]
    ffmpeg(*inputs, *maps, *options, path, stdin=numbered_frames(25 * seconds, width, height).tobytes())
    return path


def first_time_us(path, info):
    """When frame 0 is shown: of sound and pictures the earlier ones start at 0."""
    first = next(media.read_frames(path, info, [0], short_side=64))
    assert number_of(first.rgb) == 0
    assert first.time_us <= 120_000
    return first.time_us


def assert_frames_lie_at_their_times(path, info, *, num_frames=NUM_FRAMES, is_listed=True):
    first_us = first_time_us(path, info)
    times_us = first_us + 40_000 * np.arange(num_frames)
    if is_listed:
        listed_us = media.frame_times(path, info).times_us
        assert listed_us.tolist() == pytest.approx(ffprobe_frame_times(path), abs=1)
        assert listed_us.tolist() == pytest.approx(times_us.tolist(), abs=1000)
        times_us = listed_us
    last = num_frames - 1 if is_listed else num_frames - 2  # where times are guessed, the last frame may have none
    chosen = [number for number in CHOSEN if number <= last]
    for read in (media.read_frames, *([read_intra_frames] if is_intra(info) else [])):
        frames = list(read(path, info, times_us[chosen].tolist(), short_side=64))
        assert [number_of(frame.rgb) for frame in frames] == chosen
        assert [frame.time_us for frame in frames] == pytest.approx(times_us[chosen].tolist(), abs=1)


def tones_of(path, info):
    """The tone of each whole second, as multiples of 300 Hz; codecs may be off by a frame at the edges."""
    waveforms = [second.waveform for second in media.sound_seconds(path, info)]
    return [round(tone_of(waveform[4000:44000]) / 300, 1) for waveform in waveforms if waveform.size == RATE]


def assert_the_pass_agrees(path, info):
    """What indexing reads in one process lies where it is read one by one."""
    first_us = first_time_us(path, info)
    frames = [it for it in media.read_pass(path, info, short_side=64) if isinstance(it, media.Frame)]
    assert frames
    assert [number_of(frame.rgb) for frame in frames] == [
        round((frame.time_us - first_us) / 40_000) for frame in frames
    ]
    assert np.diff([frame.time_us for frame in frames]).min(initial=SECOND_US) >= SECOND_US - 1000


@pytest.mark.parametrize(
    "film", [pytest.param(it, id=str(it), marks=[pytest.mark.slow] if it.is_rare else []) for it in FILMS]
)
def test_frames_and_seconds_are_those_of_their_times(tmp_path, film):
    needs(film.codec, film.sound)
    path = tmp_path / film.name
    options = ["-c:v", film.codec, *film.options.split(), "-c:a", film.sound]
    make_film(path, options, size=film.size, seconds=film.seconds)
    info = media.probe(path)
    assert (info.kind, info.video.codec) == (MediaKind.VIDEO, film.says or film.codec)
    assert (info.video.width, info.video.height) == (film.shown or film.size)
    assert info.duration_us == pytest.approx(film.seconds * SECOND_US, abs=150_000)
    assert_frames_lie_at_their_times(path, info, num_frames=25 * film.seconds, is_listed=film.is_listed)
    assert tones_of(path, info)[: film.seconds] == [1, 2, 3][: film.seconds]
    assert_the_pass_agrees(path, info)


def test_a_gif_is_a_film(tmp_path):
    frames = numbered_frames(NUM_FRAMES).tobytes()
    pipe = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "320x240", "-r", "25", "-i", "pipe:0"]
    ffmpeg(*pipe, tmp_path / "a.gif", stdin=frames)
    info = media.probe(tmp_path / "a.gif")
    assert (info.kind, info.audio, info.duration_us) == (MediaKind.VIDEO, None, SECONDS * SECOND_US)
    assert_frames_lie_at_their_times(tmp_path / "a.gif", info)
    assert_the_pass_agrees(tmp_path / "a.gif", info)


def test_what_shows_through_a_film_with_alpha_is_its_own_colour(tmp_path):
    """Straight alpha: the colours are whole, and editors' mattes are not cut into them."""
    needs("prores_ks")
    red = ["-f", "lavfi", "-i", "color=red:size=64x64:rate=25:duration=1,format=yuva444p10le"]
    ffmpeg(*red, "-c:v", "prores_ks", "-profile:v", "4444", "-alpha_bits", "16", tmp_path / "a.mov")
    info = media.probe(tmp_path / "a.mov")
    (frame,) = media.read_frames(tmp_path / "a.mov", info, [0], short_side=64)
    assert np.abs(frame.rgb.astype(int) - [255, 0, 0]).max() <= 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("a.mxf", "-c:v mpeg2video -g 12 -b:v 5M -c:a pcm_s24le", PAL),
        ("a.mov", "-c:v prores_ks -c:a pcm_s24le", (320, 240)),
        ("a.mkv", "-c:v ffv1 -c:a flac", (320, 240)),
        ("a.ts", "-c:v mpeg2video -b:v 5M -c:a mp2", PAL),
    ],
)
def test_any_of_several_streams_of_sound_can_be_read(tmp_path, name, options, size):
    path = make_film(tmp_path / name, options.split(), size=size, sounds=4, shift=1)
    default = media.probe(path)
    assert default.audio.ordinal == 0
    assert_frames_lie_at_their_times(path, default)
    for number in range(4):
        info = media.probe(path, audio_stream=number)
        assert (info.audio.ordinal, info.audio.num_channels) == (number, 1)
        assert tones_of(path, info)[:2] == [1 + number, 2 + number]


@pytest.mark.slow
def test_timecode_tracks_subtitles_chapters_and_covers_do_not_disturb(tmp_path):
    film = make_film(tmp_path / "film.mov", ["-c:v", "prores_ks", "-c:a", "pcm_s16le", "-timecode", "01:00:00:00"])
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,500 --> 00:00:01,500\nwords\n")
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=one\n")
    cover = tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=1:duration=1", "-frames:v", "1", cover)
    path = tmp_path / "a.mp4"
    inputs = ["-i", cover, "-i", words, "-i", film, "-i", chapters]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3"]
    codecs = ["-c:v:0", "png", "-c:v:1", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    ffmpeg(*inputs, *maps, *codecs, "-c:s", "mov_text", "-disposition:v:0", "attached_pic", "-dn", path)
    info = media.probe(path)
    assert (info.video.codec, info.video.width) == ("h264", 320)
    assert_frames_lie_at_their_times(path, info)
    assert tones_of(path, info)[:SECONDS] == [1, 2, 3]
    info = media.probe(film)
    assert info.timecode == "01:00:00:00"
    assert_frames_lie_at_their_times(film, info)
    assert_the_pass_agrees(film, info)
