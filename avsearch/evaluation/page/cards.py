"""The gallery as the template lays it out; what would make the page too large is left out, and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from avsearch.evaluation.page.gallery import ShownAnswer, ShownHit, ShownMoment, ShownQuery
from avsearch.evaluation.page.heat import HeatPair
from avsearch.media.shown import ShownMedia, Wanted, data_uri
from avsearch.moments import SECOND_US, Modality

MEDIA_BYTES = 7_500_000
"""Of pictures and sounds together, as they stand in the page: tables and figures stay below 2.5 MB."""
_TOO_LARGE = "left out, or the page would be too large"


@dataclass(frozen=True)
class Card:
    """A moment: `picture` and `sound` are data URIs or empty; `said` is why one is missing."""

    name: str
    labels: str
    when: str
    is_sound: bool
    picture: str
    sound: str
    said: str


@dataclass(frozen=True)
class HitCard:
    """A hit with its rank and score."""

    card: Card
    rank: int
    score: str
    is_right: bool


@dataclass(frozen=True)
class AnswerCard:
    """What one system answered."""

    system: str
    ndcg: str
    hits: tuple[HitCard, ...]


@dataclass(frozen=True)
class QueryCard:
    """A query and its answers."""

    card: Card
    answers: tuple[AnswerCard, ...]


class Room:
    """How many bytes of media still fit."""

    def __init__(self, left: int = MEDIA_BYTES) -> None:
        self._left = left

    def fits(self, *uris: str) -> bool:
        """Take up the room of all, or of none."""
        size = sum(map(len, uris))
        if size > self._left:
            return False
        self._left -= size
        return True

    def heat(self, pair: HeatPair) -> HeatPair:
        """The same, or without its pictures and sounds."""
        if self.fits(pair.frame, pair.own, pair.other, pair.own_sound, pair.other_sound):
            return pair
        return replace(pair, frame="", own="", other="", own_sound="", other_sound="", failure=_TOO_LARGE)


class Cards:
    """Makes cards of what was read, as long as there is room."""

    def __init__(self, media: Mapping[Wanted, ShownMedia], room: Room) -> None:
        self._media = media
        self.room = room

    def query(self, query: ShownQuery) -> QueryCard:
        return QueryCard(self._card(query.moment), tuple(map(self._answer, query.answers)))

    def _answer(self, answer: ShownAnswer) -> AnswerCard:
        return AnswerCard(answer.system, f"{answer.ndcg:.3f}", tuple(map(self._hit, answer.hits)))

    def _hit(self, hit: ShownHit) -> HitCard:
        return HitCard(self._card(hit.moment), hit.rank, f"{hit.score:.3f}", hit.is_right)

    def _card(self, moment: ShownMoment) -> Card:
        media = self._media[moment.wanted]
        picture = data_uri("image/jpeg", media.jpeg) if media.jpeg else ""
        sound = data_uri("audio/wav", media.wav) if media.wav else ""
        said = media.failure
        if not self.room.fits(picture, sound):
            picture = sound = ""
            said = _TOO_LARGE
        is_sound = moment.wanted.modality is Modality.AUDIO
        if is_sound and not picture and not said:
            said = "a sound without a picture"
        return Card(moment.name, ", ".join(moment.labels), _when(moment.wanted), is_sound, picture, sound, said)


def _when(wanted: Wanted) -> str:
    start_s = wanted.start_us / SECOND_US
    if wanted.modality is Modality.IMAGE:
        return f"at {start_s:.2f} s"
    return f"{start_s:.2f} to {start_s + 1:.2f} s"
