"""`avsearch query` as it is typed."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.command import avsearch, here, objects


def test_a_table_has_a_bar_for_each_score(made_library, films):
    code, out, _ = here("query", films / "top.mp4", "--find", "image", "--library", made_library)
    assert code == 0
    head, *rows = out.splitlines()
    assert head.split() == ["rank", "score", "start", "path"]
    scores = [float(row.split()[1]) for row in rows]
    bars = [row.count("█") for row in rows]
    assert len(rows) == 4
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == pytest.approx(10 * scores[0], abs=1)


def test_json_begins_with_the_fields_that_are_fixed(made_library, films):
    code, out, _ = here("query", films / "top.mp4", "--find", "audio", "--json", "--library", made_library)
    assert code == 0
    fixed = ["rank", "score", "path", "media_id", "moment_id", "modality", "start_s", "end_s"]
    for record in objects(out):
        assert list(record)[:8] == fixed
        assert record["from_s"] <= record["start_s"] <= record["end_s"] <= record["to_s"] <= record["duration_s"]


def test_a_hit_asks_for_more_like_it(made_library, films):
    _, out, _ = here("query", films / "a/one.mp4", "--find", "audio", "--json", "--library", made_library)
    moment_id = objects(out)[0]["moment_id"]
    code, out, _ = here("query", "--like", moment_id, "--find", "audio", "--json", "--library", made_library)
    assert code == 0
    assert objects(out)[0]["moment_id"] == moment_id
    assert objects(out)[0]["score"] > 0.999
    code, out, _ = here(
        "query", "--like", moment_id, "--find", "audio", "--exclude-self", "--json", "--library", made_library
    )
    assert moment_id not in {it["moment_id"] for it in objects(out)}


def test_what_is_far_from_a_file_comes_last(made_library, films):
    top, one = films / "top.mp4", films / "a/one.mp4"
    asked = ["--by", "audio", "--minus", f"{one}*0.9", "--find", "audio", "--json"]
    _, out, _ = here("query", top, *asked, "--library", made_library)
    names = [Path(it["path"]).name for it in objects(out)]
    assert names[0] == "top.mp4"
    assert names[-1] == "one.mp4"


def test_a_path_that_ends_like_a_weight_is_a_path(made_library, films, tmp_path):
    odd = tmp_path / "take*2"
    shutil.copyfile(films / "top.mp4", odd)
    code, _, told = here("query", "--plus", odd, "--find", "audio", "--library", made_library)
    assert (code, told) == (0, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--find", "image"], "nothing to ask with"),
        (["--like", "7", "--find", "image"], "names no moment"),
        (["--minus", "FILM", "--find", "image"], "nothing to ask with"),
        (["FILM", "--crop", "0,0,1", "--find", "image"], "no part of a picture"),
        (["FILM", "--crop", "0.5,0,0.4,1", "--find", "image"], "no part of a picture"),
        (["--like", "1:image:0", "--crop", "0,0,1,1", "--find", "image"], "--crop cuts a file"),
        (["FILM", "--find", "image", "--where", "colour=red"], "colour"),
        (["FILM", "--find", "image", "--json", "--m3u", "-"], "Only one thing"),
        (["FILM", "--find", "image", "--html", "/nowhere/hits.html"], "no such folder"),
    ],
)
def test_a_question_that_means_nothing_is_wrong_usage(made_library, films, words, told):
    words = [str(films / "top.mp4") if word == "FILM" else word for word in words]
    code, out, errors = here("query", *words, "--library", made_library)
    assert (code, out) == (2, "")
    assert told in errors


def test_a_folder_asks_with_each_of_its_files(made_library, films, tmp_path):
    queries = tmp_path / "queries"
    queries.mkdir()
    Image.new("RGB", (90, 60), "teal").save(queries / "b.png")
    shutil.copyfile(films / "top.mp4", queries / "c.mp4")
    (queries / "a.wav").write_bytes(b"RIFF, but no more than that")
    code, out, told = here("query", queries, "--find", "image", "-k", 2, "--json", "--library", made_library)
    assert code == 3
    assert "1 file could not ask" in told
    assert "a.wav" in told
    asked = [Path(it["query"]).name for it in objects(out)]
    assert asked == ["b.png", "b.png", "c.mp4", "c.mp4"]


def test_a_manifest_asks_with_its_rows(made_library, films, tmp_path):
    manifest = tmp_path / "queries.csv"
    manifest.write_text(f"path,labels,split\n{films / 'top.mp4'},,test\n{films / 'a/two.mp4'},,test\n")
    code, out, _ = here("query", manifest, "--find", "audio", "-k", 1, "--json", "--library", made_library)
    assert code == 0
    assert [Path(it["query"]).name for it in objects(out)] == ["top.mp4", "two.mp4"]


def test_a_playlist_can_go_to_stdout(made_library, films):
    code, out, _ = here("query", films / "top.mp4", "--find", "audio", "--m3u", "-", "--library", made_library)
    assert code == 0
    assert out.startswith("#EXTM3U\n")
    assert len(re.findall(r"^file://", out, re.MULTILINE)) == 4
    assert "rank" not in out


@pytest.mark.slow
def test_lists_and_pages_are_written_beside_the_table(made_library, films, tmp_path):
    html, edl = tmp_path / "hits.html", tmp_path / "hits.edl"
    code, out, told = here(
        "query", films / "top.mp4", "--find", "audio", "--html", html, "--edl", edl, "--library", made_library
    )
    assert code == 0
    assert out.splitlines()[0].startswith("rank")
    assert f"Written: {html}" in told
    assert html.read_text().count("<li class") == 4
    assert edl.read_text().count("* FROM CLIP NAME") == 4


def test_what_is_piped_in_asks(made_library, films):
    from typer.testing import CliRunner

    from avsearch.cli import app

    words = ["query", "-", "--find", "audio", "--by", "audio", "--json", "--library", str(made_library)]
    done = CliRunner().invoke(app, words, input=(films / "top.mp4").read_bytes())
    assert done.exit_code == 0
    first = json.loads(done.stdout.splitlines()[0])
    assert Path(first["path"]).name == "top.mp4"
    assert first["score"] > 0.9


@pytest.mark.slow
def test_as_a_user_runs_it_pictures_can_be_drawn_as_text(made_library, films):
    code, out, _ = avsearch(
        "query",
        films / "top.mp4",
        "--by",
        "image",
        "--find",
        "image",
        "-k",
        1,
        "--thumbnails",
        "--library",
        made_library,
    )
    assert code == 0
    assert out.count("▀") > 50
    assert re.search(r"1 +[\d.]+ █+.*top\.mp4@", out)
