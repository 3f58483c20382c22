"""The space of vectors on a plane: moments of both modalities by t-SNE, from a sample that is drawn by seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from avsearch.evaluation.items import Items
from avsearch.evaluation.page.plots import COLOURS, GREY, Plot, drawing, plain, plot_of
from avsearch.moments import Modality

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_MOMENTS = 1500  # of both modalities together
MOST_COLOURED = 2 * len(COLOURS)  # each colour filled and hollow
FEWEST_MOMENTS = 8
PERPLEXITY = 30.0
MARKER_OF = {Modality.IMAGE: "o", Modality.AUDIO: "^"}
_WORDS = {Modality.IMAGE: "pictures", Modality.AUDIO: "sounds"}


@dataclass(frozen=True)
class EmbeddingMap:
    """The moments that a map shows.

    Attributes:
        place: (n, 2) float64.
        modality: of each moment.
        item: (n,) int64, the item of each.
        num_moments: how many there are of each modality, and could be shown.
    """

    place: NDArray[np.float64]
    modality: tuple[Modality, ...]
    item: NDArray[np.int64]
    num_moments: dict[Modality, int]


def embedding_map(items: Items, *, seed: int) -> EmbeddingMap | None:
    """Place a sample of moments on a plane; None where there are too few, or all are alike."""
    rows = {modality: _sample(len(it.item), len(items.vectors), seed) for modality, it in items.vectors.items()}
    vectors = [items.vectors[modality].vector[some].astype(np.float64) for modality, some in rows.items()]
    stacked = np.vstack(vectors) if len({it.shape[1] for it in vectors}) == 1 else np.zeros((0, 0))
    if len(stacked) < FEWEST_MOMENTS or min(stacked.shape) < 2 or not np.ptp(stacked, axis=0).any():
        return None
    return EmbeddingMap(
        place=_placed(stacked, seed),
        modality=tuple(modality for modality, some in rows.items() for _ in some),
        item=np.concatenate([items.vectors[modality].item[some] for modality, some in rows.items()]),
        num_moments={modality: len(it.item) for modality, it in items.vectors.items()},
    )


def map_caption(found: EmbeddingMap) -> str:
    """How to read it, and how many of how many moments it shows."""
    shown = {modality: found.modality.count(modality) for modality in found.num_moments}
    sampled = ", drawn by seed" if len(found.item) < sum(found.num_moments.values()) else ""
    counts = " and ".join(_count(shown[it], found.num_moments[it], _WORDS[it]) for it in shown)
    sides = (
        " Circles are pictures, triangles are sounds: where both of a class lie together, one finds the other."
        if len(shown) > 1
        else ""
    )
    return (
        f"{counts[0].upper()}{counts[1:]}{sampled}. Moments whose vectors are near lie near each other; distances "
        "between far groups, their sizes and the axes mean nothing (t-SNE, begun from two principal components). "
        f"A moment of several labels has the colour of its rarest one.{sides}"
    )


def map_plot(found: EmbeddingMap, items: Items) -> Plot:
    """The map: colours, filled and hollow, for the classes of most moments, grey for the others."""
    classes = classes_shown([items.labels[item] for item in found.item.tolist()])
    coloured = _most_frequent(classes)
    with drawing():
        figure = Figure(figsize=(7.6, 5.6), layout="constrained")
        axes = figure.add_subplot(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        for modality in found.num_moments:
            of_side = np.array([it is modality for it in found.modality])
            _scatter(axes, found, of_side & ~np.isin(classes, coloured), MARKER_OF[modality], {"c": GREY})
            for number, label in enumerate(coloured):
                chosen = of_side & (np.array(classes) == label)
                _scatter(axes, found, chosen, MARKER_OF[modality], _dress(number))
        figure.legend(**_key(found, coloured, len(set(classes))), loc="outside right upper", fontsize=8)
        return plot_of(figure, f"Map of the embedding space with {len(classes)} moments. {map_caption(found)}")


def classes_shown(labels: Sequence[frozenset[str]]) -> list[str]:
    """The one label of each moment that colours it: its rarest, which says most; of equals the first."""
    counts = Counter(label for of_moment in labels for label in of_moment)
    return [min(of_moment, key=lambda label: (counts[label], label)) for of_moment in labels]


def _count(shown: int, num: int, what: str) -> str:
    return f"all {num:,} {what}" if shown == num else f"{shown:,} of {num:,} {what}"


def _sample(num: int, num_modalities: int, seed: int) -> NDArray[np.int64]:
    """As many rows as a modality may show, ascending."""
    most = MOST_MOMENTS // max(num_modalities, 1)
    if num <= most:
        return np.arange(num)
    return np.sort(np.random.default_rng(seed).choice(num, most, replace=False))


def _placed(vectors: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """(n, D) -> (n, 2), on one thread: sums in another order would give another map."""
    from sklearn.manifold import TSNE  # noqa: PLC0415  (a second that no other command needs)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1):
        model = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
        placed: NDArray[np.float64] = model.fit_transform(vectors).astype(np.float64)
    return placed


def _most_frequent(classes: list[str]) -> list[str]:
    """In alphabetical order; of as frequent ones the first."""
    labels, counts = np.unique(classes, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_COLOURED]
    return [str(labels[it]) for it in np.sort(order)]


def _dress(number: int) -> dict[str, Any]:
    colour = COLOURS[number % len(COLOURS)]
    return {"c": colour} if number < len(COLOURS) else {"facecolors": "white", "edgecolors": colour}


def _scatter(
    axes: Axes, found: EmbeddingMap, chosen: NDArray[np.bool_], marker: str, dress: dict[str, Any]
) -> None:
    if chosen.any():
        x, y = found.place[chosen].T
        axes.scatter(x, y, s=20, marker=marker, linewidths=1.0, alpha=0.85, **dress)


def _key(found: EmbeddingMap, coloured: list[str], num_classes: int) -> dict[str, list[Line2D] | list[str]]:
    """Handles and labels of the legend: first the modalities, then the classes."""
    handles = [Line2D([], [], linestyle="", color="0.3", marker=MARKER_OF[it]) for it in found.num_moments]
    labels = [_WORDS[it] for it in found.num_moments]
    for number, label in enumerate(coloured):
        colour = COLOURS[number % len(COLOURS)]
        face = colour if number < len(COLOURS) else "white"
        handles.append(Line2D([], [], linestyle="", marker="s", color=colour, markerfacecolor=face))
        labels.append(f"\u200b{plain(label)}")
    if num_classes > len(coloured):
        handles.append(Line2D([], [], linestyle="", marker="s", color=GREY))
        labels.append(f"{num_classes - len(coloured)} other classes")
    return {"handles": handles, "labels": labels}
