"""Make the footage that indexing is measured on: ten files of 60 s, 1280 x 720 at 25 Hz, of three kinds.

    python -m benchmarks.footage CLIPS OUT [--files 10] [--seconds 60] [--kinds k2 k10 prores]

CLIPS is a folder of short videos with sound; they are scaled, given a little film grain (so that the bit rate is
that of real footage, about 5 Mbit/s) and joined. OUT/k2 has a keyframe every 2 s, OUT/k10 every 10 s, both H.264
with AAC in MP4; OUT/prores is ProRes 422 LT with PCM in MOV. What is there already is kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

RATE = 25
CLIP_S = 3  # at least, of each clip
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-sc_threshold", "0", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "128k"]
KINDS = {
    "k2": ("mp4", [*H264, "-g", str(2 * RATE), *AAC]),
    "k10": ("mp4", [*H264, "-g", str(10 * RATE), *AAC]),
    "prores": ("mov", ["-c:v", "prores_ks", "-profile:v", "lt", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le"]),
}


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seconds", type=int, default=60, help="of each file")
    arguments = parser.parse_args()
    clips, of_file = sorted(arguments.clips.rglob("*.mp4")), arguments.seconds // CLIP_S + 1
    if len(clips) < of_file:
        parser.error(f"{arguments.clips}: holds {len(clips)} clips, {of_file} are needed.")
    for number in range(arguments.files):
        start = number * (len(clips) - of_file) // max(arguments.files - 1, 1)
        targets = {kind: arguments.out / kind / f"film{number}.{KINDS[kind][0]}" for kind in arguments.kinds}
        make(clips[start : start + of_file], targets, arguments.seconds)


def make(clips: list[Path], targets: dict[str, Path], seconds: int) -> None:
    """Write one film in each kind that is not there yet, out of one decoding."""
    missing = {kind: target for kind, target in targets.items() if not target.exists()}
    if not missing:
        return
    inputs = [part for clip in clips for part in ("-i", f"file:{clip}")]
    shape = f"scale=1280:720:force_original_aspect_ratio=increase,crop=1280:720,fps={RATE},setsar=1"
    chains = [
        f"[{number}:v]{shape},noise=alls=6:allf=t[v{number}];[{number}:a]aresample=48000[a{number}]"
        for number in range(len(clips))
    ]
    joined = "".join(f"[v{number}][a{number}]" for number in range(len(clips)))
    copies = len(missing)
    split_video = f"[v]split={copies}" + "".join(f"[v_{kind}]" for kind in missing)
    split_audio = f"[a]asplit={copies}" + "".join(f"[a_{kind}]" for kind in missing)
    graph = ";".join([*chains, f"{joined}concat=n={len(clips)}:v=1:a=1[v][a]", split_video, split_audio])
    outputs: list[str] = []
    for kind, target in missing.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        mapped = ["-map", f"[v_{kind}]", "-map", f"[a_{kind}]", "-t", str(seconds)]
        outputs += [*mapped, *KINDS[kind][1], str(target.with_stem(f".{target.stem}"))]
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *inputs, "-filter_complex", graph, *outputs]
    subprocess.run(command, check=True)
    for target in missing.values():
        target.with_stem(f".{target.stem}").rename(target)
        sys.stderr.write(f"{target}\n")


if __name__ == "__main__":
    main()
