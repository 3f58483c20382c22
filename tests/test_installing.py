"""What is missing is installed where avsearch runs, whoever made that environment."""

import shlex
import sys

import pytest

from avsearch.doctor.faiss_build import install_command
from avsearch.installing import extra_hint, pip


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A folder that Python takes for its environment, with a file in it that says who made it."""

    def made_by(mark):
        here = tmp_path / "its tools" / "avsearch-next"
        here.mkdir(parents=True)
        if mark:
            (here / mark).write_text("{}")
        monkeypatch.setattr(sys, "prefix", str(here))
        monkeypatch.setattr(sys, "executable", str(here / "bin" / "python"))
        return here

    return made_by


def test_in_an_environment_of_ones_own_it_is_pip(environment):
    environment(None)
    assert extra_hint("web") == "Run `python -m pip install 'avsearch[web]'`."
    assert extra_hint("ray", ", on every node") == "Run `python -m pip install 'avsearch[ray]'`, on every node."


def test_what_pipx_made_is_asked_through_pipx(environment):
    environment("pipx_metadata.json")
    assert extra_hint("web") == "Run `pipx runpip avsearch-next install 'avsearch[web]'`."
    assert install_command("faiss-gpu", {"faiss-cpu": "1.15"}) == (
        "pipx runpip avsearch-next uninstall --yes faiss-cpu && pipx runpip avsearch-next install 'avsearch[gpu]'"
    )


def test_what_uv_made_has_no_pip_and_is_named_to_uv(environment):
    here = environment("uv-receipt.toml")
    words = shlex.split(pip("uninstall"))
    assert words == ["uv", "pip", "uninstall", "--python", str(here / "bin" / "python")]
