"""Chromium, a library whose contents are known, and a server of it; skipped without a browser, unless required."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from avsearch.library import open_library
from avsearch.models.avol import AVOLNet
from avsearch.web.settings import Settings
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import ffmpeg, make_clip, write_wav
from tests.models import tiny
from tests.tiny import make_film
from tests.web import serving
from tests.web.browser.desk import Desk
from tests.web.serving import TOKEN

REQUIRED = "AVSEARCH_REQUIRE_BROWSER"
HOSTILE_NAME = "<img src=x onerror=alert(1)>.mp4"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
]


def missing(what):
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what}, and {REQUIRED} is set")
    pytest.skip(what)


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, headless."""
    program = shutil.which("chromium")
    if program is None:
        missing("chromium is not installed")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """What is indexed: films, one whose second k is a tone of 300 (k + 1) Hz, a sound, a picture, a broken file."""
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "tones.mp4", frames=100, seconds=4)
    (folder / "tones.tones.wav").unlink()
    for seed, name in enumerate(["bell.mp4", "drum.mp4", HOSTILE_NAME]):
        make_film(folder / name, seed=seed, seconds=3)
    rng = np.random.default_rng(0)
    write_wav(folder / "rain.wav", (rng.normal(size=48_000 * 2) * 0.2).clip(-1, 1).astype(np.float32))
    Image.fromarray(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)).save(folder / "noise.png")
    (folder / "broken.mp4").write_bytes(b"no film")
    return folder


@pytest.fixture(scope="session")
def asked(clips, tmp_path_factory):
    """What is asked with: a frame of drum.mp4, the third second of tones.mp4, a film and what is no media."""
    folder = tmp_path_factory.mktemp("asked")
    ffmpeg("-i", clips / "drum.mp4", "-frames:v", 1, folder / "still.png")
    ffmpeg("-i", clips / "tones.mp4", "-vn", "-af", "atrim=2:3,asetpts=PTS-STARTPTS", folder / "third.wav")
    shutil.copy(clips / "drum.mp4", folder / "film.mp4")
    (folder / "letter.png").write_bytes(b"Dear Sir or Madam")
    return folder


@pytest.fixture(scope="session")
def localizer_weights(tmp_path_factory):
    torch.manual_seed(0)
    net = tiny.shaken(AVOLNet(tiny.WIDTHS))
    path = tmp_path_factory.mktemp("localizer") / "localizer.safetensors"
    tiny.save(path, net, architecture="avol")
    return path


@pytest.fixture(scope="session")
def indexed(clips, weights, tmp_path_factory):
    """A library of the clips with labels, without a localizer; never changed and never served."""
    manifest = tmp_path_factory.mktemp("manifest") / "clips.csv"
    rows = [f"{clips / 'bell.mp4'},bell;metal,train", f"{clips / 'drum.mp4'},drum,train"]
    manifest.write_text("\n".join(["path,labels,split", *rows]) + "\n")
    place = tmp_path_factory.mktemp("indexed") / "library"
    index(IndexJob([clips], place, model=weights, manifest=manifest), lambda _event: None)
    return place


@pytest.fixture(scope="module")
def library(indexed, localizer_weights, tmp_path_factory):
    """A library of the clips that has a localizer."""
    place = shutil.copytree(indexed, tmp_path_factory.mktemp("served") / "library")
    with open_library(place).writer() as writer:
        writer.set_localizer(localizer_weights)
    return place


@pytest.fixture(scope="module")
def server(library, tmp_path_factory):
    """A server of that library, for all tests of a file."""
    with serving.running(library, tmp_path_factory.mktemp("cache"), token=TOKEN) as server:
        yield server


@pytest.fixture
def own_server(indexed, tmp_path, monkeypatch):
    """Starts servers of a library of the test's own, which has no localizer: `own_server(**settings)`."""
    place = shutil.copytree(indexed, tmp_path / "library")

    def start(*, port=0, **settings):
        monkeypatch.setattr(serving, "Settings", lambda **given: Settings(**given | {"port": port}))
        return serving.running(place, tmp_path / "cache", **settings)

    return start


@pytest.fixture
def open_desk(chromium):
    """Opens the page of a server, as one person's browser; fails afterwards if anything went wrong in it unseen."""
    desks = []

    def open_(server, *, path="", pages_of=None, **options):
        options = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"} | options
        context = chromium.new_context(permissions=["microphone", "clipboard-read", "clipboard-write"], **options)
        desk = Desk(context.new_page(), server.url)
        desks.append(desk)
        if pages_of:
            desk.show_pages_of(pages_of)
        desk.open(path)
        return desk

    yield open_
    problems = [problem for desk in desks for problem in desk.problems]
    for desk in desks:
        desk.page.context.close()
    assert problems == []


@pytest.fixture
def desk(open_desk, server):
    """The page of the common server."""
    return open_desk(server)


@pytest.fixture
def page_folder():
    return Path(__file__).parents[3] / "avsearch" / "web" / "page"
