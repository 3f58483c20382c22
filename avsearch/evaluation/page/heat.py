"""Heat maps: where in a frame a network hears a sound, with the item's own sound and with another's beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsearch.errors import MediaError
from avsearch.evaluation.page.gallery import ShownMoment, shown_moment
from avsearch.evaluation.results import Evaluation
from avsearch.front_end import padded_second
from avsearch.localize import peak, probabilities
from avsearch.localize.drawing import coloured, ringed, spread
from avsearch.media import probe, read_frames, read_sound
from avsearch.media.shown import data_uri, jpeg_of, wav_of, why
from avsearch.moments import SECOND_US, Modality, Span

if TYPE_CHECKING:
    from avsearch.localize import Localizer

ITEMS_SHOWN = 4
SHOWN_PX = 240  # about the short side of what is shown
_STREAM = 4  # of random numbers, which items are drawn by
_SHARE_OF_MAP = 0.62  # the rest is the frame, in grey

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class HeatPair:
    """One frame asked with two sounds; what is empty could not be read, as `failure` says.

    Attributes:
        seen: the frame.
        heard: the sound of another item, which shares no label.
        frame: the frame as a data URI; `own` and `other` likewise, with the maps over it.
        own_sound: the sound as a data URI; `other_sound` likewise.
        own_peak: the highest probability of the map; `other_peak` likewise.
        lowest: the probability that is darkest in both maps; `highest`: that which is brightest.
    """

    seen: ShownMoment
    heard: ShownMoment
    frame: str = ""
    own: str = ""
    other: str = ""
    own_sound: str = ""
    other_sound: str = ""
    own_peak: float = 0.0
    other_peak: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    failure: str = ""


def heat_pairs(evaluation: Evaluation, localizer: Localizer, *, seed: int) -> list[HeatPair]:
    """Ask about a few items, which a seed draws, of different labels as far as there are."""
    return [_pair(localizer, one, other) for one, other in _drawn_pairs(evaluation, seed)]


def overlay(frame: Pixels, shares: NDArray[np.float64]) -> Pixels:
    """A map over its frame in grey, its highest place ringed; the lowest places are seen as well.

    Args:
        frame: (H, W, 3) uint8.
        shares: (h, w) in [0, 1]; place (i, j) covers the pixels from (16 i, 16 j) on.
    """
    enlarged = Image.fromarray(_enlarged(frame))
    colours = coloured(spread(shares, frame=(frame.shape[1], frame.shape[0]), size=enlarged.size))
    grey = np.asarray(enlarged.convert("L"))[..., None]
    mixed = Image.fromarray(np.round(_SHARE_OF_MAP * colours + (1 - _SHARE_OF_MAP) * grey).astype(np.uint8))
    ringed(mixed, peak(shares, frame.shape))
    return np.asarray(mixed)


def shares_of(log_odds: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-odds of any shape -> [0, 1], from the lowest to the highest of all; 0 where all are alike."""
    exact = log_odds.astype(np.float64)
    reach = float(np.ptp(exact))
    return (exact - exact.min()) / reach if reach else np.zeros_like(exact)


def _enlarged(frame: Pixels) -> Pixels:
    """A small frame as many times as large as makes it good to look at."""
    times = max(round(SHOWN_PX / min(frame.shape[:2])), 1)
    size = (frame.shape[1] * times, frame.shape[0] * times)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def _drawn_pairs(
    evaluation: Evaluation, seed: int
) -> Iterator[tuple[ShownMoment, tuple[ShownMoment, ShownMoment]]]:
    """(the frame, (its own second, another's))."""
    moments = {modality: _middle_moments(evaluation, modality) for modality in Modality}
    both = sorted(moments[Modality.IMAGE].keys() & moments[Modality.AUDIO].keys())
    order = [both[it] for it in np.random.default_rng([seed, _STREAM]).permutation(len(both))]
    labels = evaluation.items.labels
    for item in _of_different_labels(order, labels):
        place = order.index(item)
        partner = next((it for it in order[place:] + order[:place] if not labels[it] & labels[item]), None)
        if partner is not None:
            image, *sounds = (
                shown_moment(evaluation, it, modality, moments[modality][it])
                for it, modality in ((item, Modality.IMAGE), (item, Modality.AUDIO), (partner, Modality.AUDIO))
            )
            yield image, (sounds[0], sounds[1])


def _middle_moments(evaluation: Evaluation, modality: Modality) -> dict[int, int]:
    """When the middle moment of each item begins."""
    vectors = evaluation.items.vectors.get(modality)
    if vectors is None:
        return {}
    items, first, count = np.unique(vectors.item, return_index=True, return_counts=True)
    middle = vectors.start_us[first + count // 2]
    return dict(zip(items.tolist(), middle.tolist(), strict=True))


def _of_different_labels(order: Sequence[int], labels: Sequence[frozenset[str]]) -> list[int]:
    """The first few, those whose labels were not there yet before the others."""
    first = list({labels[item]: item for item in reversed(order)}.values())[::-1]
    return [*first, *(item for item in order if item not in first)][:ITEMS_SHOWN]


def _pair(localizer: Localizer, image: ShownMoment, sounds: tuple[ShownMoment, ShownMoment]) -> HeatPair:
    path: Path = image.wanted.path
    try:
        frame = _read_frame(image, localizer)
        waveforms = []
        for sound in sounds:
            path = sound.wanted.path
            waveforms.append(_read_second(sound))
    except (MediaError, OSError) as error:
        return HeatPair(image, sounds[1], failure=f"{image.name}: {why(error, path)}")
    log_odds = np.concatenate(localizer.answers(frame[None], [waveform[None] for waveform in waveforms]))
    own, other = shares_of(log_odds)
    chances = probabilities(log_odds)
    return HeatPair(
        seen=image,
        heard=sounds[1],
        frame=_jpeg_uri(_enlarged(frame)),
        own=_jpeg_uri(overlay(frame, own)),
        other=_jpeg_uri(overlay(frame, other)),
        own_sound=data_uri("audio/wav", wav_of(waveforms[0])),
        other_sound=data_uri("audio/wav", wav_of(waveforms[1])),
        own_peak=float(chances[0].max()),
        other_peak=float(chances[1].max()),
        lowest=float(chances.min()),
        highest=float(chances.max()),
    )


def _read_frame(moment: ShownMoment, localizer: Localizer) -> Pixels:
    """(H, W, 3) uint8 in the scale of training."""
    path, start_us = moment.wanted.path, moment.wanted.start_us
    frames = read_frames(path, probe(path), [start_us], short_side=localizer.front_end.short_side, num_threads=1)
    frame = next(frames, None)
    if frame is None:
        raise MediaError(f"{path}: no frame can be decoded here.")
    return np.asarray(frame.rgb)


def _read_second(moment: ShownMoment) -> NDArray[np.float32]:
    path, start_us = moment.wanted.path, moment.wanted.start_us
    return np.asarray(padded_second(read_sound(path, probe(path), Span(start_us, start_us + SECOND_US))))


def _jpeg_uri(pixels: Pixels) -> str:
    return data_uri("image/jpeg", jpeg_of(pixels))
