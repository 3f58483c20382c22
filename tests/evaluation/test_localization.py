"""Truth here: painted pictures, a localizer that only finds paint, counts by hand, scikit-learn."""

import itertools
import math
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from avsearch.encoder import load_encoder
from avsearch.evaluation.correspondence import CorrespondenceJudge
from avsearch.evaluation.drawn import DrawnMoment, Sample, load_items_from_model
from avsearch.evaluation.items import EvaluationSettings
from avsearch.evaluation.localization import Localization, Mismatch, Pointing, TwoPhotos
from avsearch.evaluation.localization_judge import LocalizationJudge, disjoint_pairs, disjoint_partners
from avsearch.evaluation.problems import ProblemKind
from avsearch.localize import localizer_of, peak
from avsearch.manifest import ManifestRow, boxes_of
from avsearch.media import probe, read_frames
from avsearch.models.avol import CosineAVOLNet
from avsearch.moments import Box, Place
from tests.models import tiny
from tests.tiny import make_film

SIDE = 32
SETTINGS = EvaluationSettings(Path("manifest.csv"), seed=3)


def sample(name, colour, *, at=(0, 0), boxes=None, shape=(32, 64), labels=None, **lacking):
    """A black frame with one place of 16 x 16 painted in a colour, 1 to 3; the sound tells the same colour."""
    frame = np.zeros((*shape, 3), np.uint8)
    frame[at[0] * 16 : at[0] * 16 + 16, at[1] * 16 : at[1] * 16 + 16, colour - 1] = 200
    look = np.zeros((SIDE, SIDE, 3), np.uint8)
    look[:16, :16, colour - 1] = 200
    labels = labels or f"colour{colour}"
    columns = {"path": name, "labels": labels} | ({} if boxes is None else {"boxes": boxes})
    sides = {"look": look, "frame": frame, "waveform": np.full(48_000, colour / 10, np.float32)} | lacking
    row = ManifestRow(Path(name), tuple(labels.split(";")), "test", MappingProxyType(columns))
    return Sample(row=row, content=name, moment=DrawnMoment(0, None), **sides)


