"""The site builds without a warning, every page and link leads somewhere, and nothing comes from another host."""

import os
import re
import subprocess
import sysconfig
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
LOADED = {"src", "srcset", "data", "poster", "action"}
SHEETS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest", "modulepreload"}


class Page(HTMLParser):
    """Its anchors, what it links to, and what a browser loads for it by itself."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded, self.classes = {""}, [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.classes |= set(given.get("class", "").split())
        self.loaded += [value for name, value in given.items() if name in LOADED]
        if tag == "link" and SHEETS & set(given.get("rel", "").split()):
            self.loaded.append(given["href"])
        elif "href" in given:
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site that was built."""
    folder = tmp_path_factory.mktemp("site")
    command = [Path(sysconfig.get_path("scripts"), "mkdocs"), "build", "--strict", "--site-dir", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def test_every_page_is_built_and_stands_in_the_menu(site, pages):
    names = {path.with_suffix(".html").name for path in (ROOT / "docs").glob("*.md")}
    assert len(names) > 20
    menu = {urlsplit(link).path for link in pages[site / "index.html"].links}
    assert names - menu == set()
    assert names == {path.relative_to(site).as_posix() for path in pages}


def test_no_link_leads_to_a_place_that_is_not_there(pages):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in {"http", "https", "mailto"}:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists() or (there in pages and unquote(parts.fragment) not in pages[there].anchors):
                lost.append(f"{path.name}: {link}")
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert lost == []


def test_nothing_is_loaded_from_another_host(site, pages):
    elsewhere = [
        f"{path.name}: {link}"
        for path, page in pages.items()
        for link in page.loaded
        if urlsplit(link).netloc or urlsplit(link).scheme not in {"", "data"}
    ]
    assert elsewhere == []
    sheets = list(site.rglob("*.css"))
    assert len(sheets) > 1
    assert [path.name for path in sheets if re.search(r"url\(['\"]?(https?:)?//|@import", path.read_text())] == []
    assert [path.name for path, page in pages.items() if "mermaid" in page.classes] == []  # would fetch a script


def test_pictures_in_the_site_are_all_described(pages):
    for path in pages:
        for picture in re.findall(r"<img [^>]*>", path.read_text()):
            assert re.search(r'alt="[^"]+"', picture), f"{path.name}: {picture}"
