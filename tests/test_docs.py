"""What the pages show is run, command by command and block by block."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.media.clips import tones, write_wav
from tests.tiny import make_film, tiny_weights

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    return filled(tmp_path)


def filled(tmp_path):
    """The current folder, with a picture, a sound, three films with a manifest, and weights."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (72, 96, 3), dtype=np.uint8)).save("still.jpg")
    write_wav(tmp_path / "tone.wav", tones(2.5))
    Path("footage").mkdir()
    rows = ["path,labels,split,kind"]
    for seed in range(3):
        make_film(tmp_path / f"footage/film{seed}.mp4", seed=seed, seconds=4)
        rows.append(f"film{seed}.mp4,,test,{'drum' if seed else 'bell'}")
    Path("footage/manifest.csv").write_text("\n".join(rows) + "\n")
    tiny_weights(tmp_path / "encoder.safetensors")
    return tmp_path


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def run(line, *, everything=False):
    """One command as the page shows it; `cat FILE |` before it is its input. Its results, or all that it says."""
    from avsearch.cli import app

    piped, _, command = line.rpartition(" | ")
    given = Path(piped.removeprefix("cat ")).read_bytes() if piped else None
    words = shlex.split(command)
    assert words[0] == "avsearch"
    done = CliRunner().invoke(app, words[1:], input=given)
    assert done.exit_code == 0, f"{line}\n{done.output}"
    return done.output if everything else done.stdout


@pytest.mark.slow
def test_the_commands_of_the_search_page_do_what_they_say(folder):
    from indexer.build import index
    from indexer.index_job import IndexJob

    index(IndexJob([Path("footage")], Path("lib"), model=Path("encoder.safetensors")), lambda _event: None)
    for name in ("film0.mp4", "film1.mp4"):
        Path(name).symlink_to(Path("footage") / name)
    Path("queries").mkdir()
    Path("queries/still.jpg").write_bytes(Path("still.jpg").read_bytes())
    Path("queries/tone.wav").write_bytes(Path("tone.wav").read_bytes())
    lines = [line[2:] for block in blocks("search.md", "console") for line in block.splitlines()]
    assert len(lines) >= 12
    for line in lines:
        assert run(line).strip(), line
    assert Path("hits.html").read_text().startswith("<!doctype html>")
    assert Path("hits.m3u8").read_text().startswith("#EXTM3U")
    assert Path("hits.edl").read_text().startswith("TITLE: still.jpg")