class FindingPaint:
    """A map of the paint of the colour that is heard: log-odds +4 where all of a place has it, -4 without."""

    def answers(self, frames, sounds):
        return [self.answer(frames, waveforms) for waveforms in sounds]

    def answer(self, frames, waveforms):
        count, height, width, _ = frames.shape
        places = frames.reshape(count, height // 16, 16, width // 16, 16, 3).mean(axis=(2, 4)) / 200
        heard = np.round(waveforms[:, 0] * 10).astype(int)
        pairs = zip(places, heard, strict=True)
        paint = [place[:, :, colour - 1] if colour else 0 * place[:, :, 0] for place, colour in pairs]
        return (8 * np.stack(paint) - 4).astype(np.float32)


class Deaf(FindingPaint):
    """Lights up any paint, whatever is heard."""

    def answer(self, frames, waveforms):
        return np.max([super(Deaf, self).answer(frames, waveforms * 0 + it / 10) for it in (1, 2, 3)], axis=0)


def measured(samples, localizer=None, settings=SETTINGS):
    judge = LocalizationJudge(localizer or FindingPaint(), settings)
    cases = list(judge.take(samples))
    return judge.result(), cases


@pytest.mark.parametrize(
    ("at", "boxes", "hit", "centre_hit"),
    [
        ((0, 3), "0.75,0,1,0.5", True, False),  # the peak is at 7/8 of the width and a quarter of the height
        ((0, 3), "0,0,0.8,1", False, True),
        ((1, 0), "0,0,0.2,0.2; 0.1,0.7,0.13,0.8", True, False),  # in the second box: at 1/8 and 3/4
        ((0, 0), "0.4,0.4,0.6,0.6", False, True),
        ((0, 0), "0,0,1,1", True, True),
        ((1, 1), "0.9,0.9,1,1", False, False),
    ],
)
def test_the_peak_and_the_centre_are_looked_for_in_the_boxes_of_the_whole_frame(at, boxes, hit, centre_hit):
    result, cases = measured([sample("a", 1, at=at, boxes=boxes)])
    assert result.pointing.names == ("a",)
    assert (bool(result.pointing.hits[0]), bool(result.pointing.centre_hits[0])) == (hit, centre_hit)
    assert cases == []


def test_pointing_is_the_part_of_hits_beside_that_of_the_centre():
    samples = [sample(str(column), 1, at=(0, column), boxes="0.25,0,0.75,0.6") for column in range(4)]
    pointing = measured(samples)[0].pointing
    assert (pointing.accuracy, pointing.centre) == (0.5, 1.0)


def test_rows_without_boxes_are_left_out_and_those_that_cannot_be_read_are_named():
    samples = [
        sample("good", 1, boxes="0,0,0.5,0.5"),
        sample("empty", 1, boxes=""),
        sample("none", 1),
        *(
            sample(text, 1, boxes=text)
            for text in ("0,0,1", "a,b,c,d", "0,0,1,1.2", "0.5,0,0.5,1", "nan,0,1,1", "0,0,1,1,1")
        ),
        sample("half", 1, boxes="0,0,1,1;oops"),
    ]
    result, cases = measured(samples)
    assert result.pointing.names == ("good",)
    bad = ["0,0,1", "a,b,c,d", "0,0,1,1.2", "0.5,0,0.5,1", "nan,0,1,1", "0,0,1,1,1", "half"]
    assert cases == [(ProblemKind.BAD_BOXES, name) for name in bad]


def test_without_any_box_there_is_no_pointing_but_the_rest():
    result, _ = measured([sample("a", 1), sample("b", 2)])
    assert result.pointing is None
    assert result.two_photos.accuracy == 1.0
    assert result.record()["pointing"] is None


def test_a_network_that_listens_passes_the_two_photo_test_and_a_deaf_one_is_right_half_of_the_time():
    samples = [sample(f"{colour}{number}", colour) for colour in (1, 2, 3) for number in range(4)]
    heard = measured(samples)[0].two_photos
    assert heard.hits.shape == (6, 2)
    assert heard.hits.all()
    deaf = measured(samples, Deaf())[0].two_photos
    assert deaf.accuracy == 0.5
    assert deaf.hits.tolist() == [[True, False]] * 6  # the first of equals is on the left


def test_two_photos_share_no_label_and_none_is_shown_twice():
    samples = [sample(f"{labels}-{n}", 1, labels=labels) for labels in ("x;y", "y;z", "z", "w") for n in range(3)]
    names = measured(samples)[0].two_photos.names
    shown = list(itertools.chain.from_iterable(names))
    assert len(shown) == len(set(shown)) >= 8
    for left, right in names:
        assert not set(left.split("-")[0].split(";")) & set(right.split("-")[0].split(";"))


def test_the_labels_are_those_of_the_evaluated_column():
    samples = [sample(name, 1) for name in "ab"]
    settings = EvaluationSettings(Path("manifest.csv"), label_column="path")
    assert measured(samples)[0].two_photos is None
    assert measured(samples, settings=settings)[0].two_photos.hits.shape == (1, 2)


def test_the_mismatch_check_of_a_network_that_listens():
    samples = [sample(f"{colour}{number}", colour) for colour in (1, 2) for number in range(3)]
    mismatch = measured(samples)[0].mismatch
    assert mismatch.own.tolist() == [4.0] * 6
    assert mismatch.other.tolist() == mismatch.silence.tolist() == [-4.0] * 6
    assert (mismatch.auc, mismatch.auc_silence) == (1.0, 1.0)
    strong, weak = 1 / (1 + math.exp(-4)), 1 / (1 + math.exp(4))
    assert mismatch.means == pytest.approx((strong, weak, weak))


def test_the_mismatch_check_of_a_deaf_network_is_chance():
    mismatch = measured([sample("a", 1), sample("b", 2)], Deaf())[0].mismatch
    assert (mismatch.auc, mismatch.auc_silence) == (0.5, 0.5)


def test_an_item_whose_piece_holds_no_other_label_has_no_mismatched_sound():
    mismatch = measured([sample("a", 1), sample("b", 1)])[0].mismatch
    assert np.isnan(mismatch.other).all()
    assert mismatch.auc is None
    assert mismatch.means[1] is None
    assert mismatch.auc_silence == 1.0
    assert list(Localization(None, None, mismatch).figures())[-1][2] == "- others, 0.018 silence"


def test_the_areas_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    own, other, silence = (rng.normal(mean, 1, 60).round(1).astype(np.float32) for mean in (1, 0.3, 0))
    other[::7] = np.nan
    mismatch = Mismatch(tuple(map(str, range(60))), own, other, silence)
    known = other[~np.isnan(other)]
    truth = roc_auc_score([1] * 60 + [0] * known.size, np.concatenate([own, known]))
    assert mismatch.auc == pytest.approx(truth, abs=1e-12)
    assert mismatch.auc_silence == pytest.approx(roc_auc_score([1] * 60 + [0] * 60, np.concatenate([own, silence])))


def test_items_that_lack_a_side_take_no_part():
    result, _ = measured([sample("a", 1, boxes="0,0,1,1", waveform=None), sample("b", 2, look=None, frame=None)])
    assert result == Localization(None, None, None)
    assert list(result.figures()) == []


def test_the_same_seed_asks_the_same_and_another_seed_something_else():
    samples = [sample(f"{colour}{number}", colour) for colour in (1, 2, 3) for number in range(4)]

    def pairs(seed):
        return measured(samples, settings=EvaluationSettings(Path("m.csv"), seed=seed))[0].two_photos.names

    assert pairs(1) == pairs(1)
    assert len({pairs(seed) for seed in range(5)}) > 1


def test_pieces_add_up():
    judge = LocalizationJudge(FindingPaint(), SETTINGS)
    for piece in ("ab", "cd"):
        list(judge.take([sample(name, 1 + (name in "bd"), boxes="0,0,1,1") for name in piece]))
    result = judge.result()
    assert sorted(result.mismatch.names) == sorted(result.pointing.names) == list("abcd")
    assert sorted(itertools.chain.from_iterable(result.two_photos.names)) == list("abcd")


def test_partners_are_drawn_evenly_from_all_that_share_no_label():
    labels = [frozenset("a"), frozenset("ab"), frozenset("c"), frozenset("d")]
    rng = np.random.default_rng(0)
    drawn = [disjoint_partners(labels, rng) for _ in range(600)]
    assert {partners[0] for partners in drawn} == {2, 3}
    assert 240 < sum(partners[0] == 2 for partners in drawn) < 360
    assert {partners[2] for partners in drawn} == {0, 1, 3}
    assert disjoint_partners([frozenset("a"), frozenset("ab")], rng) == [None, None]
    assert disjoint_pairs([frozenset("a"), frozenset("ab")], rng) == []


def test_the_record_has_plain_numbers():
    pointing = Pointing(("a", "b", "c"), np.array([True, True, False]), np.array([False, True, False]))
    photos = TwoPhotos((("a", "b"),), np.array([[True, False]]))
    zeros = np.zeros(2, np.float32)
    record = Localization(pointing, photos, Mismatch(("a", "b"), zeros + 1, zeros, zeros)).record()
    assert record == {
        "pointing": {"accuracy": 0.666667, "low": 0.0, "high": 1.0, "centre": 0.333333, "frames": 3},
        "two_photo": {"accuracy": 0.5, "low": 0.5, "high": 0.5, "chance": 0.5, "questions": 2},
        "mismatch": {
            "auc": 1.0,
            "auc_silence": 1.0,
            "mean_own": 0.731059,
            "mean_other": 0.5,
            "mean_silence": 0.5,
            "pictures": 2,
        },
    }


def test_a_box_holds_its_edges_and_nothing_beyond():
    (box,) = boxes_of("0.1,0.2,0.5,0.6")
    assert box == Box(0.1, 0.2, 0.5, 0.6)
    assert all(box.holds(Place(x, y)) for x in (0.1, 0.3, 0.5) for y in (0.2, 0.6))
    assert not any(
        box.holds(place) for place in (Place(0.09, 0.3), Place(0.51, 0.3), Place(0.3, 0.19), Place(0.3, 0.61))
    )


@pytest.mark.slow
def test_a_network_on_real_clips_is_measured_in_one_pass_and_twice_the_same(tmp_path):
    """Four films and a weights file; the map of the frame that was drawn, decoded anew, is what was measured."""
    for number in range(4):
        make_film(tmp_path / f"{number}.mp4", seed=number, seconds=2)
    lines = "\n".join(f'{number}.mp4,{label},test,"0.1,0.1,0.9,0.9"' for number, label in enumerate("aabb"))
    (tmp_path / "manifest.csv").write_text(f"path,labels,split,boxes\n{lines}\n", encoding="utf-8")
    torch.manual_seed(0)
    net = tiny.shaken(CosineAVOLNet(tiny.WIDTHS))
    tiny.save(tmp_path / "a", net, architecture="avol-cosine")
    encoder, settings = load_encoder(tmp_path / "a", "cpu"), EvaluationSettings(tmp_path / "manifest.csv", seed=2)

    def run():
        pairs, kept = CorrespondenceJudge(encoder, 2), Keeping()
        places = LocalizationJudge(localizer_of(encoder), settings)
        load_items_from_model(encoder, settings, judges=(pairs, places, kept))
        return pairs.result(), places.result(), kept.samples

    pairs, places, samples = run()
    assert pairs.names == places.pointing.names == places.mismatch.names == tuple(f"{n}.mp4" for n in range(4))
    assert places.two_photos.hits.shape == (2, 2)
    for index, sample in enumerate(samples):
        path, drawn_us = sample.row.path, sample.moment.frame_us
        (frame,) = read_frames(path, probe(path), [drawn_us], short_side=tiny.FRONT_END.short_side)
        (answers,) = localizer_of(encoder).answers(frame.rgb[None], [sample.waveform[None]])[0]
        place = peak(answers, frame.rgb.shape)
        assert places.pointing.hits[index] == (0.1 <= place.x <= 0.9 and 0.1 <= place.y <= 0.9)
    again_pairs, again_places, _ = run()
    np.testing.assert_array_equal(again_pairs.own, pairs.own)
    np.testing.assert_array_equal(again_pairs.other, pairs.other)
    np.testing.assert_array_equal(again_places.mismatch.other, places.mismatch.other)
    assert again_places.record() == places.record()


class Keeping:
    """A judge that keeps its samples."""

    def __init__(self):
        self.samples = []

    def take(self, samples):
        self.samples += samples
        return ()
