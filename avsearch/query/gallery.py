"""Hits as one page that needs nothing else, to be seen and heard in any browser, or sent to someone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import jinja2

from avsearch.media.shown import ShownMedia, Wanted, data_uri, read_shown
from avsearch.moments import SECOND_US, Hit, Progress, Silent
from avsearch.query.asking import Asked

MEDIA_BYTES = 30_000_000
"""Of pictures and sounds together, as they stand in the page; what comes after is named without them."""
_FOLDER = "avsearch.query"
_TOO_MUCH = "left out, or the page would be too large"


@dataclass(frozen=True)
class _Card:
    hit: Hit
    picture: str
    sound: str
    said: str

    @property
    def when(self) -> str:
        return clock(self.hit.start_s)

    @property
    def percent(self) -> str:
        """The length of the score's bar."""
        return f"{100 * min(max(self.hit.score, 0.0), 1.0):.1f}"


@dataclass(frozen=True)
class _Section:
    asked: Asked
    cards: Sequence[_Card]


def gallery_html(answers: Sequence[Asked], progress: Progress | None = None) -> str:
    """The page: a section for each query, a card for each hit.

    Pictures and sounds are read from the files; what cannot be read any more says why.
    """
    wanted = {_wanted(hit) for asked in answers for hit in asked.found.hits}
    shown = read_shown(wanted, progress or Silent())
    room = MEDIA_BYTES
    sections = []
    for asked in answers:
        cards = []
        for hit in asked.found.hits:
            card = _card(hit, shown)
            room -= len(card.picture) + len(card.sound)
            cards.append(card if room >= 0 else _Card(hit, "", "", _TOO_MUCH))
        sections.append(_Section(asked, cards))
    return _template().render(css=_resource("gallery.css"), sections=sections)


def clock(seconds: float) -> str:
    """A time as players show it: `0:07.250`, `1:02:03`."""
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{rest:03d}".rstrip("0").rstrip(".") if rest else text


def _wanted(hit: Hit) -> Wanted:
    return Wanted(hit.path, hit.modality, round(hit.start_s * SECOND_US))


def _card(hit: Hit, shown: Mapping[Wanted, ShownMedia]) -> _Card:
    media = shown[_wanted(hit)]
    picture = data_uri("image/jpeg", media.jpeg) if media.jpeg else ""
    sound = data_uri("audio/wav", media.wav) if media.wav else ""
    return _Card(hit, picture, sound, media.failure)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = _printable
    return environment.get_template("gallery.html.jinja")


def _printable(text: str | Path) -> str:
    return "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in str(text))


def _resource(name: str) -> str:
    return resources.files(_FOLDER).joinpath(name).read_text("utf-8")
