"""The application as a whole: its document, the page's files, what it tells about itself, the command."""

import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from avsearch.catalog import Catalog
from avsearch.library import open_library
from tests.cli.command import environment, here
from tests.models import tiny
from tests.web.serving import running


def test_the_document_says_which_errors_there_are_and_what_needs_the_token(server):
    document = server.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.")
    search = document["paths"]["/v1/search"]["post"]
    assert {"200", "400", "401", "403", "404", "409", "413", "421", "422", "503"} <= set(search["responses"])
    assert search["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("ErrorBody")
    guarded = [
        (path, method)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security")
    ]
    assert guarded == [("/v1/media/{media_id}", "delete"), ("/v1/index", "post")]
    assert not any(path.startswith(("/static", "/local")) for path in document["paths"])


@pytest.mark.slow
def test_the_page_and_its_files_come_with_types_and_etags(server):
    page = server.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = set(re.findall(r'(?:src|href)="/static/([^"?]+)', page.text))
    assert named
    for name in named:
        answer = server.get(f"/static/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "no-cache"
        known = server.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
    for name in ("", "nothing.js", "../app.py", "..%2fapp.py", "/etc/passwd", "%2e%2e/wire.py"):
        assert server.get(f"/static/{name}").status_code == 404


def test_scripts_of_the_page_are_sent_as_scripts(server):
    for name, content_type in (
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
    ):
        assert server.get(f"/static/{name}").headers["content-type"] == content_type


def test_what_there_is_not_is_said_as_json(server):
    for method, path, status in (("GET", "/nowhere", 404), ("PUT", "/v1/library", 405), ("GET", "/docs", 404)):
        answer = server.client.request(method, path)
        assert (answer.status_code, set(answer.json()["error"])) == (status, {"message", "hint"})


def test_every_request_is_a_line_of_json_without_what_was_asked_for(made_library, footage, tmp_path, capsys):
    with running(made_library, tmp_path / "cache") as server:
        capsys.readouterr()
        upload = server.upload(footage / "still.png")
        server.search("audio", {"upload_id": upload}, where="label=drum")
        server.get("/?token=a-secret-that-nobody-may-see")
        server.get("/v1/%1b[31mred%0a")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    answered = [line for line in lines if line["event"] == "request"]
    requests = [line for line in answered if line["path"] != "/health/ready"]  # the test's own, before
    assert [(it["method"], it["status"]) for it in requests] == [
        ("POST", 201),
        ("POST", 200),
        ("GET", 401),
        ("GET", 404),
    ]
    query = requests[1]
    assert query["stages_ms"].keys() >= {"queue", "decode", "encode", "filter", "search", "describe"}
    assert (query["find"], query["hits"]) == ("audio", 2)
    assert "drum" not in json.dumps(lines)
    assert "secret" not in json.dumps(lines)
    assert len({it["request_id"] for it in requests}) == 4


def test_prometheus_reads_requests_stages_and_the_size_of_the_library(server, footage, made_library):
    server.search("audio", {"upload_id": server.upload(footage / "still.png")})
    server.get("/nowhere/1")
    text = server.get("/metrics").text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(figures['avsearch_requests_total{method="POST",route="/v1/search",status="200"}']) >= 1
    assert float(figures['avsearch_requests_total{method="GET",route="other",status="404"}']) >= 1
    assert float(figures['avsearch_stage_seconds_count{stage="decode"}']) >= 1
    assert float(figures["avsearch_library_ready"]) == 1
    status = open_library(made_library).catalog.status()
    for kind, count in status.media.items():
        assert float(figures[f'avsearch_library_media{{kind="{kind}"}}']) == count
    for modality, count in status.moments.items():
        assert float(figures[f'avsearch_library_moments{{modality="{modality}"}}']) == count
    assert not any("nowhere" in name for name in figures)


def test_every_answer_says_how_long_it_took(server):
    for path in ("/v1/library", "/", "/nowhere"):
        assert re.search(r"total;dur=[0-9.]+", server.get(path).headers["server-timing"])


def test_an_error_that_nobody_thought_of_is_told_without_its_reasons(made_library, tmp_path, monkeypatch, capsys):
    def fail(catalog):
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(Catalog, "label_counts", fail)
    with running(made_library, tmp_path / "cache") as server:
        answer = server.get("/v1/labels")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    failed = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"failed"' in line]
    assert failed[0]["request_id"] == answer.headers["x-request-id"]
    assert "a secret of the house" in failed[0]["error"]


@pytest.fixture
def localizing_library(own_library, tmp_path):
    import torch

    from avsearch.models.avol import AVOLNet

    torch.manual_seed(0)
    path = tmp_path / "localizer.safetensors"
    tiny.save(path, tiny.shaken(AVOLNet(tiny.WIDTHS)), architecture="avol")
    with open_library(own_library).writer() as writer:
        writer.set_localizer(path)
    return own_library


@pytest.mark.slow
def test_a_heat_map_is_what_the_localizer_says_itself(localizing_library, own_footage, tmp_path):
    import io

    from avsearch import media
    from avsearch.front_end import padded_second
    from avsearch.localize import heat_map, load_localizer
    from avsearch.media.thumbnail import frame_at
    from avsearch.moments import Span

    library = open_library(localizing_library)
    localizer = load_localizer(library.localizer_path(), "cpu")
    film, sound = own_footage / "one.mp4", own_footage / "tones.wav"
    frame = frame_at(film, media.probe(film), 1_500_000, short_side=localizer.front_end.short_side).rgb
    waveform = media.read_sound(sound, media.probe(sound), Span(1_000_000, 2_000_000))
    heat = heat_map(localizer, frame, padded_second(waveform))
    media_id = library.catalog.media_of_paths([film])[film]
    with running(localizing_library, tmp_path / "cache") as server:
        upload = server.upload(sound)
        asked = {"picture": f"moment:{media_id}:audio:1000000", "sound": f"upload:{upload}@1.0", "size": 96}
        answer = server.get("/v1/heatmap", params=asked)
        assert server.get("/v1/library").json()["localizer"]["architecture"] == "avol"
        unknown = server.get("/v1/heatmap", params=asked | {"sound": "upload:" + "A" * 20})
        silent = server.get("/v1/heatmap", params=asked | {"sound": f"upload:{upload}@60"})
    assert answer.headers["content-type"] == "image/png"
    x, y, probability = map(float, answer.headers["x-peak"].split(","))
    assert (x, y, probability) == pytest.approx((heat.peak.x, heat.peak.y, heat.probability), abs=1e-3)
    overlay = Image.open(io.BytesIO(answer.content))
    assert (overlay.mode, overlay.size) == ("RGBA", (96, 72))
    assert np.asarray(overlay)[..., 3].std() > 0
    assert (unknown.status_code, silent.status_code) == (404, 422)


def test_without_a_localizer_the_command_that_gives_one_is_named(server, media_ids):
    film = f"moment:{media_ids['one.mp4']}:image:0"
    answer = server.get("/v1/heatmap", params={"picture": film, "sound": film})
    assert answer.status_code == 409
    assert "avsearch library set-localizer" in answer.json()["error"]["hint"]
    told = server.get("/v1/library").json()
    assert told["localizer"] is None
    assert "set-localizer" in told["localizer_hint"]


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_stop(made_library, footage, tmp_path):
    import shutil

    import httpx

    library = shutil.copytree(made_library, tmp_path / "library", ignore=shutil.ignore_patterns("*.sock"))
    command = [sys.executable, "-m", "avsearch", "serve", "--library", library, "--port", "0", "--device", "cpu"]
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "AVSEARCH_TOKEN": "", "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**variables)
    ) as process:
        line = process.stdout.readline()
        url = re.fullmatch(r"Serving on (http://127\.0\.0\.1:\d+/)\n", line)[1]
        assert httpx.get(f"{url}health/live", trust_env=False).json() == {"live": True}
        assert (library / "serve.sock").exists()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not (library / "serve.sock").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_command_refuses_what_it_cannot_serve_with_one_sentence(made_library, tmp_path, monkeypatch):
    import socket

    monkeypatch.delenv("AVSEARCH_TOKEN", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, code, words in (
            (["--host", "0.0.0.0"], 2, "AVSEARCH_TOKEN"),
            (["--port", port], 1, "cannot be listened on"),
            (["--host", "no.such.host.invalid", "--token-file", _token(tmp_path)], 1, "cannot be listened on"),
            (["--library", tmp_path / "nowhere"], 1, "no library here"),
            (["--token-file", tmp_path / "nowhere"], 1, "there is no such file"),
        ):
            done = here("serve", "--library", made_library, *arguments)
            assert (done[0], words in done[2]) == (code, True), done


def _token(folder):
    (folder / "token").write_text("a-token-for-tests-0123456789\n")
    return folder / "token"


def test_serving_without_its_packages_names_the_extra(made_library, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [name for name in sys.modules if name.startswith("avsearch.web.serving")]:
        monkeypatch.delitem(sys.modules, name)
    code, _, errors = here("serve", "--library", made_library)
    assert (code, "avsearch[web]" in errors) == (1, True)
