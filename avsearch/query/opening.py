"""A library is asked once, its encoder loaded while the file is decoded, or many times, with all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch.library import Library, open_nearby
from avsearch.moments import Hit, Modality
from avsearch.query.asking import Found, Query, Source, Term
from avsearch.query.devices import Hold, held_on, mapped_rows, on_cards, settled_for_one
from avsearch.query.embedding import Encodes
from avsearch.query.ranking import Mapped, Searchable
from avsearch.query.session import Session, weights_in
from avsearch.vectors.backend import load_faiss
from avsearch.vectors.gpu.cards import Card

if TYPE_CHECKING:
    from avsearch.encoder import Encoder


def ask(library: Library, query: Query, *, device: str = "auto") -> Found:
    """Ask once: the encoder is loaded only where a file asks, and while that is being decoded.

    Raises:
        AvsearchError: as `Session.ask`.
    """
    view = library.view(*_needed(query))
    weights = weights_in(library, view.snapshot)
    devices = settled_for_one(device)
    with ThreadPoolExecutor(1) as pool:  # importing torch takes longer than decoding a moment
        asks_files = len(query.moments) < len(query.terms)
        loading = pool.submit(_load, weights, devices.network) if asks_files else None
        encoder = _nothing if loading is None else loading.result
        nearby = {} if query.exact else on_cards(open_nearby(library, view, query.find), devices.cards, {})
        exact = mapped_rows(view, query.find, () if nearby else devices.cards)
        return Session(library, view, encoder, exact, nearby).ask(query)


def search(
    library: Library,
    source: Source | Path | str,
    *,
    find: Modality | str,
    by: Modality | None = None,
    k: int = 30,
    device: str = "auto",
) -> list[Hit]:
    """The k media with a moment most like a file, each with its best moment; `ask` has all that can be wished.

    Args:
        library: where to search.
        source: what to ask with.
        find: what to find, `image` or `audio`.
        by: the side of a video to ask with; by default the other than `find`. Other files have only one.
        k: how many hits.
        device: where the encoder runs; `cuda` where vectors are compared too.

    Raises:
        AvsearchError: as `Session.ask`.
    """
    asked = source if isinstance(source, Source) else Source(Path(source))
    return list(ask(library, Query(Modality(find), (Term(asked, by=by),), k=k), device=device).hits)


def open_session(
    library: Library,
    encoder: Encodes,
    *,
    before: Session | None = None,
    around: Callable[[Searchable], Searchable] | None = None,
    cards: Sequence[Card] = (),
    hold: Hold | None = None,
) -> Session:
    """A session with all vectors in memory, or on GPUs; of a modality that has an index, they stay on the disk.

    Args:
        library: what is asked.
        encoder: a loaded one, of the same weights as the library's active encoder.
        before: of an earlier state of the library; what it has in memory is not read again.
        around: what to put around whatever is searched, as a server does that shares searches.
        cards: GPUs that search, as `devices.settled` finds them; what has no room there is in memory.
        hold: where to hold vectors instead, those of modalities that have an index too, which is then not used.

    Raises:
        LibraryError: nothing has been indexed, or the library is damaged.
    """
    view = library.view(*Modality)
    nearby: Mapping[Modality, Searchable] = {}
    if hold is None:
        nearby = on_cards(
            open_nearby(library, view, *Modality), cards, {} if before is None else before.approximate
        )
    hold = hold or held_on(cards)
    exact = {
        modality: Mapped(segments)
        if modality in nearby
        else hold(library, view, modality, None if before is None else before.exact.get(modality))
        for modality, segments in view.segments.items()
    }
    return Session(library, view, lambda: encoder, exact, nearby, around=around)


def weights_of(library: Library) -> Path:
    """The weights file of a library's active encoder.

    Raises:
        LibraryError: nothing has been indexed.
    """
    return weights_in(library, library.snapshot())


def _needed(query: Query) -> Iterable[Modality]:
    """The modalities whose rows are looked at: copies are known by both sides."""
    if not query.duplicates:
        return Modality
    return {query.find, *(moment.modality for moment in query.moments)}


def _load(weights: Path, device: str) -> Encoder:
    """Load the encoder, and FAISS after it, while a file is being decoded."""
    from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch: a second)

    encoder = load_encoder(weights, device)
    load_faiss()
    return encoder


def _nothing() -> Encodes:
    raise AssertionError("stored moments need no encoder")
