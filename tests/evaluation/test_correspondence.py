"""Truth here: networks whose judgement is known, a count by hand, and scikit-learn."""

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from avsearch.evaluation.correspondence import Correspondence, CorrespondenceJudge
from avsearch.evaluation.drawn import DrawnMoment, Sample
from avsearch.manifest import ManifestRow


def sample(number, *, sees=True, hears=True):
    """A clip whose picture and sound both tell its number."""
    name = f"{number}.mp4"
    return Sample(
        row=ManifestRow(Path(name), ("a",), "test", MappingProxyType({"path": name, "labels": "a"})),
        content=name,
        moment=DrawnMoment(0, None),
        look=np.full((4, 4, 3), number, np.uint8) if sees else None,
        frame=None,
        waveform=np.full(48_000, number, np.float32) if hears else None,
    )


class Judging:
    """Says `of_own` where picture and sound tell the same number, else `of_other`; keeps what it was asked."""

    def __init__(self, of_own=2.0, of_other=-2.0):
        self.of_own, self.of_other, self.asked = of_own, of_other, []

    def log_odds(self, frames, sounds):
        seen = frames[:, 0, 0, 0].astype(int)
        all_heard = [waveforms[:, 0].astype(int) for waveforms in sounds]
        self.asked += [pair for heard in all_heard for pair in zip(seen.tolist(), heard.tolist(), strict=True)]
        return [np.where(seen == it, self.of_own, self.of_other).astype(np.float32) for it in all_heard]


def judged(encoder, samples, seed=0):
    judge = CorrespondenceJudge(encoder, seed)
    judge.take(samples)
    return judge.result()


@pytest.mark.parametrize(
    ("of_own", "of_other", "accuracy", "auc"),
    [(2, -2, 1.0, 1.0), (2, 2, 0.5, 0.5), (-2, -2, 0.5, 0.5), (-2, 2, 0.0, 0.0), (2, 1, 0.5, 1.0)],
)
def test_accuracy_and_area_of_networks_whose_judgement_is_known(of_own, of_other, accuracy, auc):
    result = judged(Judging(of_own, of_other), [sample(number) for number in range(7)])
    assert (result.accuracy, result.auc, result.num_pairs) == (accuracy, auc, 14)


def test_each_picture_is_asked_with_its_own_second_and_with_one_of_another_item():
    encoder = Judging()
    judged(encoder, [sample(number) for number in range(9)])
    assert sorted(seen for seen, _ in encoder.asked) == sorted(2 * list(range(9)))
    assert sum(seen == heard for seen, heard in encoder.asked) == 9


def test_partners_depend_on_the_seed_alone_and_every_other_item_can_be_one():
    def partners(seed):
        encoder = Judging()
        judged(encoder, [sample(number) for number in range(4)], seed)
        return tuple(heard for seen, heard in encoder.asked if seen != heard)

    assert partners(5) == partners(5)
    assert {partners(seed)[0] for seed in range(40)} == {1, 2, 3}


def test_items_without_a_side_and_items_read_alone_make_no_pairs():
    encoder = Judging()
    judge = CorrespondenceJudge(encoder, 0)
    judge.take([sample(1), sample(2, sees=False), sample(3, hears=False)])
    assert judge.result() is None
    assert encoder.asked == []
    judge.take([sample(4), sample(5), sample(6, hears=False)])
    assert judge.result().names == ("4.mp4", "5.mp4")


def test_pieces_add_up():
    judge = CorrespondenceJudge(Judging(), 0)
    judge.take([sample(1), sample(2)])
    judge.take([sample(3), sample(4), sample(5)])
    assert judge.result().names == tuple(f"{number}.mp4" for number in range(1, 6))
    assert judge.result().right.tolist() == [[True, True]] * 5


def test_what_was_right_is_kept_for_each_item_and_a_tie_with_the_threshold_means_no():
    result = Correspondence(
        ("a", "b", "c"), np.array([1.0, 0.0, -1.0], np.float32), np.array([-1.0, 0.0, 3.0], np.float32)
    )
    assert result.right.tolist() == [[True, True], [False, True], [False, False]]
    assert result.accuracy == result.right.mean() == 0.5
    record = result.record()
    assert 0 <= record.pop("low") < 0.5 < record.pop("high") <= 1
    assert record == {"accuracy": 0.5, "auc": 0.444444, "chance": 0.5, "pairs": 6}  # 3 above, 2 equal of 9


def test_the_area_is_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    own, other = rng.normal(0.7, 1, 50).round(1), rng.normal(0, 1, 50).round(1)  # rounded: ties
    result = Correspondence(tuple(map(str, range(50))), own.astype(np.float32), other.astype(np.float32))
    truth = roc_auc_score([1] * 50 + [0] * 50, np.concatenate([own, other]).astype(np.float32))
    assert result.auc == pytest.approx(truth, abs=1e-12)


def test_figures_are_for_people():
    result = Correspondence(("a", "b"), np.array([1, 1], np.float32), np.array([-1, 1], np.float32))
    assert list(result.figures()) == [
        ("AVC accuracy", "0.750 [0.500, 1.000]", "0.500", "4 pairs"),
        ("AVC, area under the curve", "0.750", "0.500", "4 pairs"),
    ]


def test_answers_that_do_not_fit_their_items_are_refused():
    with pytest.raises(ValueError, match="do not fit 2 items"):
        Correspondence(("a", "b"), np.zeros(3, np.float32), np.zeros(2, np.float32))
