"""Truth here: four clips whose scores are worked out by hand, and what design.md says a report holds."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avsearch.evaluation import EvaluationSettings, Items, evaluate, write_report
from avsearch.evaluation.items import ItemVectors, Protocol
from avsearch.evaluation.problems import Problem, ProblemKind
from avsearch.moments import Modality

DIRECTIONS = ["image-image", "image-audio", "audio-image", "audio-audio"]
SETTINGS = EvaluationSettings(Path("/somewhere/clips.csv"), label_column="class", group_columns=("photo",))
PROTOCOL = Protocol("paper", "Protocol: paper.", "f" * 32, "ave", "ave-nce", "small", seed=0)


@pytest.fixture
def evaluation():
    """Two clips of each class; every picture lies on the sound of its class, so that crossing is perfect."""
    axes = ItemVectors(np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], np.arange(4))
    labels = tuple(frozenset(pair) for pair in (["a", "f"], ["a", "f"], ["b", "f"], ["c"]))
    missing = tuple(f"clips/{index}.mp4" for index in range(7))
    return evaluate(
        Items(
            names=("0.mp4", "1.mp4", "2.mp4", "3.mp4"),
            labels=labels,
            groups=(frozenset(),) * 4,
            vectors={Modality.IMAGE: axes, Modality.AUDIO: axes},
            settings=SETTINGS,
            protocol=PROTOCOL,
            problems=(Problem(ProblemKind.MISSING, missing),),
        )
    )


def read_report(evaluation, directory):
    return json.loads(write_report(evaluation, directory).read_text(encoding="utf-8"))


def test_the_report_holds_what_the_design_promises(evaluation, tmp_path):
    report = read_report(evaluation, tmp_path / "run" / "report")
    assert list(report["ndcg@30"]) == list(report["chance"]) == DIRECTIONS
    assert report["queries"] == 4
    assert report["protocol"] == {
        "name": "paper",
        "description": "Protocol: paper.",
        "relevance": "binary",
        "self": "self-out",
        "k": 30,
        "manifest": "clips.csv",
        "split": "test",
        "label_column": "class",
        "groups": ["photo"],
        "seed": 0,
    }
    assert report["model"] == {"fingerprint": "f" * 32, "architecture": "ave", "recipe": "ave-nce", "size": "small"}
    assert report["schema_version"] == 1


def test_headline_is_binary_and_self_out_with_its_own_chance(evaluation, tmp_path):
    report = read_report(evaluation, tmp_path)
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


def test_self_in_and_graded_stand_beside_the_headline_with_their_own_chance(evaluation, tmp_path):
    report = read_report(evaluation, tmp_path)
    second, third = 1 / math.log2(3), 1 / 2
    # graded, self-out: 0 finds 1 (2 shared: 3), 2 (1 shared: 1), 3 (0)
    graded_of_2 = (second + third) / (1 + second)
    assert report["graded"]["ndcg@30"]["image-image"] == pytest.approx((1 + 1 + graded_of_2) / 3, abs=1e-6)
    chance_of_0 = 4 / 3 * (1 + second + third) / (3 + second)
    chance_of_2 = 2 / 3 * (1 + second + third) / (1 + second)
    assert report["graded"]["chance"]["image-image"] == pytest.approx((2 * chance_of_0 + chance_of_2) / 3, abs=1e-6)
    for table in (report["self_in"], report["graded"]["self_in"]):
        assert list(table["ndcg@30"]) == list(table["chance"]) == DIRECTIONS
        assert table["ndcg@30"]["audio-audio"] > table["chance"]["audio-audio"]


def test_problems_are_in_both_files_with_their_counts(evaluation, tmp_path):
    [problem] = read_report(evaluation, tmp_path)["problems"]
    assert (problem["kind"], problem["count"], len(problem["names"])) == ("missing", 7, 7)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "- 7 rows whose file is missing, left out: `clips/0.mp4`" in page
    assert "and 2 more." in page


def test_the_page_shows_the_table_the_protocol_and_the_settings_but_no_folder_of_this_machine(evaluation, tmp_path):
    write_report(evaluation, tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| nDCG@30 | image-image | image-audio | audio-image | audio-audio |" in page
    assert "| **binary, self-out** |" in page
    assert "Protocol: paper." in page
    assert "| label column | class |" in page
    assert "| model recipe | ave-nce |" in page
    assert "Mean of image-audio and audio-image: 0." in page
    assert "/somewhere" not in page + (tmp_path / "report.json").read_text(encoding="utf-8")


def test_the_same_evaluation_gives_the_same_bytes_and_leaves_nothing_else(evaluation, tmp_path):
    for folder in ("one", "two", "two"):
        write_report(evaluation, tmp_path / folder)
    for name in ("report.json", "report.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["report.json", "report.md"]


def test_another_k_names_itself_and_a_direction_without_queries_is_null(evaluation, tmp_path):
    pictures = evaluate(
        Items(
            names=("0.mp4", "1.mp4"),
            labels=(frozenset("a"), frozenset("a")),
            groups=(frozenset(), frozenset()),
            vectors={Modality.IMAGE: ItemVectors(np.ones((2, 1), np.float32), np.arange(2))},
            settings=replace(SETTINGS, k=5),
            protocol=PROTOCOL,
        )
    )
    report = read_report(pictures, tmp_path)
    assert report["ndcg@5"] == {"image-image": 1.0, "image-audio": None, "audio-image": None, "audio-audio": None}
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| **binary, self-out** | **1.000** | **-** | **-** | **-** |" in page
    assert "Mean of" not in page
    assert page.endswith("None.\n")
