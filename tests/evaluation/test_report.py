"""Truth here: four clips whose scores are worked out by hand, and what design.md says a report holds."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avsearch.evaluation import EvaluationSettings, Items, Report, evaluate
from avsearch.evaluation.benches import Bench, BenchFigure
from avsearch.evaluation.items import ItemVectors, Protocol
from avsearch.evaluation.markdown import report_markdown
from avsearch.evaluation.problems import Problem, ProblemKind
from avsearch.evaluation.record import report_record
from avsearch.evaluation.systems import Run, apart, compare, group_runs
from avsearch.moments import Modality

DIRECTIONS = ["image-image", "image-audio", "audio-image", "audio-audio"]
SETTINGS = EvaluationSettings(Path("/somewhere/clips.csv"), label_column="class", group_columns=("photo",))
PROTOCOL = Protocol("paper", "Protocol: paper.", "f" * 32, "ave", "ave-nce", "small", seed=0)


@pytest.fixture
def evaluation():
    """Two clips of each class; every picture lies on the sound of its class, so that crossing is perfect."""
    axes = ItemVectors(np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], np.arange(4), np.arange(4))
    labels = tuple(frozenset(pair) for pair in (["a", "f"], ["a", "f"], ["b", "f"], ["c"]))
    missing = tuple(f"clips/{index}.mp4" for index in range(7))
    return evaluate(
        Items(
            names=("0.mp4", "1.mp4", "2.mp4", "3.mp4"),
            paths=tuple(Path(f"/somewhere/{index}.mp4") for index in range(4)),
            labels=labels,
            groups=(frozenset(),) * 4,
            vectors={Modality.IMAGE: axes, Modality.AUDIO: axes},
            settings=SETTINGS,
            protocol=PROTOCOL,
            problems=(Problem(ProblemKind.MISSING, missing),),
        )
    )


def report_of(evaluation, **more):
    return Report(group_runs([Run("run-ave", evaluation)]), created="2026-11-27", **more)


def read_report(evaluation):
    """As it comes back from a file."""
    return json.loads(json.dumps(report_record(report_of(evaluation))))


def test_the_report_holds_what_the_design_promises(evaluation):
    report = read_report(evaluation)
    assert list(report["ndcg@30"]) == list(report["chance"]) == DIRECTIONS
    assert report["queries"] == 4
    assert report["protocol"] == {
        "name": "paper",
        "description": "Protocol: paper.",
        "relevance": "binary",
        "graded_relevance": "iou",
        "graded_gain": "exponential",
        "self": "self-out",
        "k": 30,
        "manifest": "clips.csv",
        "split": "test",
        "label_column": "class",
        "groups": ["photo"],
        "ontology": None,
        "seed": 0,
    }
    assert report["model"] == {"fingerprint": "f" * 32, "architecture": "ave", "recipe": "ave-nce", "size": "small"}
    assert report["schema_version"] == 2


def test_headline_is_binary_and_self_out_with_its_own_chance(evaluation):
    report = read_report(evaluation)
    second, third = 1 / math.log2(3), 1 / 2
    ideal_of_two = 1 + second
    # 0: finds 1 2 3 -> 1 1 0 of two; 1 likewise; 2 finds 3 0 1 -> 0 1 1 of two; 3 has nothing relevant
    expected = (1 + 1 + (second + third) / ideal_of_two) / 3
    chance = 2 / 3 * (1 + second + third) / ideal_of_two
    assert report["ndcg@30"]["image-audio"] == pytest.approx(expected, abs=1e-6)
    assert report["chance"]["image-audio"] == pytest.approx(chance, abs=1e-6)
    assert report["directions"]["image-audio"] == {
        "queries": 4,
        "without_relevant": 1,
        "without_relevant_self_in": 0,
    }


def test_self_in_and_graded_stand_beside_the_headline_with_their_own_chance(evaluation):
    report = read_report(evaluation)
    second, third = 1 / math.log2(3), 1 / 2
    # graded by IoU, self-out: 0 finds 1 (2 of 2: 1), 2 (1 of 3), 3 (0); 2 finds 3 (0), 0 and 1 (1 of 3 each)
    part = 2 ** (1 / 3) - 1
    graded_of_2 = (second + third) / (1 + second)
    assert report["graded"]["ndcg@30"]["image-image"] == pytest.approx((1 + 1 + graded_of_2) / 3, abs=1e-6)
    chance_of_0 = (1 + part) / 3 * (1 + second + third) / (1 + part * second)
    chance_of_2 = 2 / 3 * (1 + second + third) / (1 + second)
    assert report["graded"]["chance"]["image-image"] == pytest.approx((2 * chance_of_0 + chance_of_2) / 3, abs=1e-6)
    for table in (report["self_in"], report["graded"]["self_in"]):
        assert list(table["ndcg@30"]) == list(table["chance"]) == DIRECTIONS
        assert table["ndcg@30"]["audio-audio"] > table["chance"]["audio-audio"]


def test_problems_are_in_both_files_with_their_counts(evaluation):
    [problem] = read_report(evaluation)["problems"]
    assert (problem["kind"], problem["count"], len(problem["names"])) == ("missing", 7, 7)
    page = report_markdown(report_of(evaluation))
    assert "- 7 rows whose file is missing, left out: `clips/0.mp4`" in page
    assert "and 2 more." in page


def test_the_text_shows_the_table_the_protocol_and_the_settings_but_no_folder_of_this_machine(evaluation):
    page = report_markdown(report_of(evaluation))
    assert "| nDCG@30 | image-image | image-audio | audio-image | audio-audio | cross-modal mean |" in page
    assert "| ave-nce | **" in page
    assert "Protocol: paper." in page
    assert "| label column | class |" in page
    assert "| model recipe | ave-nce |" in page
    assert "## Apart: the paper's own table" in page
    assert "| AVE-Net | 0.604 | 0.561 | 0.587 | 0.665 | 0.819 |" in page
    assert "/somewhere" not in page + json.dumps(report_record(report_of(evaluation)))


def test_every_measure_has_its_interval_chance_and_number_of_queries(evaluation):
    scores = read_report(evaluation)["systems"][0]["runs"][0]["scores"]["image-audio"]
    assert list(scores) == [
        "ndcg@30",
        "recall@30",
        "map",
        "mrr",
        *(f"{name} self-in" for name in ("ndcg@30", "recall@30", "map", "mrr")),
        "ndcg@30 (iou, exponential gain)",
        "ndcg@30 self-in (iou, exponential gain)",
    ]
    # of the queries 0, 1 and 2: ranks of what is relevant 1 2, 1 2, 2 3
    assert scores["mrr"]["mean"] == pytest.approx((1 + 1 + 1 / 2) / 3, abs=1e-6)
    assert scores["map"]["mean"] == pytest.approx((1 + 1 + (1 / 2 + 2 / 3) / 2) / 3, abs=1e-6)
    assert scores["recall@30"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "chance": 1.0, "queries": 3}
    assert all(it["low"] <= it["mean"] <= it["high"] for it in scores.values())


def test_benches_stand_in_it_with_their_machine(evaluation):
    bench = Bench("gpu", "2026-11-27", "a machine", (BenchFigure("pairs, a second", 8123.4, 8000.0, None),))
    report = report_of(evaluation, benches=(bench,))
    assert report_record(report)["benches"][0]["figures"][0]["median"] == 8123.4
    assert "| pairs, a second | 8,123 | 8,000 |  |" in report_markdown(report)


def test_two_systems_stand_together_with_their_difference(evaluation):
    axes = ItemVectors(np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], np.arange(4), np.arange(4))
    other = evaluate(replace(evaluation.items, vectors={Modality.IMAGE: axes, Modality.AUDIO: axes}))
    systems = apart([Run("one", evaluation), Run("other", other)])
    report = Report(systems, "2026-11-27", comparison=compare(*systems, seed=0))
    found = report_record(report)["comparison"]["directions"]["image-audio"]
    one, two = (
        report_record(report)["systems"][index]["runs"][0]["scores"]["image-audio"]["ndcg@30"]["mean"]
        for index in (0, 1)
    )
    assert found["difference"]["mean"] == pytest.approx(two - one, abs=1e-6)
    assert found["num_queries"] == 3
    assert "## other minus one" in report_markdown(report)


def test_seeds_of_one_recipe_are_one_system_with_mean_and_spread(evaluation):
    axes = ItemVectors(np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], np.arange(4), np.arange(4))
    other = evaluate(replace(evaluation.items, vectors={Modality.IMAGE: axes, Modality.AUDIO: axes}))
    [system] = group_runs([Run("one", evaluation), Run("other", other)])
    assert system.name == "ave-nce"
    record = report_record(Report((system,), "2026-11-27"))["systems"][0]
    scores = [run["scores"]["image-audio"]["ndcg@30"]["mean"] for run in record["runs"]]
    assert record["over_runs"]["image-audio"] == {
        "mean": pytest.approx(np.mean(scores), abs=1e-6),
        "standard_deviation": pytest.approx(np.std(scores, ddof=1), abs=1e-6),
        "num": 2,
    }
    assert "| ave-nce | 2 |" in report_markdown(Report((system,), "2026-11-27"))


def test_another_k_names_itself_and_a_direction_without_queries_is_null():
    pictures = evaluate(
        Items(
            names=("0.mp4", "1.mp4"),
            paths=(Path("/somewhere/0.mp4"), Path("/somewhere/1.mp4")),
            labels=(frozenset("a"), frozenset("a")),
            groups=(frozenset(), frozenset()),
            vectors={Modality.IMAGE: ItemVectors(np.ones((2, 1), np.float32), np.arange(2), np.arange(2))},
            settings=replace(SETTINGS, k=5),
            protocol=PROTOCOL,
        )
    )
    report = read_report(pictures)
    assert report["ndcg@5"] == {"image-image": 1.0, "image-audio": None, "audio-image": None, "audio-audio": None}
    page = report_markdown(report_of(pictures))
    assert "| ave-nce | **1.000** [1.000, 1.000] | - | - | - | - |" in page
    assert page.endswith("None.\n")
