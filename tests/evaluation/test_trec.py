"""Truth here: pytrec_eval reads the files that are written, and finds what the evaluation found."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.results import Column, Measure
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.trec import num_judgements, write_trec
from avsearch.moments import Modality

K = 4


@pytest.fixture
def items():
    """Names with blanks and other scripts, several moments an item, many equal scores, groups, a lone label."""
    rng = np.random.default_rng(0)
    count = 12
    vectors = {}
    for modality in Modality:
        item = np.sort(np.append(np.arange(count), rng.integers(0, count, 9)))
        vector = np.eye(3, dtype=np.float32)[rng.integers(0, 3, len(item))]
        vectors[modality] = ItemVectors(vector, item, np.arange(len(item)) * 40_000)
    return Items(
        names=tuple(f"a clip/nr {index} ä.mp4" for index in range(count)),
        paths=(Path("clip.mp4"),) * count,
        labels=(*tuple(frozenset(rng.choice(list("abc"), size=2)) for _ in range(count - 1)), frozenset("z")),
        groups=tuple(frozenset({("g", str(rng.integers(0, 5)))}) for _ in range(count)),
        vectors=vectors,
        settings=EvaluationSettings(Path("manifest.csv"), k=K),
        protocol=Protocol("library", "as a test says", "0" * 16, "ave", "ave", "small"),
    )


def read(path, place, convert):
    table = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split(" ")
        table.setdefault(fields[0], {})[fields[2]] = convert(fields[place])
    return table


def test_trec_eval_finds_in_the_files_what_the_evaluation_found(items, tmp_path):
    written = write_trec(items, tmp_path)
    assert len(written) == 8
    evaluation = evaluate(items)
    for direction, answers in evaluation.answers.items():
        run = read(tmp_path / "trec" / f"{direction}.run", 4, float)
        qrels = read(tmp_path / "trec" / f"{direction}.qrels", 3, int)
        assert len(run) == len(answers.item)
        measured = pytrec_eval.RelevanceEvaluator(qrels, {f"ndcg_cut.{K}", f"recall.{K}", "map", "recip_rank"})
        found = measured.evaluate(run).values()
        for measure, name in zip(Measure, (f"ndcg_cut_{K}", f"recall_{K}", "map", "recip_rank"), strict=True):
            score = evaluation.score(direction, Column(measure))
            assert np.mean([of_query[name] for of_query in found]) == pytest.approx(score.mean, abs=1e-9)
            assert len(found) == score.num_queries


def test_lines_have_the_fields_that_the_format_asks_for_and_ranks_follow_scores(items, tmp_path):
    write_trec(items, tmp_path)
    lines = [line.split(" ") for line in (tmp_path / "trec" / "image-audio.run").read_text("utf-8").splitlines()]
    assert {len(fields) for fields in lines} == {6}
    assert {(fields[1], fields[5]) for fields in lines} == {("Q0", "avsearch")}
    assert lines[0][0].startswith("a%20clip/nr%200%20%C3%A4.mp4@0.")
    of_first = [fields for fields in lines if fields[0] == lines[0][0]]
    assert [int(fields[3]) for fields in of_first] == list(range(1, len(of_first) + 1))
    scores = [np.float32(fields[4]) for fields in of_first]
    assert all(before > after for before, after in itertools.pairwise(scores))


def test_the_number_of_judgements_is_known_beforehand(items, tmp_path):
    """What a query does not compete for is counted too, so that the number is an upper bound."""
    written = [path for path in write_trec(items, tmp_path) if path.suffix == ".qrels"]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in written)
    own = sum(len(items.vectors[modality].item) for modality in Modality) * 2
    grouped = num_judgements(items) - lines
    assert own <= grouped < num_judgements(items)
