"""Truth here: a plain sort of the queries, and cosines in a plain loop."""

import math
from itertools import count

import numpy as np
import pytest

from avsearch.evaluation.page.gallery import HITS_SHOWN, Kind, choose_queries, gallery, moments_of
from avsearch.evaluation.results import HEADLINE
from avsearch.evaluation.systems import Run, apart
from avsearch.moments import DIRECTIONS, Direction, Modality

LABELS = ["bell", "bird", "car"] * 8
IMAGE_AUDIO = Direction(Modality.IMAGE, Modality.AUDIO)
AUDIO_AUDIO = Direction(Modality.AUDIO, Modality.AUDIO)


def reached(answers, rows):
    return [round(float(answers.of(HEADLINE)[row]), 9) for row in rows]


def items_asking(answers, chosen):
    return [int(answers.item[row]) for rows in chosen.values() for row in rows]


@pytest.mark.parametrize("direction", DIRECTIONS, ids=str)
def test_the_best_and_the_worst_are_those_of_a_plain_sort(evaluation_of, direction):
    answers = evaluation_of(LABELS, noise=0.8).answers[direction]
    chosen = choose_queries(answers, count=3, seed=0)
    every = sorted(float(value) for value in answers.of(HEADLINE))
    assert reached(answers, chosen[Kind.BEST]) == pytest.approx(every[:-4:-1])
    assert reached(answers, chosen[Kind.WORST]) == pytest.approx(every[:3])


def test_those_in_the_middle_lie_around_the_median(evaluation_of):
    answers = evaluation_of(LABELS[:23], noise=0.8).answers[IMAGE_AUDIO]
    chosen = choose_queries(answers, count=3, seed=0)
    every = sorted(float(value) for value in answers.of(HEADLINE))
    assert sorted(reached(answers, chosen[Kind.MIDDLE])) == pytest.approx(every[10:13])


def test_no_item_is_shown_twice(evaluation_of):
    answers = evaluation_of(LABELS, noise=0.8, per_item=3).answers[IMAGE_AUDIO]
    asking = items_asking(answers, choose_queries(answers, count=4, seed=0))
    assert len(asking) == len(set(asking)) == 12


def test_few_items_are_shown_once_each_and_those_without_a_score_never(evaluation_of):
    answers = evaluation_of(["bell", "bell", "bird"]).answers[AUDIO_AUDIO]
    assert math.isnan(answers.of(HEADLINE)[2])
    assert sorted(items_asking(answers, choose_queries(answers, count=3, seed=0))) == [0, 1]


def test_among_equals_the_seed_draws(evaluation_of):
    answers = evaluation_of(LABELS, noise=0.0).answers[IMAGE_AUDIO]
    assert len(set(reached(answers, range(24)))) == 1
    drawn = [tuple(choose_queries(answers, count=3, seed=seed)[Kind.BEST]) for seed in range(5)]
    assert len(set(drawn)) > 1
    assert choose_queries(answers, count=3, seed=1)[Kind.BEST] == list(drawn[1])


def test_hits_are_the_items_nearest_by_their_best_moment(evaluation_of):
    evaluation = evaluation_of(LABELS, noise=0.8, per_item=3)
    items, vectors = evaluation.items, evaluation.items.vectors
    asked = vectors[Modality.IMAGE]
    for query in gallery(apart([Run("one", evaluation)]), seed=0)[IMAGE_AUDIO]:
        own = items.names.index(query.moment.name)
        row = next(
            it for it in count() if asked.item[it] == own and asked.start_us[it] == query.moment.wanted.start_us
        )
        best = {}
        for moment, start_us, item in zip(*vars_of(vectors[Modality.AUDIO]), strict=True):
            cosine = float(np.float64(moment) @ np.float64(asked.vector[row]))
            if item != own and cosine > best.get(item, (-2.0,))[0]:
                best[item] = (cosine, start_us)
        nearest = sorted(best, key=lambda item: -best[item][0])[:HITS_SHOWN]
        (answer,) = query.answers
        assert [hit.moment.name for hit in answer.hits] == [items.names[item] for item in nearest]
        assert [hit.moment.wanted.start_us for hit in answer.hits] == [best[item][1] for item in nearest]
        assert [hit.is_right for hit in answer.hits] == [LABELS[item] == LABELS[own] for item in nearest]
        assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4]


def vars_of(vectors):
    return vectors.vector, vectors.start_us.tolist(), vectors.item.tolist()


def test_a_second_system_answers_the_same_queries(evaluation_of):
    first, second = evaluation_of(LABELS, noise=0.9), evaluation_of(LABELS, noise=0.1, seed=1)
    shown = gallery(apart([Run("one", first), Run("two", second)]), seed=0)
    for direction, queries in shown.items():
        for query in queries:
            row = first.items.names.index(query.moment.name)
            assert [answer.system for answer in query.answers] == ["one", "two"]
            assert query.answers[1].ndcg == second.answers[direction].of(HEADLINE)[row]


def test_a_second_system_of_other_items_has_no_answer(evaluation_of):
    other = evaluation_of(LABELS, names=[f"other/{number}.mp4" for number in range(len(LABELS))])
    shown = gallery(apart([Run("one", evaluation_of(LABELS)), Run("two", other)]), seed=0)
    assert all(len(query.answers) == 1 for queries in shown.values() for query in queries)


def test_every_moment_that_is_shown_is_read(evaluation_of):
    (query, *_) = gallery(apart([Run("one", evaluation_of(LABELS))]), seed=0)[IMAGE_AUDIO]
    wanted = list(moments_of([query]))
    assert wanted[0] == query.moment.wanted
    assert wanted[1:] == [hit.moment.wanted for hit in query.answers[0].hits]
    assert [it.modality for it in wanted] == [Modality.IMAGE] + [Modality.AUDIO] * HITS_SHOWN
