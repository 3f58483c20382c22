"""Machines that are not there: programs on a path of their own, and packages as their metadata would have it."""

import os
import stat
from pathlib import Path

FFMPEG = """
case "$*" in
  *-version*) echo "ffmpeg version {version} Copyright" ;;
  *-decoders*) for name in {decoders}; do echo " V....D $name  A decoder (codec of$name)"; done ;;
  *-encoders*) for name in {encoders}; do echo " V....D $name  An encoder"; done ;;
esac
"""
DECODERS = "h264 aac mjpeg pcm_s16le hevc vp9 av1 mpeg4 prores dnxhd mp3 flac opus vorbis"


def program(folder, name, script):
    """A shell script under the name of a program."""
    path = Path(folder) / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def tools(folder, *, version="5.1.9-0+deb12u1", decoders=DECODERS, encoders="libx264 aac"):
    """A folder with an ffmpeg and an ffprobe of their own."""
    for name in ("ffmpeg", "ffprobe"):
        program(folder, name, FFMPEG.format(version=version, decoders=decoders, encoders=encoders))


def wheel(folder, name, version, *requires, modules=()):
    """The metadata of an installed distribution, and empty modules of it."""
    info = Path(folder) / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Requires-Python: >=3.11,<3.15"]
    info.joinpath("METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {it}" for it in requires)]) + "\n")
    for module, text in modules:
        Path(folder, module).write_text(text)


def python_path(*folders):
    """The sources of the tests, behind others."""
    root = Path(__file__).parents[2]
    return os.pathsep.join(map(str, (*folders, root)))
