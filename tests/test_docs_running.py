"""What the pages show of running avsearch is run: a quick start, a server, its API, a library that is kept well."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.test_docs import DOCS, blocks, filled, run
from tests.tiny import make_film


def shape(line):
    """A line of output without its figures: what must not change unless the page does."""
    return re.sub(r"[\d.]+ ?(min|s|h|[kM]?B)\b|[\d.]+|\s+", " ", line).split()


def commands_and_output(page):
    """(command, lines that the page shows below it) of all blocks, in order."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, shown


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    return filled(tmp_path)


@pytest.fixture
def shell(folder, monkeypatch):
    """What runs blocks of sh in the folder, where `avsearch` is this one."""
    missing = [program for program in ("curl", "flock", "openssl", "sqlite3") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the pages use {', '.join(missing)}, which are not installed")
    program = folder / "bin/avsearch"
    program.parent.mkdir()
    paths = os.pathsep.join([str(DOCS.parent), *filter(None, sys.path)])
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec "{sys.executable}" -m avsearch "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def run_block(block):
        done = subprocess.run(
            ["bash", "-ec", f"exec 2>&1\n{block}"], stdout=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}"
        return done.stdout

    return run_block


@contextlib.contextmanager
def served(command):
    """A server as the page starts it, on a port that is free; its address."""
    words = [*shlex.split(command.replace("0.0.0.0", "127.0.0.1")), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            line = server.stdout.readline()
            assert re.fullmatch(r"Serving on http://127\.0\.0\.1:\d+/\n", line), line
            yield line.split()[-1].rstrip("/")
        finally:
            server.terminate()
            server.wait(60)
    assert server.returncode == 0


def until_ready(address):
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{address}/health/ready", trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the server was not ready within a minute")


@pytest.mark.slow
def test_the_quick_start_goes_from_footage_to_a_report(folder, shell):
    with Image.open("still.jpg") as still:
        still.save("still.png")
    for seed in range(3, 6):
        make_film(folder / f"footage/film{seed}.mp4", seed=seed, seconds=4)
    Path("tone.wav").rename("sound.wav")
    for command, shown in commands_and_output("quickstart.md"):
        if command.startswith("avsearch serve"):
            with served(command) as address:
                until_ready(address)
                assert "avsearch" in httpx.get(address, trust_env=False).text
            assert [shape(line) for line in shown] == [shape(f"Serving on {address}/")]
            continue
        few = " --steps 2 --batch-size 2" if command.startswith("avsearch train") else ""
        told = [shape(line) for line in run(command + few, everything=True).splitlines()]
        for line in shown:
            if not re.match(r" +\d|\.\.\.$|The sound comes", line):  # as the clips are
                assert shape(line) in told, f"{command}\n{line}"
    assert Path("report/report.html").stat().st_size > 10_000
    assert Path("map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_commands_of_the_operations_page_keep_a_library_well(folder, shell):
    from indexer.build import index
    from indexer.index_job import IndexJob

    index(IndexJob([Path("footage")], Path("lib"), model=Path("encoder.safetensors")), lambda _event: None)
    for command, _ in commands_and_output("operations.md"):
        run(command)
    backup, restore, upgrade, serve, proxied, watch = blocks("operations.md", "sh")
    shell(backup)
    shell("avsearch library remove 'footage/film1.mp4' --library lib")
    told = shell(restore)
    assert "all is well" in told
    assert "3 indexed" in shell("avsearch library status --library restored")
    assert "2 indexed" in shell("avsearch library status --library lib")
    shell(upgrade)
    *before, command = serve.splitlines()
    shell("\n".join(before))
    assert Path("token").stat().st_mode & 0o777 == 0o600
    with served(command) as address:
        until_ready(address)
        told = shell(watch.replace("http://127.0.0.1:8000", address))
    assert '{"live":true}' in told
    assert '"ready":true' in told
    with served(proxied.strip()) as address:
        answer = httpx.get(f"{address}/v1/library", headers={"Host": "footage.example"}, trust_env=False)
        assert answer.status_code == 401
    named = set(re.findall(r"`((?:avsearch|process)_[a-z_]+)`", (DOCS / "operations.md").read_text()))
    assert len(named) > 8
    assert {name for name in named if name not in told} == set()


@pytest.mark.slow
def test_the_requests_of_the_http_page_are_answered_as_it_shows(folder, shell):
    from indexer.build import index
    from indexer.index_job import IndexJob

    index(IndexJob([Path("footage")], Path("lib"), model=Path("encoder.safetensors")), lambda _event: None)
    (send, shown), *more = commands_and_output("http.md")
    with served("avsearch serve --library lib") as address:
        until_ready(address)
        sent = json.loads(shell(send.replace("http://127.0.0.1:8000", address)))
        example = json.loads("".join(shown))
        assert {**sent, "upload_id": "", "expires_in_s": 0} == {**example, "upload_id": "", "expires_in_s": 0}
        told = [
            shell(
                command.replace("http://127.0.0.1:8000", address).replace(example["upload_id"], sent["upload_id"])
            )
            for command, _ in more
        ]
    assert [len(json.loads(answer)["hits"]) for answer in told[:2]] == [1, 3]
    with Image.open("picture.jpg") as picture:
        assert max(picture.size) == 160


def test_every_extra_that_a_page_installs_is_one():
    extras = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md")]
    named = {
        extra
        for page in pages
        for group in re.findall(r"avsearch\[([a-z,]+)\]", page.read_text())
        for extra in group.split(",")
    }
    assert named >= {"cpu", "web"}
    assert named - set(extras) == set()
