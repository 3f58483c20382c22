"""Which streams are read, and what people are told of those that cannot be."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.media.probe import examine
from avsearch.media.streams import choose_streams
from avsearch.moments import MediaKind
from tests.media.clips import ffmpeg, make_clip, number_of, tone_of, tones, write_wav

KEY = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"]
KEY += ["-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"]


def patched(path, old, new, *, times=1):
    """The file with some bytes replaced by as many others."""
    content = path.read_bytes()
    assert len(old) == len(new)
    assert content.count(old) >= times
    path.write_bytes(content.replace(old, new, times))
    return path


def without_sound_decoder(path):
    """An MP4 whose first stream of AAC claims to be AC-4, which ffmpeg cannot decode."""
    return patched(patched(path, b"mp4a\0\0\0\0", b"ac-4\0\0\0\0"), b"esds", b"free")


def film(path, *options):
    return make_clip(path, frames=50, seconds=2, options=["-c:a", "aac", *options])


def test_pictures_without_a_decoder_are_left_out_and_the_sound_is_read(tmp_path):
    clip = patched(film(tmp_path / "a.mp4"), b"avc1\0\0\0\0", b"vvx1\0\0\0\0")
    examined = examine(clip)
    assert examined.left_out == ("Its pictures are coded as vvx1, which this ffmpeg cannot decode.",)
    assert (examined.info.kind, examined.info.video) == (MediaKind.VIDEO, None)
    assert tone_of(next(media.sound_seconds(clip, examined.info)).waveform[4000:44000]) == pytest.approx(300, abs=3)


def test_sound_without_a_decoder_is_left_out_and_the_pictures_are_read(tmp_path):
    examined = examine(clip := without_sound_decoder(film(tmp_path / "a.mp4")))
    assert examined.left_out == ("Its sounds are coded as ac-4, which this ffmpeg cannot decode.",)
    assert examined.info.audio is None
    (frame,) = media.read_frames(clip, examined.info, [7 * 40_000], short_side=64)
    assert number_of(frame.rgb) == 7


def test_an_ordinary_file_has_nothing_left_out(tmp_path):
    clip = film(tmp_path / "a.mp4")
    assert examine(clip).left_out == ()
    assert examine(clip).info == media.probe(clip)


def test_a_silent_film_has_nothing_left_out(tmp_path):
    assert examine(make_clip(tmp_path / "a.mp4")).left_out == ()


def test_a_file_of_which_nothing_can_be_decoded_names_both_reasons(tmp_path):
    clip = without_sound_decoder(film(tmp_path / "a.mp4"))
    patched(clip, b"avc1\0\0\0\0", b"vvx1\0\0\0\0")
    with pytest.raises(MediaError) as caught:
        media.probe(clip)
    assert caught.value.message == (
        f"{clip}: its pictures are coded as vvx1, which this ffmpeg cannot decode. "
        "Its sounds are coded as ac-4, which this ffmpeg cannot decode."
    )


def test_of_two_streams_of_sound_the_one_that_can_be_decoded_is_read(tmp_path):
    low = write_wav(tmp_path / "low.wav", tones(1))
    high = write_wav(tmp_path / "high.wav", tones(2)[48_000:])
    clip = tmp_path / "two.mp4"
    ffmpeg("-i", low, "-i", high, "-map", "0", "-map", "1", "-c:a", "aac", clip)
    without_sound_decoder(clip)
    info = media.probe(clip)
    assert info.audio.ordinal == 1
    assert tone_of(media.read_sound(clip, info, media.sound.Span(0, 900_000))[4000:40000]) == pytest.approx(
        600, abs=3
    )
    with pytest.raises(MediaError, match="the sounds of stream 0 are coded as ac-4"):
        media.probe(clip, audio_stream=0)


def test_an_encrypted_file_is_no_noise_to_be_indexed(tmp_path):
    clip = film(tmp_path / "a.mp4", *KEY)
    with pytest.raises(MediaError) as caught:
        media.probe(clip)
    assert str(caught.value) == (
        f"{clip}: its pictures are encrypted. Its sounds are encrypted. Get a copy without copy protection."
    )


def test_sound_sold_under_copy_protection_says_so(tmp_path):
    source = write_wav(tmp_path / "a.wav", tones(1))
    ffmpeg("-i", source, "-c:a", "aac", tmp_path / "a.m4a")
    with pytest.raises(MediaError, match="its sounds are encrypted"):
        media.probe(patched(tmp_path / "a.m4a", b"mp4a\0\0\0\0", b"drms\0\0\0\0"))


def test_windows_media_under_copy_protection_says_so(tmp_path):
    ffmpeg("-i", write_wav(tmp_path / "a.wav", tones(1)), tmp_path / "a.wma")
    content = (tmp_path / "a.wma").read_bytes()
    encryption = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")  # [MS-ASF] Content Encryption Object
    extra = encryption + (40).to_bytes(8, "little") + bytes(16)
    size, number = int.from_bytes(content[16:24], "little"), int.from_bytes(content[24:28], "little")
    header = content[:16] + (size + len(extra)).to_bytes(8, "little") + (number + 1).to_bytes(4, "little")
    (tmp_path / "a.wma").write_bytes(header + content[28:size] + extra + content[size:])
    with pytest.raises(MediaError, match="encrypted"):
        media.probe(tmp_path / "a.wma")


def test_a_decoder_that_cannot_begin_is_named(tmp_path):
    clip = film(tmp_path / "a.mp4", "-ac", "1")
    patched(clip, bytes.fromhex("0580808005118856e500"), bytes.fromhex("0580808005f94856e500"))  # xHE-AAC
    with pytest.raises(MediaError, match=r"this ffmpeg cannot decode \(Audio object type 42 is not implemented"):
        media.probe(clip)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("notes.mp4", b"just some words\n" * 100, r"is no media \(.*Invalid data"),
        ("notes.wav", b"just some words\n" * 100, r"is no media, or its first bytes are damaged \(Invalid data"),
        ("noise.mp4", np.random.default_rng(0).bytes(100_000), "is no media"),
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n", r"a playlist, .* \(hls: Format"),
        ("list.mkv", b"ffconcat version 1.0\nfile secret.mp4\n", r"a script .* \(concat: Format not on whitelist"),
    ],
)
def test_what_is_no_media_is_told_apart(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=reason):
        media.probe(tmp_path / name)


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])
    return path


def test_a_file_that_was_cut_off_before_its_index_says_so(tmp_path):
    with pytest.raises(
        MediaError, match=r"was cut off or never finished: its index is missing \(moov atom not found"
    ):
        media.probe(cut(film(tmp_path / "a.mp4"), 9000))


def test_a_file_that_was_cut_off_behind_its_header_says_so(tmp_path):
    clip = film(tmp_path / "a.mp4", "-movflags", "+faststart")
    header = clip.read_bytes().index(b"mdat")
    with pytest.raises(MediaError, match=r"has a header, but no pictures or sound follow \(.*partial file"):
        media.probe(cut(clip, header))


def test_a_file_that_was_cut_off_later_is_read_as_far_as_it_goes(tmp_path):
    clip = film(tmp_path / "a.mp4", "-movflags", "+faststart")
    header = clip.read_bytes().index(b"mdat") + 8
    cut(clip, header + (clip.stat().st_size - header) // 2)
    times_us = media.frame_times(clip, media.probe(clip)).times_us
    assert 10 < times_us.size < 40


def test_a_file_with_nothing_to_see_or_hear_says_what_it_holds(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nwords\n")
    ffmpeg("-i", tmp_path / "a.srt", tmp_path / "a.mkv")
    with pytest.raises(MediaError, match="holds neither pictures nor sound, only subtitle"):
        media.probe(tmp_path / "a.mkv")


def test_a_probe_that_is_cut_short_says_so_and_blames_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "notes.wav").write_text("just some words")
    monkeypatch.setattr(sys.modules["avsearch.media.probe"], "PROBE_TIMEOUT_S", 0.0)
    with pytest.raises(MediaError, match="takes too long"):
        media.probe(tmp_path / "notes.wav")


def test_a_limit_that_was_passed_is_the_reason(tmp_path):
    names = []
    for number in range(safety.MAX_STREAMS + 1):
        names += ["-f", "lavfi", "-i", f"sine=frequency={300 + number}:duration=0.1"]
    maps = [part for number in range(safety.MAX_STREAMS + 1) for part in ("-map", str(number))]
    ffmpeg(*names, *maps, "-c:a", "pcm_s16le", tmp_path / "a.mkv")
    with pytest.raises(MediaError, match=f"it has more than {safety.MAX_STREAMS} streams"):
        media.probe(tmp_path / "a.mkv")


def test_a_probe_is_one_process(tmp_path, monkeypatch):
    clip = film(tmp_path / "a.mp4")
    started = []
    genuine = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda argv, **rest: started.append(argv) or genuine(argv, **rest))
    media.probe(clip)
    assert [argv[0] for argv in started] == ["ffprobe"]


def report(**more):
    stream = {"index": 0, "codec_type": "video", "codec_name": "h264", "width": 320, "height": 240}
    stream |= {"disposition": {"default": 0, "attached_pic": 0}}
    return {"streams": [stream | more]}


def chosen(tmp_path, **more):
    return choose_streams(tmp_path, report(**more), log="", wanted=None).video


def test_an_average_rate_above_the_base_rate_is_not_believed(tmp_path):
    assert chosen(tmp_path, avg_frame_rate="1000/1", r_frame_rate="60/1").frames_per_second == 60
    assert chosen(tmp_path, avg_frame_rate="21/2", r_frame_rate="90000/1").frames_per_second == 10.5
    assert chosen(tmp_path, avg_frame_rate="0/0", r_frame_rate="25/1").frames_per_second == 25
    assert chosen(tmp_path, avg_frame_rate="25/1", r_frame_rate="1/0").frames_per_second == 25
    assert chosen(tmp_path, avg_frame_rate="0/0").frames_per_second == 0


@pytest.mark.parametrize("rotation", [-9223372036854775808, "nan", "inf", "a lot", "1e300"])
def test_an_absurd_rotation_is_none(tmp_path, rotation):
    assert chosen(tmp_path, side_data_list=[{"rotation": rotation}]).rotation == 0
    assert chosen(tmp_path, tags={"rotate": str(rotation)}).rotation == 0


@pytest.mark.parametrize(
    ("matrix", "clockwise"), [(-90, 90), (90, 270), (180, 180), (-180, 180), (0, 0), (-89.7, 90)]
)
def test_ffprobe_counts_rotation_against_the_clock(tmp_path, matrix, clockwise):
    video = chosen(tmp_path, side_data_list=[{"rotation": matrix}])
    assert video.rotation == clockwise
    assert (video.width, video.height) == ((240, 320) if clockwise in {90, 270} else (320, 240))


@pytest.mark.parametrize("aspect", ["1:1000000", "1000000:1", "0:1", "1:0", "x"])
def test_pixels_of_an_absurd_shape_are_square(tmp_path, aspect):
    video = chosen(tmp_path, sample_aspect_ratio=aspect)
    assert (video.width, video.height) == (320, 240)


def test_of_a_film_whose_pictures_alone_are_encrypted_the_sound_is_read(tmp_path):
    told = report()
    told["streams"].append({"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2})
    told["streams"][1] |= {"sample_rate": "48000", "disposition": {"default": 1, "attached_pic": 0}}
    told["packets"] = [
        {"stream_index": 1},
        {"stream_index": 0, "side_data_list": [{"side_data_type": "Encryption info"}]},
    ]
    streams = choose_streams(tmp_path, told, log="", wanted=None)
    assert (streams.video, streams.audio.index) == (None, 1)
    assert streams.left_out == ("Its pictures are encrypted.",)


def test_a_stream_without_a_size_is_left_out(tmp_path):
    with pytest.raises(MediaError, match="its pictures have no size that could be found out"):
        chosen(tmp_path, width=0)


def test_a_stream_that_names_no_coding_says_so(tmp_path):
    with pytest.raises(MediaError, match="coded in a way that the header does not name"):
        chosen(tmp_path, codec_name="unknown", codec_tag_string="[0][0][0][0]")


def test_a_codec_that_this_ffmpeg_was_built_without_is_named(tmp_path):
    with pytest.raises(MediaError, match="coded as h264, which this ffmpeg cannot decode"):
        choose_streams(
            tmp_path, report(), log="[warning] Unsupported codec with id 27 for input stream 0", wanted=None
        )


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_a_missing_ffprobe_says_what_to_install(tmp_path, monkeypatch):
    clip = film(tmp_path / "a.mp4")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MediaError, match="apt-get install ffmpeg"):
        media.probe(clip)
