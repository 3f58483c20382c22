"""Make the demo collection: a folder of short clips, each with one object that sounds, and their manifest.

    DIRECTORY/manifest.csv      one line a clip; written last
    DIRECTORY/collection.json   which collection this is
    DIRECTORY/clips/*.mp4       H.264 and AAC, three seconds each

The manifest's columns, beside `path,labels,split`: `kind` is what sounds (the first label; the second: its family);
`boxes` is where that object is, as `left,top,right,bottom` in fractions of the frame's width and height, over the
whole clip; `silent` is the kind of a second object that is seen and not heard, or empty.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from avsearch.demo.kinds import FAMILY_OF
from avsearch.demo.plan import CLIP_SECONDS, ClipPlan, plan_collection
from avsearch.demo.scene import compose_scene
from avsearch.demo.synthesis import record_sound
from avsearch.errors import UsageError
from avsearch.manifest import LABEL_SEPARATOR, write_manifest
from avsearch.media.write import ASIDE_PREFIX, write_clip
from avsearch.moments import Box, Progress

MANIFEST_NAME = "manifest.csv"
IDENTITY_NAME = "collection.json"
CLIPS_NAME = "clips"
VERSION = 3  # counts up whenever the same seed gives other clips
COLUMNS = ("path", "labels", "split", "kind", "boxes", "silent", "seconds", "width", "height", "fps")


def make_collection(
    directory: Path, *, clips_per_kind: int = 45, seed: int = 0, progress: Progress, num_workers: int = 3
) -> Path:
    """Make the collection in `directory`, or what is still missing of it, and return its manifest.

    A clip depends on its kind, its number and the seed alone. Clips that are there are kept.

    Raises:
        UsageError: the directory holds a collection of another seed, size or version.
        MediaError: ffmpeg is missing or fails.
        ValueError: `clips_per_kind` is too small to fill every split.
    """
    plans = plan_collection(clips_per_kind, seed=seed)
    manifest, clips = directory / MANIFEST_NAME, directory / CLIPS_NAME
    clips.mkdir(parents=True, exist_ok=True)
    _claim(directory, {"version": VERSION, "seed": seed, "clips_per_kind": clips_per_kind})
    if manifest.exists() and all((clips / plan.name).exists() for plan in plans):
        return manifest
    boxes = _make_clips(clips, plans, progress=progress, num_workers=num_workers)
    _publish_manifest(manifest, (_record(plan, boxes[plan]) for plan in plans))
    return manifest


def make_clip(clips: Path, plan: ClipPlan) -> Box:
    """Make one clip, unless it is there already, and return where its sounding object is."""
    recording = record_sound(plan.kind, plan.sound_rng(), seconds=CLIP_SECONDS)
    scene = compose_scene(plan, recording.activity(plan.frame_times_s))
    path = clips / plan.name
    if not path.exists():
        write_clip(path, scene.frames(), recording.waveform, frames_per_second=plan.frames_per_second)
    return scene.box


def _claim(directory: Path, identity: dict[str, int]) -> None:
    """Mark the directory as this collection's, so that no other is ever mixed into it."""
    path = directory / IDENTITY_NAME
    wanted = json.dumps(identity, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != wanted:
        raise UsageError(
            f"{directory}: holds another demo collection than seed {identity['seed']} with "
            f"{identity['clips_per_kind']} clips a kind, version {identity['version']}.",
            hint="Name another folder with --dir, or delete this one.",
        )
    _publish(path, wanted)
    for leftover in (directory / CLIPS_NAME).glob(f"{ASIDE_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _make_clips(
    clips: Path, plans: Sequence[ClipPlan], *, progress: Progress, num_workers: int
) -> dict[ClipPlan, Box]:
    """Threads suffice, one more than two cores: half of the work is ffmpeg's, in processes of its own."""
    progress.stage("make", len(plans), "clip")
    boxes: dict[ClipPlan, Box] = {}
    pool = ThreadPoolExecutor(num_workers)
    try:
        plan_of = {pool.submit(make_clip, clips, plan): plan for plan in plans}
        for done in as_completed(plan_of):
            boxes[plan_of[done]] = done.result()
            progress.advance(1, plan_of[done].kind)
    finally:
        pool.shutdown(cancel_futures=True)
    return boxes


def _record(plan: ClipPlan, box: Box) -> dict[str, str]:
    return {
        "path": f"{CLIPS_NAME}/{plan.name}",
        "labels": LABEL_SEPARATOR.join((plan.kind, FAMILY_OF[plan.kind])),
        "split": plan.split,
        "kind": plan.kind,
        "boxes": str(box),
        "silent": plan.silent or "",
        "seconds": f"{CLIP_SECONDS:g}",
        "width": str(plan.size[0]),
        "height": str(plan.size[1]),
        "fps": str(plan.frames_per_second),
    }


def _publish_manifest(manifest: Path, records: Iterable[dict[str, str]]) -> None:
    aside = manifest.with_name(f"{ASIDE_PREFIX}{manifest.name}")
    write_manifest(aside, COLUMNS, records)
    aside.replace(manifest)


def _publish(path: Path, text: str) -> None:
    aside = path.with_name(f"{ASIDE_PREFIX}{path.name}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