def test_the_commands_of_the_gpu_page_answer_with_a_gpu_and_without(folder, monkeypatch):
    from indexer.build import index
    from indexer.index_job import IndexJob

    monkeypatch.setenv("AVSEARCH_LIBRARY", str(folder / "lib"))
    index(IndexJob([Path("footage")], Path("lib"), model=Path("encoder.safetensors")), lambda _event: None)
    Path("queries").mkdir()
    Path("queries/still.jpg").write_bytes(Path("still.jpg").read_bytes())
    lines = [line[2:] for block in blocks("gpu.md", "console") for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["doctor", "query", "query", "library"]
    told = [run(line) for line in lines]
    assert "faiss" in told[0]
    assert told[1].count("film") == 3
    assert told[1] == run(lines[1].replace("cuda", "cpu"))
    assert told[2].count("film") == 3


def test_the_gpu_page_installs_what_the_doctor_says():
    from avsearch.doctor.faiss_build import install_command

    page = (DOCS / "gpu.md").read_text()
    assert f"`{install_command('faiss-cpu', {})}`" in page
    for wheel in ("faiss-gpu", "faiss-gpu-cuvs"):
        assert f"`{install_command(wheel, {'faiss-cpu': '1'})}`" in page


@pytest.mark.slow
def test_the_commands_of_the_storage_page_keep_the_vectors_on_s3(folder, object_store, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    if not object_store.has_bucket("archive"):
        object_store.add_bucket("archive")
    shown, _ = blocks("storage.md", "console")
    lines = [line[2:] for line in shown.splitlines()]
    assert len(lines) == 7
    told = {line.split(" --library")[0]: run(line) for line in lines}
    assert told["avsearch query still.jpg --find audio"].count("film") == 3
    assert "in s3://archive/lib" in told["avsearch library status"].replace("\n", "")
    assert len(object_store.objects("lib/", "archive")) == 3
    assert not Path("lib/segments").exists()


@pytest.mark.slow
@pytest.mark.milvus
def test_the_commands_of_the_milvus_page_move_a_library_there_and_back(folder, milvus):
    from indexer.build import index
    from indexer.index_job import IndexJob

    index(
        IndexJob([Path("footage/film0.mp4")], Path("lib"), model=Path("encoder.safetensors")), lambda _event: None
    )
    before = set(milvus.client().list_collections())
    (shown,) = blocks("milvus.md", "console")
    lines = [line[2:].replace("http://127.0.0.1:19530", milvus.uri) for line in shown.splitlines()]
    assert len(lines) == 7
    told, there = {}, []
    for line in lines:
        told[line.split(" --library")[0]] = run(line)
        there.append(len(set(milvus.client().list_collections()) - before))
    assert there == [2, 2, 2, 2, 2, 2, 0]
    assert told["avsearch query still.jpg --find audio"].count("film") == 1
    status = told["avsearch library status"]
    assert milvus.uri in status
    moments = re.findall(r"(image|audio) in milvus +(\d+) of (\d+) moments", status)
    assert [(find, held == there) for find, held, there in moments] == [("image", True), ("audio", True)]


@pytest.mark.slow
def test_the_commands_of_the_storage_page_index_footage_on_s3_and_ask_it(folder, object_store, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    if not object_store.has_bucket("archive"):
        object_store.add_bucket("archive")
    for path in Path("footage").glob("*.mp4"):
        object_store.put(f"footage/{path.name}", path.read_bytes(), "archive")
    _, shown = blocks("storage.md", "console")
    lines = [line[2:] for line in shown.splitlines()]
    assert len(lines) == 7
    told = [run(line) for line in lines]
    of_film = {f"s3://archive/footage/film{number}.mp4" for number in range(3)}
    assert {json.loads(line)["path"] for line in told[2].splitlines()} == of_film
    assert told[3].count("s3://archive/footage/film") == 3
    assert told[4].count("s3://archive/footage/film") == 3
    assert run("avsearch query still.jpg --find audio --library films").count("s3://archive/") == 2


@pytest.mark.slow
def test_the_examples_of_the_python_page_run_one_after_another(folder, capsys):
    names = {}
    for block in blocks("api.md", "python"):
        exec(compile(block, "api.md", "exec"), names)
    told = capsys.readouterr().out
    assert "3 files; 0 could not be read" in told
    assert "5 hits" in told
    assert "there is no such file" in told


def test_every_public_name_is_there_and_described():
    import avsearch

    page = (DOCS / "api.md").read_text()
    for name in avsearch.__all__:
        assert getattr(avsearch, name) is not None
        assert name in dir(avsearch)
    assert sorted(
        re.findall(r"^::: avsearch\.(\w+)$", (DOCS / "reference.md").read_text(), re.MULTILINE)
    ) == sorted(avsearch.__all__)
    jobs = [name for name in avsearch.__all__ if name.islower() and not name.startswith("parse_")]
    assert [name for name in jobs if f"`{name}(" not in page] == []


@pytest.mark.postgres
@pytest.mark.slow
def test_the_commands_for_several_machines_make_one_library_together(folder, postgres_database):
    """The second one is run twice at once, in processes of their own."""
    for number, film in enumerate(sorted(folder.glob("footage/*.mp4"))):
        day = folder / f"footage/day{number + 1}"
        day.mkdir()
        film.rename(day / film.name)
    page = (DOCS / "library.md").read_text().split("### Several machines at once")[1]
    lines = [line.removeprefix("$ ") for line in re.findall(r"^\$ .+", page, re.MULTILINE)]
    first, second, third = (line.replace("postgresql:///avsearch", postgres_database) for line in lines)
    run(first)
    words = [sys.executable, "-m", *shlex.split(second, comments=True), "--json"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(DOCS.parent), *filter(None, sys.path)])}
    machines = [subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    ended = [json.loads(machine.communicate(timeout=240)[0].splitlines()[-1]) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0]
    assert sum(one["indexed"] for one in ended) == 2
    assert [one["indexed"] + one["elsewhere"] + one["unchanged"] for one in ended] == [3, 3]
    status = run(third.partition("#")[0])
    assert re.search(r"files +3 indexed", status)
