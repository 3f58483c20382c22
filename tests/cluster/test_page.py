"""The commands of docs/cluster.md do what the page says."""

import shlex
import signal
from pathlib import Path

import pytest

from tests.cli.command import started
from tests.test_docs import blocks, run
from tests.tiny import make_film, tiny_weights

pytestmark = pytest.mark.slow


def test_the_commands_of_the_page_index_and_serve_on_a_cluster(nodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    Path("footage").mkdir()
    for seed in range(3):
        make_film(tmp_path / f"footage/film{seed}.mp4", seed=seed)
    tiny_weights(tmp_path / "encoder.safetensors")
    index, serve = blocks("cluster.md", "console")
    lines = [line[2:] for line in index.splitlines()]
    assert len(lines) == 3
    for line in lines:
        run(line)
    from avsearch.library import open_library

    status = open_library(tmp_path / "lib").catalog.status()
    assert status.files["indexed"] == 3
    _, *words = shlex.split(serve.removeprefix("$ "))
    with started(*words, "--port", "0") as serving:
        assert serving.stdout.readline().startswith("Serving on http://127.0.0.1:")
        serving.send_signal(signal.SIGTERM)
        _, err = serving.communicate(timeout=120)
    assert serving.returncode == 0, err
    assert "Stopped serving." in err
