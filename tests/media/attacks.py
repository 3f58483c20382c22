"""Files that attack whoever reads them, and the means to see that an attack succeeds: decoys and listeners.

Nothing here leaves the machine: the only addresses are listeners on 127.0.0.1 that a test starts itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading
import zlib
from dataclasses import replace
from pathlib import Path

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.moments import AudioStream, MediaInfo, MediaKind, VideoStream
from tests.media.clips import ffmpeg, make_clip

EVERY_PROTOCOL = "file,http,tcp,udp,rtp,crypto,data,subfile,concat,unix"
_VIDEO = VideoStream(index=0, codec="h264", width=320, height=240, rotation=0, frames_per_second=25.0)
_AUDIO = AudioStream(index=1, ordinal=0, codec="aac", sample_rate_hz=48_000, num_channels=1, is_default=True)
PRETENDED = MediaInfo(MediaKind.VIDEO, 2_000_000, 0, "mov", _VIDEO, _AUDIO)
"""What an attacker would want to be believed, so that a test goes past `probe`."""
PRETENDED_PICTURES = replace(PRETENDED, audio=None)

READERS = {
    "probe": media.probe,
    "frame_times": lambda path: media.frame_times(path, PRETENDED),
    "read_frames": lambda path: list(media.read_frames(path, PRETENDED, [0, 400_000], short_side=64)),
    "read_intra_frames": lambda path: list(media.read_intra_frames(path, PRETENDED, [0, 400_000], short_side=64)),
    "read_pass": lambda path: list(media.read_pass(path, PRETENDED, short_side=64)),
    "sound_seconds": lambda path: list(media.sound_seconds(path, PRETENDED)),
}
"""Each way in which avsearch reads a file; `probe` is not the only one that must be safe."""


def refusals(path):
    """The errors with which every reader refuses a file, by the reader's name; "" where it does not."""
    told = {}
    for name, read in READERS.items():
        try:
            read(path)
            told[name] = ""
        except MediaError as error:
            told[name] = error.message
    return told


def disarm(monkeypatch, **input_options):
    """Take away what keeps ffmpeg from other files; `input_options` is all that is left."""
    monkeypatch.setattr(safety, "INPUT_OPTIONS", input_options)


@contextlib.contextmanager
def opened_names(folder):
    """A set that holds, after the block, the names in a folder that anybody opened meanwhile (inotify)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert descriptor >= 0
    assert libc.inotify_add_watch(descriptor, os.fsencode(folder), 0x20) >= 0  # IN_OPEN
    names = set()
    try:
        yield names
        with contextlib.suppress(BlockingIOError):
            while events := os.read(descriptor, 1 << 16):
                names.update(_names(events))
    finally:
        os.close(descriptor)


def _names(events):
    while events:
        _, _, _, length = struct.unpack("iIII", events[:16])
        yield os.fsdecode(events[16 : 16 + length].rstrip(b"\0"))
        events = events[16 + length :]


@contextlib.contextmanager
def listener():
    """(port on 127.0.0.1, list of what callers said first): nobody should ever call."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller:
                        caller.settimeout(2)
                        heard.append(caller.recv(100))

        threading.Thread(target=answer, daemon=True).start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.shutdown(socket.SHUT_RDWR)


def hls(path, target):
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n")


def ffconcat(path, target):
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n")


def dash(path, target):
    path.write_text(
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S" minBufferTime="PT1S" '
        'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period duration="PT2S"><AdaptationSet mimeType="video/mp4" contentType="video">'
        '<Representation id="0" bandwidth="100000" codecs="avc1.64000c">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>\n"
    )


def vobsub(path, target):
    """Subtitles whose pictures ffmpeg looks for in a file of the same name that ends in .sub."""
    Path(target).rename(path.with_suffix(".sub"))
    path.write_text(
        "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\n"
        "timestamp: 00:00:00:000, filepos: 000000000\n"
    )


def sdp(path, target):
    path.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {target} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


