"""Truth here: small films, and what the issue of a bad manifest says must be named."""

import json
import re

import pytest

from tests.cli.command import here
from tests.tiny import tiny_weights

DATE = re.compile(rb"20\d\d-\d\d-\d\d")


@pytest.fixture(scope="module")
def manifest(films, tmp_path_factory):
    """Two films of a kind and two of another, all of the test split."""
    path = tmp_path_factory.mktemp("manifest") / "films.csv"
    names = sorted(films.rglob("*.mp4"))
    lines = [f"{name},{'day' if number < 2 else 'night'},test" for number, name in enumerate(names)]
    path.write_text("\n".join(["path,labels,split", *lines]) + "\n", encoding="utf-8")
    return path


def evaluate(manifest, report, *options):
    code, out, errors = here("evaluate", "--manifest", manifest, "--report", report, *options)
    record = report / "report.json"
    return code, out, errors, json.loads(record.read_text(encoding="utf-8")) if record.exists() else None


@pytest.mark.slow
def test_a_report_is_a_page_a_text_a_record_and_files_for_trec_eval(manifest, made_library, tmp_path):
    code, out, errors, record = evaluate(manifest, tmp_path / "report", "--library", made_library)
    assert code == 0, errors
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
        "trec",
    ]
    assert record["systems"][0]["name"] == "random"
    assert len(list((tmp_path / "report" / "trec").iterdir())) == 8
    assert f"{record['ndcg@30']['image-audio']:.3f}" in out
    assert "95 %" in out


@pytest.mark.slow
def test_the_same_input_and_seed_give_the_same_bytes_but_for_dates(manifest, weights, tmp_path):
    for folder in ("one", "two"):
        code, _, errors, _ = evaluate(manifest, tmp_path / folder, "--model", weights, "--seed", "3")
        assert code == 0, errors
    files = sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 3 + 8
    for path in files:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert DATE.sub(b"", path.read_bytes()) == DATE.sub(b"", other.read_bytes()), path.name


@pytest.mark.slow
def test_everything_wrong_with_a_manifest_is_named_with_its_count(films, weights, tmp_path):
    """A missing file, one that is no media, a path again, no label, a class of one, and a column of no use."""
    (tmp_path / "words.mp4").write_text("words", encoding="utf-8")
    names = sorted(films.rglob("*.mp4"))
    rows = [
        "path,labels,split,mood",
        f"{names[0]},day,test,good",
        f"{names[1]},day,test,",
        f"{names[2]},night,test,",
        f"{names[3]},,test,",
        f"{names[0]},day,test,bad",
        "gone.mp4,day,test,",
        "words.mp4,day,test,",
    ]
    manifest = tmp_path / "films.csv"
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
    code, _, errors, record = evaluate(manifest, tmp_path / "report", "--model", weights)
    assert code == 3
    problems = {problem["kind"]: (problem["count"], problem["names"]) for problem in record["problems"]}
    reason = problems.pop("failed")[1][0]
    assert reason.startswith("words.mp4: ")
    assert problems == {
        "unlabelled": (1, [str(names[3])]),
        "missing": (1, ["gone.mp4"]),
        "duplicate_path": (1, [str(names[0])]),
        "unused_column": (1, ["mood"]),
        "lone_label": (1, ["night"]),
    }
    assert reason in errors
    assert f"1 rows that name a file again, left out: {names[0]}." in errors
    assert "1 columns of the manifest that say nothing to this evaluation: mood." in errors
    assert "1 rows whose file is missing, left out." in errors  # it is told at the end
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "words.mp4" in page
    assert "gone.mp4" in page


