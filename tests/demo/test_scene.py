import itertools

import numpy as np
import pytest

from avsearch.demo.plan import ClipPlan, plan_clip, plan_collection
from avsearch.demo.scene import compose_scene
from avsearch.demo.synthesis import record_sound
from avsearch.moments import Box

ALONE = [plan_clip(kind, 0, seed=11) for kind in ("bell", "flute", "rain", "car")]
BESIDE = [plan for plan in plan_collection(8, seed=5) if plan.silent is not None][::3]


def scene_of(plan: ClipPlan):
    return compose_scene(plan, record_sound(plan.kind, plan.sound_rng(), seconds=3.0).activity(plan.frame_times_s))


def changed_by_the_object(scene):
    """(H, W) bool: pixels that differ in any frame between the scene with and without the sounding object."""
    pairs = zip(scene.frames(), scene.empty_frames(), strict=True)
    return np.any([np.any(with_object != without, axis=2) for with_object, without in pairs], axis=0)


@pytest.mark.parametrize("plan", ALONE + BESIDE, ids=lambda plan: plan.name)
def test_the_box_is_exactly_where_the_object_is_drawn(plan):
    scene = scene_of(plan)
    changed = changed_by_the_object(scene)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    width, height = plan.size
    drawn = np.array([columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height])
    box = np.array([float(number) for number in str(scene.box).split(",")])
    slack = np.array([1.5 / width, 1.5 / height])  # a pixel of an outline so thin that it leaves no trace
    assert np.all(box[:2] <= drawn[:2] + 1e-4)
    assert np.all(box[2:] >= drawn[2:] - 1e-4)
    assert np.all(np.abs(box - drawn) <= np.tile(slack, 2))


@pytest.mark.parametrize("plan", ALONE, ids=lambda plan: plan.name)
def test_the_object_lies_in_the_middle_square_and_fills_a_good_part_of_it(plan):
    scene, short = scene_of(plan), min(plan.size)
    box = np.array([scene.box.left, scene.box.top, scene.box.right, scene.box.bottom]) * (plan.size * 2)
    from_middle = np.abs(box - np.tile(np.array(plan.size) / 2, 2))
    assert from_middle.max() <= short / 2
    assert 0.28 < max(box[2] - box[0], box[3] - box[1]) / short < 0.57


@pytest.mark.parametrize("plan", BESIDE, ids=lambda plan: plan.name)
def test_a_silent_object_is_smaller_stands_still_and_keeps_its_distance(plan):
    scene = scene_of(plan)
    sprite, middle = scene.silent
    reach = np.array(sprite.getbbox()) - np.tile(np.array(sprite.size) // 2, 2) + np.tile(middle, 2)
    box = scene.pixel_box
    assert max(reach[2:] - reach[:2]) < max(box[2:] - box[:2])
    overlap = np.minimum(reach[2:], box[2:]) - np.maximum(reach[:2], box[:2])
    assert overlap.min() <= 2


def test_silent_objects_are_mostly_large_enough_to_be_seen():
    parts = []
    for plan in BESIDE:
        left, top, right, bottom = scene_of(plan).silent[0].getbbox()
        parts.append(max(right - left, bottom - top) / min(plan.size))
    assert np.median(parts) > 0.17


def test_the_same_seed_gives_the_same_pixels_and_another_gives_others():
    first, again, other = (np.stack(list(scene_of(plan_clip("dog", 2, seed=s)).frames())) for s in (4, 4, 5))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_frames_are_as_many_and_as_large_as_planned():
    plan = ALONE[0]
    frames = list(scene_of(plan).frames())
    assert len(frames) == len(plan.frame_times_s) == round(3 * plan.frames_per_second)
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((plan.size[1], plan.size[0], 3), "uint8")}


def test_pictures_move():
    frames = [frame.astype(int) for frame in scene_of(ALONE[3]).frames()]
    assert sum(np.abs(b - a).mean() > 0.1 for a, b in itertools.pairwise(frames)) > len(frames) / 4


def test_a_box_outside_the_frame_is_refused():
    with pytest.raises(ValueError, match="within the frame"):
        Box(0.2, 0.2, 1.1, 0.5)