def atoms(content):
    """The atoms of an MP4 as [name, bytes or atoms], those that lead to the samples opened up."""
    found, at = [], 0
    while at < len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + size]
        is_opened = name in {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"moof", b"traf"}
        found.append([name, atoms(body) if is_opened else body])
        at += size
    return found


def joined(tree):
    """`atoms` undone."""
    parts = [(name, joined(body) if isinstance(body, list) else body) for name, body in tree]
    return b"".join(struct.pack(">I4s", len(body) + 8, name) + body for name, body in parts)


def atom(tree, *names):
    """The first atom at a path of names."""
    for entry in tree:
        if entry[0] == names[0]:
            return entry if len(names) == 1 else atom(entry[1], *names[1:])
    raise LookupError(names)


def mov_that_refers_to(path, decoy):
    """A QuickTime file whose pictures lie in another file (an `alis` data reference); its own bytes are zeros."""
    tree = atoms(decoy.read_bytes())
    name = os.fsencode(decoy.name)
    record = bytes(10) + b"\0" + bytes(27) + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    record += struct.pack(">HH", 1, 1) + bytes(16) + struct.pack(">HH", 2, len(name) + len(name) % 2)
    record += name + b"\0" * (len(name) % 2) + struct.pack(">hH", -1, 0)
    reference = struct.pack(">I4sI", len(record) + 12, b"alis", 0) + record
    atom(tree, b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")[1] = struct.pack(">II", 0, 1) + reference
    atom(tree, b"mdat")[1] = bytes(len(atom(tree, b"mdat")[1]))
    path.write_bytes(joined(tree))


def matroska_that_names_the_next(path, decoy):
    """A Matroska file whose header names another one as its continuation, in the place of its writer's name."""
    ffmpeg("-i", decoy, "-c", "copy", path)
    content = path.read_bytes()
    at = content.index(b"\x4d\x80")  # MuxingApp: two bytes, the length, the text
    length = content[at + 2] & 0x7F
    name = os.fsencode(decoy.name)[: length - 1].ljust(length - 1, b"\0")
    element = b"\x3e\x83\xbb" + bytes([0x80 | length - 1]) + name
    path.write_bytes(content[:at] + element + content[at + 3 + length :])


def avi_with_playlist_subtitles(path, target):
    """An AVI with a subtitle stream (GAB2) that holds a playlist instead of subtitles."""
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n".encode()
    gab2 = b"GAB2\0\2\0" + struct.pack("<I", 2) + b"x\0" + struct.pack("<HI", 4, len(playlist)) + playlist
    header = b"txts" + bytes(44)
    stream = _chunk(b"strh", header) + _chunk(b"strf", b"")
    main = struct.pack("<14I", 40_000, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    headers = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", main) + _chunk(b"LIST", b"strl" + stream))
    path.write_bytes(_chunk(b"RIFF", b"AVI " + headers + _chunk(b"LIST", b"movi" + _chunk(b"00tx", gab2))))


def _chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def png(width, height):
    """The bytes of a black PNG of one bit a pixel: 30,000 x 8,000 pixels are 30 kB."""
    row = bytes((width + 7) // 8 + 1)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + png_header(width, height) + _part(b"IDAT", pixels) + _part(b"IEND", b"")


def png_header(width, height):
    """The part of a PNG that says how large it is."""
    return _part(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))


def _part(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_scans(jpeg, count):
    """A progressive JPEG with its last tables and scan repeated: 122 bytes that pass over all its pixels."""
    starts = [at for at in range(len(jpeg) - 1) if jpeg[at] == 0xFF and jpeg[at + 1] in {0xC4, 0xDA}]
    return jpeg[:-2] + jpeg[starts[-2] : -2] * count + jpeg[-2:]


def film_of(path, picture, demuxer):
    """A film with one frame, that picture, not decoded."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", demuxer, "-i", "pipe:0", "-c", "copy", str(path)],
        input=picture,
        check=True,
    )
    return path


def decoy_clip(folder):
    """A clip, and the same in MPEG-TS, that nobody has any business to open."""
    clip = make_clip(folder / "decoy.mp4", seconds=2)
    ffmpeg("-i", clip, "-c", "copy", folder / "decoy.ts")
    return clip
