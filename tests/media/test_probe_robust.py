"""The probe against files of other projects' test suites; truth is files.csv, made by ffprobe 5.1 and a decode."""

import csv
from fractions import Fraction

import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media.probe import examine

pytestmark = pytest.mark.slow

NOT_SQUARE = {
    "mmaction2__demo.mp4": (427, 256),
    "mediabunny__edts.mp4": (853, 480),
}  # 320:256 and 1279:1280, by hand
NOT_DECODED_HERE = {  # a newer ffmpeg may well read these
    "media__sample_vvc.mp4": "its pictures are coded as vvc1, which this ffmpeg cannot decode",
    "media__sample_ac4.mp4": "its sounds are coded as ac-4, which this ffmpeg cannot decode",
    "media__sample_fpcm_64le.mp4": "its sounds are coded as fpcm, which this ffmpeg cannot decode",
    "media__sample_iamf.mp4": "its sounds are coded as iamf, which this ffmpeg cannot decode",
    "mp4parse-rust__sine-3s-xhe-aac-44khz-mono.mp4": "is coded in a way that this ffmpeg cannot decode",
}
FAILING = {
    "media__sample_malformed_free_box.mp4": "was cut off or never finished: its index is missing",
    "media__sample_fragmented_clearkey.mp4": "is encrypted",
    "small__FlashVideo.flv": "ends before its header does",
    "small__Mpeg4.mp4": "has a header, but no pictures or sound follow",
    "small__WindowsMediaVideo.wmv": "has a header, but no pictures or sound follow",
    "mp4parse-rust__chunk_out_of_range.mp4": "its header is damaged",
    "mp4parse-rust__short-cenc.mp4": "its pictures are encrypted. Its sounds are encrypted",
    "mp4parse-rust__invalid_userdata.mp4": "has a header, but no pictures or sound follow",
}


@pytest.fixture(scope="module")
def rows(shared_data):
    """(path, row) of every file."""
    with (shared_data / "robust" / "files.csv").open() as file:
        return [(shared_data / "robust" / row["path"], row) for row in csv.DictReader(file)]


def is_sound(row):
    """Whether ffmpeg decoded all of it without a word."""
    whole = (row["ffmpeg51_exit"], row["ffmpeg51_messages"]) == ("0", "0")
    return whole and row["group"] != "damaged_or_odd"


def what_differs(path, row):
    """What the probe says otherwise than files.csv."""
    info = media.probe(path)
    if abs(info.duration_us - float(row["seconds"]) * 1e6) > 1:
        yield f"{path.name}: {info.duration_us} us, not {row['seconds']} s"
    video = info.video and (info.video.codec, *coded_size(path, info.video), info.video.rotation)
    if video != expected_video(path, row):
        yield f"{path.name}: {video}, not {row['video']} turned {row['rotation']}"
    audio = info.audio and (info.audio.codec, info.audio.sample_rate_hz, info.audio.num_channels)
    if audio != expected_audio(row):
        yield f"{path.name}: {audio}, not {row['audio']}"
    if info.video and info.video.frames_per_second > Fraction(row["video"].split("@")[1]) + 1e-9:
        yield f"{path.name}: {info.video.frames_per_second} frames a second, not {row['video']}"


def coded_size(path, video):
    """The size as coded, which is the displayed one turned back; where pixels are not square, as by hand."""
    size = (video.height, video.width) if video.rotation in {90, 270} else (video.width, video.height)
    return "not square" if size == NOT_SQUARE.get(path.name) else size


def expected_video(path, row):
    if not row["video"]:
        return None
    codec, rest = row["video"].split()
    width, height = map(int, rest.split("@")[0].split("x"))
    size = "not square" if path.name in NOT_SQUARE else (width, height)
    counter_clockwise = int(row["rotation"] or 0)
    return (codec, *size, -counter_clockwise % 360)


def expected_audio(row):
    if not row["audio"]:
        return None
    codec, rate, channels = row["audio"].split("+")[0].split()
    return codec, int(rate.removesuffix("Hz")), int(channels.removesuffix("ch"))


def reason_of(path):
    """Why a file cannot be probed; None if it can be."""
    try:
        media.probe(path)
    except MediaError as error:
        return error.message.removeprefix(f"{path}: ") if error.hint else "nothing is said about what to do"
    return None


def test_the_probe_agrees_with_what_is_known_of_every_whole_file(rows):
    whole = [(path, row) for path, row in rows if is_sound(row)]
    assert len(whole) >= 45
    assert [difference for path, row in whole for difference in what_differs(path, row)] == []


def test_every_other_file_is_probed_or_fails_with_a_reason_of_its_own(rows):
    reasons = {path.name: reason for path, _ in rows if (reason := reason_of(path))}
    expected = FAILING | {name: reason for name, reason in NOT_DECODED_HERE.items() if name in reasons}
    assert reasons.keys() == expected.keys()
    assert {name: reason for name, reason in reasons.items() if not reason.startswith(expected[name])} == {}


def test_a_stream_of_sound_without_a_description_is_left_out_aloud(shared_data):
    examined = examine(shared_data / "robust" / "damaged_or_odd" / "media__sample_missing_stsd.mp4")
    assert examined.info.video is not None
    assert examined.left_out == ("Its sounds are coded in a way that the header does not name.",)
