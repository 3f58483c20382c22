"""Files of few bytes that take gigabytes or hours, each with its protection and, `unprotected`, without it."""

import io
import struct
import subprocess
import sys
import time

import pytest
from PIL import Image

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import decode, frames, safety
from avsearch.moments import MediaKind, VideoStream
from tests.media import attacks
from tests.media.clips import ffmpeg, make_clip

MIB = 1 << 20
probe = sys.modules["avsearch.media.probe"]  # the package's attribute of that name is the function
protections = pytest.mark.parametrize("protected", [True, False], ids=["protected", "unprotected"])


def without(monkeypatch, *names):
    """Take away some of the options that ffmpeg reads a file with."""
    left = {name: value for name, value in safety.INPUT_OPTIONS.items() if name not in names}
    monkeypatch.setattr(safety, "INPUT_OPTIONS", left)


def frames_of(path):
    """All frames of the one pass, which is asked to believe that there are pictures."""
    found = media.read_pass(path, attacks.PRETENDED_PICTURES, short_side=64)
    return [read for read in found if isinstance(read, media.Frame)]


@protections
@pytest.mark.parametrize("suffix", ["mkv", "mov", "avi"])
def test_frames_of_30000_pixels_are_refused_before_they_are_decoded(tmp_path, monkeypatch, suffix, protected):
    """30 kB that decode to 240 million pixels."""
    path = attacks.film_of(tmp_path / f"huge.{suffix}", attacks.png(30_000, 8_000), "png_pipe")
    if protected:
        with pytest.raises(MediaError):
            media.probe(path)
        with pytest.raises(MediaError):
            frames_of(path)
    else:
        without(monkeypatch, "max_pixels")
        assert media.probe(path).video.width == 30_000
        assert len(frames_of(path)) == 1


def test_frames_of_30000_by_30000_pixels_are_refused_by_ffmpeg_itself(tmp_path, monkeypatch):
    path = attacks.film_of(tmp_path / "huge.mkv", attacks.png(30_000, 8_000), "png_pipe")
    larger = attacks.png_header(30_000, 30_000)
    path.write_bytes(path.read_bytes().replace(attacks.png_header(30_000, 8_000), larger))
    assert larger in path.read_bytes()
    without(monkeypatch, "max_pixels")
    with pytest.raises(MediaError):
        frames_of(path)


CODECS = {
    "h264": "-c:v libx264 -preset ultrafast in mkv",
    "hevc": "-c:v libx265 -preset ultrafast -x265-params log-level=0 in mp4",
    "vp8": "-c:v libvpx -deadline realtime in webm",
    "vp9": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 in webm",
    "av1": "-c:v libsvtav1 -preset 12 in mkv",
    "mpeg1": "-c:v mpeg1video in mpg",
    "mpeg2": "-c:v mpeg2video in ts",
    "mpeg4": "-c:v mpeg4 in avi",
    "wmv": "-c:v wmv2 in wmv",
    "prores": "-c:v prores_ks -pix_fmt yuv422p10le in mov",
    "mjpeg": "-c:v mjpeg -pix_fmt yuvj420p in avi",
    "jpeg2000": "-c:v jpeg2000 in mov",
    "ffv1": "-c:v ffv1 in mkv",
    "huffyuv": "-c:v huffyuv -pix_fmt yuv422p in avi",
    "theora": "-c:v libtheora in ogv",
    "gif": "-pix_fmt rgb8 in gif",
    "raw": "-c:v rawvideo -pix_fmt yuv420p in nut",
    "flv": "-c:v flv in flv",
}


@pytest.mark.parametrize("codec", CODECS)
def test_the_limit_on_pixels_holds_for_every_decoder(tmp_path_factory, monkeypatch, codec):
    options, suffix = CODECS[codec].split(" in ")
    path = tmp_path_factory.mktemp("codec") / f"a.{suffix}"
    encoder = options.split()[1]
    if encoder.startswith("lib") and encoder not in encoders():
        pytest.skip(f"this ffmpeg has no {encoder}")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.12", *options.split(), path)
    assert len(frames_of(path)) == 1
    monkeypatch.setattr(safety, "INPUT_OPTIONS", safety.INPUT_OPTIONS | {"max_pixels": str(320 * 240 - 1)})
    with pytest.raises(MediaError):
        frames_of(path)


def encoders():
    return subprocess.run(
        ["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True, check=True
    ).stdout


def test_a_frame_is_scaled_to_a_bounded_size_whatever_its_shape():
    for width, height in ((1, 30_000), (30_000, 1), (30_000, 8_000)):
        video = VideoStream(index=0, codec="png", width=width, height=height, rotation=0, frames_per_second=1.0)
        assert max(media.scaled_size(video, 256)) <= 256 * frames.MAX_ASPECT


@protections
@pytest.mark.parametrize("suffix", ["mkv", "mov", "ts"])
def test_a_file_of_many_streams_is_refused(tmp_path, monkeypatch, suffix, protected):
    path = tmp_path / f"a.{suffix}"
    codec = ["-c:a", "mp2", "-b:a", "32k"] if suffix == "ts" else ["-c:a", "pcm_s16le"]
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.1:r=16000", *(["-map", "0:a"] * (safety.MAX_STREAMS + 6)), *codec, path)
    if protected:
        with pytest.raises(MediaError, match="streams"):
            media.probe(path)
    else:
        without(monkeypatch, "max_streams")
        assert media.probe(path).audio is not None


def fragment_that_claims(path, num_samples):
    """A fragment of an MP4 whose 20 bytes claim millions of frames: the index of them is built in memory."""
    clip = path.with_name("whole.mp4")
    fragmented = ("-movflags", "empty_moov+default_base_moof+frag_keyframe")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "-c:v", "mpeg4", *fragmented, clip)
    tree = attacks.atoms(clip.read_bytes())
    run = attacks.atom(tree, b"moof", b"traf", b"trun")
    offset = struct.unpack_from(">i", run[1], 8)[0]
    run[1] = struct.pack(">IIi", 1, num_samples, offset)
    path.write_bytes(attacks.joined(tree))
    return path


