"""What a person has who installed the wheel, and has no checkout: every part of it works."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.built import ROOT, build_sdist, build_wheel, clean_environment, outside, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STEP_BACK = """
import sys
from pathlib import Path
from alembic import command
from avsearch.catalog import find_database, migrate
from avsearch.catalog.database import migrating

with migrating(find_database("sqlite:///catalog.sqlite3", Path(sys.argv[1])).engine()) as connection:
    command.downgrade(migrate.alembic_config(connection), "0001")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with the wheel of the sdist, and what it needs with two extras."""
    folder = tmp_path_factory.mktemp("built")
    wheel = build_wheel(build_sdist(folder), folder)
    return clean_environment(tmp_path_factory.mktemp("environment"), wheel, "cpu", "web")


@pytest.fixture(scope="module")
def avsearch(python):
    return python.with_name("avsearch")


@pytest.fixture(scope="module")
def demo(avsearch, tmp_path_factory):
    """The folder of the smallest demo, made by the installed program."""
    folder = tmp_path_factory.mktemp("demo")
    said = run(avsearch, "demo", "--dir", folder, "--clips", "10", "--minutes", "0.1")
    assert said.count("$ avsearch query") == 4
    return folder


def test_nothing_comes_from_the_checkout(python):
    packages = ("avsearch", "indexer", "trainer", "migrations")
    tell = f"import {', '.join(packages)}; print(*(it.__path__[0] for it in ({', '.join(packages)})), sep='\\n')"
    places = [Path(line) for line in run(python, "-c", tell).splitlines()]
    site = places[0].parent
    assert [it.name for it in places] == list(packages)
    assert all(it.parent == site and not it.is_symlink() for it in places)
    assert not site.is_relative_to(ROOT)
    assert site.is_relative_to(python.parents[1])


def test_nothing_is_there_that_the_wheel_does_not_ask_for(python):
    tell = "from importlib import metadata; print(*{it.name.lower() for it in metadata.distributions()})"
    there = set(run(python, "-c", tell).split())
    assert {"avsearch", "torch", "faiss-cpu", "fastapi", "numpy"} <= there
    assert not there & {"pytest", "hypothesis", "mypy", "ray", "pymilvus", "s3fs", "pyarrow", "psycopg"}


def test_it_says_its_version(avsearch):
    stated = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert stated[1] in run(avsearch, "--version")


def test_the_doctor_finds_all_that_is_needed(avsearch, tmp_path):
    checks = json.loads(run(avsearch, "doctor", "--json", "--library", tmp_path))["checks"]
    states = {it["name"]: it["state"] for it in checks}
    assert {states[name] for name in ("Python", "avsearch", "ffmpeg", "torch", "faiss", "extra web")} == {"ok"}
    assert states["extra milvus"] == "optional"


def test_the_demo_runs_to_its_report(demo):
    report = json.loads((demo / "report" / "report.json").read_text())
    assert set(report["ndcg@30"]) == {"image-image", "image-audio", "audio-image", "audio-audio"}
    assert "<svg" in (demo / "report" / "report.html").read_text()
    assert (demo / "map.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_is_served_with_its_scripts(avsearch, demo):
    command = [avsearch, "serve", "--library", demo / "library", "--port", "0"]
    with subprocess.Popen(
        command, cwd="/", env=outside(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            address = re.search(rb"http://127\.0\.0\.1:\d+", server.stdout.readline())[0].decode()
            page = fetched(f"{address}/")
            (script,) = re.findall(r'<script type="module" src="([^"]+)"', page)
            (style,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
            sent = ROOT / "avsearch" / "web" / "page"
            assert fetched(f"{address}/{script.lstrip('/')}") == (sent / Path(script).name).read_text()
            assert fetched(f"{address}/{style.lstrip('/')}") == (sent / Path(style).name).read_text()
        finally:
            server.terminate()  # not SIGINT, which is ignored where the tests run in the background
    assert server.returncode == 0


def test_a_library_of_an_older_version_is_upgraded(python, avsearch, demo):
    library = demo / "library"
    before = run(avsearch, "library", "verify", "--library", library)
    run(python, "-c", STEP_BACK, library)
    command = [avsearch, "library", "status", "--library", library]
    refused = subprocess.run(command, cwd="/", env=outside(), capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "library upgrade" in refused.stderr
    run(avsearch, "library", "upgrade", "--library", library)
    assert run(avsearch, "library", "verify", "--library", library) == before


def fetched(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()
