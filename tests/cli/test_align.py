import json
from dataclasses import replace

import pytest
import torch

from avsearch.models.l3 import L3Net
from avsearch.models.networks import save_network
from tests.cli.command import here, objects
from tests.models import tiny


def prepared(tmp_path, films):
    """A random L3-Net, and a manifest that trains on three films and tests with one."""
    torch.manual_seed(0)
    header = replace(tiny.HEADER, architecture="l3", dim=tiny.WIDTHS[-1])
    save_network(tmp_path / "l3", L3Net(tiny.WIDTHS).eval(), header)
    names = sorted(films.rglob("*.mp4"))
    rows = [f"{path},x,{'train' if number else 'test'}" for number, path in enumerate(names)]
    (tmp_path / "films.csv").write_text("\n".join(["path,labels,split", *rows]) + "\n")
    return ["align", tmp_path / "l3", "--manifest", tmp_path / "films.csv", "--out", tmp_path / "cca"]


@pytest.mark.slow
def test_what_is_aligned_indexes_answers_and_is_evaluated(tmp_path, films):
    code, out, errors = here(*prepared(tmp_path, films), "--json")
    assert code == 0, errors
    (told,) = objects(out)
    assert (told["weights"], told["pairs"] > 0, told["nearer"]) == (str(tmp_path / "cca"), True, None)
    assert "Aligned on" in errors
    assert "instead of 128" in errors
    assert "nothing was held out" in errors
    library = tmp_path / "library"
    code, _, errors = here("index", films, "--library", library, "--model", tmp_path / "cca")
    assert code == 0, errors
    film = next(films.rglob("two.mp4"))
    code, out, errors = here("query", f"{film}@0", "--find", "audio", "--library", library, "--json")
    assert code == 0, errors
    assert len(objects(out)) == 4
    code, _, errors = here("evaluate", "--manifest", tmp_path / "films.csv", "--split", "train", "--model",
                           tmp_path / "cca", "--report", tmp_path / "report")  # fmt: skip
    assert code == 0, errors
    assert json.loads((tmp_path / "report" / "report.json").read_text())["queries"] == 3


def test_wrong_use_is_a_sentence_and_exit_code_2(tmp_path, films):
    command = prepared(tmp_path, films)
    (tmp_path / "cca").write_text("words")
    code, out, errors = here(*command)
    assert (code, out) == (2, "")
    assert "holds something else" in errors
    code, _, errors = here("align", tmp_path / "l3", tmp_path / "l3", tmp_path / "l3", *command[2:4], "--out",
                           tmp_path / "new")  # fmt: skip
    assert code == 2
    assert "3 models" in errors