def samples_of_a_byte(path, num_samples):
    """A MOV whose table of samples claims as many frames of one byte each."""
    clip = path.with_name("whole.mov")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", clip)
    tree = attacks.atoms(clip.read_bytes())
    table = attacks.atom(tree, b"moov", b"trak", b"mdia", b"minf", b"stbl")[1]
    attacks.atom(table, b"stsz")[1] = struct.pack(">III", 0, 1, num_samples)
    attacks.atom(table, b"stts")[1] = struct.pack(">IIII", 0, 1, num_samples, 1)
    attacks.atom(table, b"stsc")[1] = struct.pack(">IIIII", 0, 1, 1, num_samples, 1)
    chunks = attacks.atom(table, b"stco")
    chunks[1] = struct.pack(">II", 0, 1) + chunks[1][8:12]
    path.write_bytes(attacks.joined(tree) + bytes(1000))
    return path


@protections
@pytest.mark.parametrize("bomb", [fragment_that_claims, samples_of_a_byte], ids=["fragment", "samples"])
def test_an_index_that_swells_gets_no_more_memory_than_its_limit(tmp_path, monkeypatch, bomb, protected):
    """14 kB for 350 MiB here; with as many claimed as fit it were gigabytes."""
    path = bomb(tmp_path / "bomb.mp4", 12_000_000)
    monkeypatch.setattr(safety, "MEMORY_LIMIT_BYTES", 200 * MIB)
    if protected:
        with pytest.raises(MediaError):
            media.probe(path)
    else:
        monkeypatch.setattr(safety, "process_limits", lambda _: {})
        assert media.probe(path).video is not None


@protections
@pytest.mark.parametrize("program", ["ffprobe", "ffmpeg"])
def test_a_single_allocation_is_bounded(tmp_path, monkeypatch, program, protected):
    """Nothing is behind the index, so ffmpeg fails either way; only with an index it looks for a picture."""
    path = samples_of_a_byte(tmp_path / "bomb.mp4", 12_000_000)
    limit = str(safety.MAX_ALLOCATION_BYTES)
    assert int(limit) <= 1 << 30
    smaller = tuple(str(100 * MIB) if part == limit else part for part in safety.GLOBAL_OPTIONS)
    monkeypatch.setattr(safety, "GLOBAL_OPTIONS", smaller if protected else safety.GLOBAL_OPTIONS)
    try:
        media.probe(path) if program == "ffprobe" else frames_of(path)
        told = ""
    except MediaError as error:
        told = error.message
    if program == "ffprobe":
        assert bool(told) is protected
    else:
        assert ("No JPEG data found" in told) is not protected


@protections
def test_millions_of_packets_are_refused_and_not_kept(tmp_path, monkeypatch, protected):
    path = samples_of_a_byte(tmp_path / "bomb.mov", 1_000_000)
    info = media.probe(path)
    monkeypatch.setattr(safety, "MAX_PACKETS", 5_000 if protected else 1 << 24)
    if protected:
        with pytest.raises(MediaError, match="more than 5000 pictures"):
            media.frame_times(path, info)
    else:
        assert media.frame_times(path, info).times_us.size > 5_000


def slow_film(path):
    """A progressive JPEG of 1 MB with thousands of scans, each of which passes over 67 million pixels."""
    packed = io.BytesIO()
    Image.new("L", (8192, 8192)).save(packed, "JPEG", progressive=True, quality=10)
    return attacks.film_of(path, attacks.with_scans(packed.getvalue(), 6_000), "mjpeg")


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return slow_film(tmp_path_factory.mktemp("slow") / "slow.mkv")


@pytest.mark.slow
def test_a_film_that_takes_minutes_a_frame_hangs_ffmpeg(slow):
    """That the next test is about an attack: SIGTERM would not even end it."""
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["ffmpeg", "-v", "error", "-i", slow, "-f", "null", "-"], timeout=5, check=False)


@pytest.mark.parametrize("reader", ["read_pass", "read_frames"])
def test_a_film_that_takes_minutes_a_frame_is_given_up(slow, monkeypatch, reader):
    info = media.probe(slow)
    monkeypatch.setattr(decode, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(frames, "DECODE_TIMEOUT_S", 0.5)
    read = {
        "read_pass": lambda: media.read_pass(slow, info, short_side=64),
        "read_frames": lambda: media.read_frames(slow, info, [0], short_side=64),
    }
    began = time.monotonic()
    with pytest.raises(MediaError, match="takes too long"):
        list(read[reader]())
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_a_real_film_of_large_frames_is_within_the_limits(tmp_path):
    """8192 x 4320, what the largest cameras give."""
    path = make_clip(tmp_path / "large.mp4", frames=3, size=(8192, 4320))
    info = media.probe(path)
    assert info.kind is MediaKind.VIDEO
    assert len(list(media.read_pass(path, info, short_side=64))) == 1
