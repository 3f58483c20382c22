"""Truth: what a reader of HTML finds in the page."""

from html.parser import HTMLParser

import pytest

from avsearch.moments import Modality
from avsearch.query.asking import Asked, Found
from avsearch.query.gallery import clock, gallery_html
from tests.media.clips import make_clip
from tests.query.test_lists import hit


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if data.strip():
            self.text.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page(*hits, text="still.jpg", find=Modality.AUDIO, num_duplicates=0):
    return Page(gallery_html([Asked(text, find, Found(hits, num_duplicates, {}))]))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=75, seconds=3)


def test_a_sound_can_be_heard_and_its_frame_seen(clip):
    found = page(hit(1, clip, 1.0, duration_s=3.0))
    [picture], [sound] = found.all("img"), found.all("audio")
    assert picture["src"].startswith("data:image/jpeg;base64,")
    assert sound["src"].startswith("data:audio/wav;base64,")
    assert "Frame beside the sound of clip.mp4 at 0:01" in picture["alt"]
    assert "0.500" in found.text


def test_a_picture_has_no_player(clip):
    found = page(hit(1, clip, 1.0, modality=Modality.IMAGE, duration_s=3.0), find=Modality.IMAGE)
    assert found.all("img")
    assert not found.all("audio")


def test_a_file_that_is_gone_says_so(tmp_path):
    found = page(hit(1, tmp_path / "gone.mp4", 1.0))
    assert any("no such file" in text for text in found.text)


def test_a_page_without_hits_says_what_to_do():
    assert any("Nothing was found" in text for text in page().text)


def test_hidden_copies_are_counted(clip):
    assert any("3 near-duplicates" in text for text in page(hit(1, clip, 0.0), num_duplicates=3).text)


def test_names_are_text_and_never_markup(tmp_path):
    name = "<img src=x onerror=alert(1)>.mp4"
    found = page(hit(1, tmp_path / name, 0.0), text="<script>alert(1)</script>")
    assert not found.all("script")
    assert not found.all("img")
    assert any(name in text for text in found.text)


def test_the_page_asks_the_network_for_nothing(clip):
    html = gallery_html([Asked("x", Modality.AUDIO, Found((hit(1, clip, 1.0),), 0, {}))])
    policy = next(it for it in Page(html).all("meta") if it.get("http-equiv"))
    assert policy["content"].startswith("default-src 'none'")
    assert "http:" not in html
    assert "https:" not in html


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (7.25, "0:07.25"), (61, "1:01"), (3723.5, "1:02:03.5"), (59.9999, "1:00")]
)
def test_times_are_shown_as_players_do(seconds, shown):
    assert clock(seconds) == shown