@pytest.mark.slow
def test_a_library_that_lacks_half_of_the_files_says_which(films, manifest, weights, tmp_path):
    library = tmp_path / "library"
    assert here("index", films / "a", "--library", library, "--model", weights)[0] == 0
    code, _, errors, record = evaluate(manifest, tmp_path / "report", "--library", library)
    assert code == 0, errors
    [lacking] = [problem for problem in record["problems"] if problem["kind"] == "not_indexed"]
    assert lacking["count"] == 2
    left_out = ", ".join(lacking["names"])
    assert f"2 rows whose file is not in the library, left out: {left_out}." in errors


@pytest.mark.slow
def test_two_models_are_compared_and_more_are_seeds_of_one(manifest, weights, tmp_path):
    other = (
        tiny_weights(tmp_path / "other" / "encoder.safetensors") if (tmp_path / "other").mkdir() is None else None
    )
    code, out, errors, record = evaluate(manifest, tmp_path / "compared", "--compare", weights, other)
    assert code == 0, errors
    assert [system["name"] for system in record["systems"]] == [weights.parent.name, "other"]
    assert set(record["comparison"]["directions"]) == set(record["ndcg@30"])
    assert (
        record["comparison"]["directions"]["image-audio"]["difference"]["mean"] == 0
    )  # the same seed, so the same weights
    assert "difference" in out
    code, _, errors, record = evaluate(
        manifest, tmp_path / "seeds", "--model", weights, "--model", other, "--seeds", "2"
    )
    assert code == 0, errors
    [system] = record["systems"]
    assert [(run["source"], run["seed"]) for run in system["runs"]] == [
        (weights.parent.name, 0),
        (weights.parent.name, 1),
        ("other", 0),
        ("other", 1),
    ]
    assert system["over_runs"]["image-audio"]["num"] == 4


@pytest.mark.slow
def test_relevance_and_gain_are_chosen_and_the_ontology_is_asked_for(manifest, weights, tmp_path):
    ontology = tmp_path / "ontology.json"
    classes = [
        {"id": "/m/1", "name": "time", "child_ids": ["/m/2"]},
        {"id": "/m/2", "name": "day", "child_ids": []},
    ]
    ontology.write_text(json.dumps(classes), encoding="utf-8")
    code, _, errors, record = evaluate(manifest, tmp_path / "one", "--model", weights, "--ontology", ontology)
    assert code == 0, errors
    assert (record["protocol"]["graded_relevance"], record["protocol"]["ontology"]) == ("ontology", "ontology.json")
    assert [it["names"] for it in record["problems"] if it["kind"] == "foreign_label"] == [["night"]]
    options = ["--model", weights, "--relevance", "iou", "--gain", "linear"]
    _, _, _, record = evaluate(manifest, tmp_path / "two", *options)
    assert "ndcg@30 (iou, linear gain)" in record["systems"][0]["runs"][0]["scores"]["image-image"]
    for wrong, message in (
        (["--relevance", "size"], "no --relevance size"),
        (["--gain", "cubic"], "no --gain cubic"),
    ):
        code, _, errors, record = evaluate(manifest, tmp_path / "none", "--model", weights, *wrong)
        assert (code, record) == (2, None)
        assert message in errors


def test_what_contradicts_itself_is_wrong_usage(manifest, weights, made_library, tmp_path):
    for options, message in (
        (["--model", weights, "--library", made_library], "Give one of"),
        (["--compare", weights, made_library], "one table cannot hold both"),
        (["--library", made_library, "--seeds", "2"], "only weights files have several seeds"),
        (["--model", weights, "--include", manifest], "is no result of `avsearch bench`"),
        (["--model", weights, "--relevance", "ontology"], "needs the ontology"),
    ):
        code, _, errors, record = evaluate(manifest, tmp_path / "none", *options)
        assert (code, record) == (2, None), errors
        assert message in errors


def test_a_library_that_is_not_there_is_not_taken_for_a_weights_file(manifest, tmp_path):
    code, _, errors, record = evaluate(manifest, tmp_path / "report", "--library", tmp_path / "none")
    assert (code, record) == (1, None)
    assert errors.startswith(f"error: {tmp_path / 'none'}: there is no library here.")
