"""The commands of docs/cluster.md do what the page says."""

from pathlib import Path

import pytest

from tests.test_docs import blocks, run
from tests.tiny import make_film, tiny_weights

pytestmark = pytest.mark.slow


def test_the_commands_of_the_page_index_on_a_cluster(nodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    Path("footage").mkdir()
    for seed in range(3):
        make_film(tmp_path / f"footage/film{seed}.mp4", seed=seed)
    tiny_weights(tmp_path / "encoder.safetensors")
    index, *_ = blocks("cluster.md", "console")
    lines = [line[2:] for line in index.splitlines()]
    assert len(lines) == 3
    for line in lines:
        run(line)
    from avsearch.library import open_library

    status = open_library(tmp_path / "lib").catalog.status()
    assert status.files["indexed"] == 3
