"""Truth here: a map whose highest place is known, and colours read back from the picture."""

import base64
import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from avsearch.evaluation.page.heat import ITEMS_SHOWN, _drawn_pairs, heat_pairs, overlay, shares_of
from avsearch.front_end import FrontEnd
from avsearch.localize.drawing import COLOUR_MAP
from tests.media.clips import make_clip

LABELS = ["bell", "bird", "car", "dog", "bell", "bird"]


class Pointing:
    """A localizer that answers one corner, the more the louder a sound is at a low frequency."""

    front_end = FrontEnd(image_side=48, short_side=64, window=960, hop=960, n_fft=1024, num_bands=48)

    def __init__(self):
        self.asked = []

    def answers(self, frames, sounds):
        self.asked.append((frames.shape, [sound.shape for sound in sounds]))
        answers = np.zeros((2, 1, 4, -(-frames.shape[2] // 16)), np.float32)
        answers[:, 0, 0, -1] = [2.0, 1.0]
        return list(answers)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=75, seconds=3)


def picture(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.slow
def test_items_of_different_labels_are_asked_with_their_own_and_a_foreign_sound(evaluation_of, clip):
    evaluation = evaluation_of(LABELS, paths=[clip] * 6)
    pairs = heat_pairs(evaluation, Pointing(), seed=0)
    assert len(pairs) == ITEMS_SHOWN
    assert {pair.seen.labels for pair in pairs} == {("bell",), ("bird",), ("car",), ("dog",)}
    assert all(pair.seen.labels != pair.heard.labels and not pair.failure for pair in pairs)


@pytest.mark.slow
def test_peaks_and_scale_are_those_of_the_map(evaluation_of, clip):
    localizer = Pointing()
    pair = heat_pairs(evaluation_of(LABELS, paths=[clip] * 6), localizer, seed=0)[0]
    frames, waveforms = localizer.asked[0]
    assert frames == (1, 64, 85, 3)
    assert waveforms == [(1, 48_000)] * 2
    assert pair.own_peak == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert pair.other_peak == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert (pair.lowest, pair.highest) == pytest.approx((0.5, pair.own_peak))
    assert picture(pair.own).shape == picture(pair.frame).shape


def test_the_seed_draws_the_items(evaluation_of):
    evaluation = evaluation_of(LABELS * 4)
    names = [[image.name for image, _ in _drawn_pairs(evaluation, seed)] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    foreign = {other.name for _, (_, other) in _drawn_pairs(evaluation, 0)}
    assert len(foreign) > 1


def test_a_clip_that_is_gone_is_said_and_one_class_alone_has_no_pairs(evaluation_of):
    (pair, *_) = heat_pairs(evaluation_of(LABELS), Pointing(), seed=0)
    assert "there is no such file" in pair.failure
    assert "/nowhere" not in pair.failure
    assert heat_pairs(evaluation_of(["bell"] * 4), Pointing(), seed=0) == []


def test_the_map_is_bright_where_it_is_high_and_ringed_there():
    shares = np.zeros((6, 8))
    shares[1, 6] = 1.0
    shown = overlay(np.full((96, 128, 3), 128, np.uint8), shares).astype(int)
    times = len(shown) // 96
    dark, bright = (np.array(mpl.colormaps[COLOUR_MAP](end)[:3]) * 255 for end in (0.0, 1.0))
    mixed = [0.62 * colour + 0.38 * 128 for colour in (dark, bright)]
    assert shown[-1, 0] == pytest.approx(mixed[0], abs=3)
    assert shown[24 * times, 104 * times] == pytest.approx(mixed[1], abs=8)
    ring = shown[24 * times, 104 * times : 104 * times + 16]
    assert (ring.min(axis=1) > 240).any()
    assert (ring.max(axis=1) < 15).any()


def test_both_maps_share_a_scale():
    shares = shares_of(np.array([[[-3.0, 1.0]], [[0.0, -1.0]]], np.float32))
    assert shares.tolist() == [[[0.0, 1.0]], [[0.75, 0.5]]]
    assert shares_of(np.full((2, 1, 1), 7.0)).tolist() == [[[0.0]], [[0.0]]]
