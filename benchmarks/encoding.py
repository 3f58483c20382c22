"""How fast the pipeline encodes, against the same weights in eager float32: `encoding.py [--size small]`.

"Ours" is what indexing does: as many threads as cores with an operation each, small batches, batch norm folded,
channels last, bfloat16 where the processor has it. "Plain" is batches of 64 on all cores. Both take turns, images
and sounds together, features included; figures are moments a second.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avsearch import features
from avsearch.bench.figure import figure
from avsearch.bench.weights import save_random_weights
from avsearch.encoder import Encoder, load_encoder
from avsearch.front_end import SAMPLE_RATE_HZ
from avsearch.models.networks import load_network
from benchmarks.result import add_out, print_figures, seconds_of, write_result

PLAIN_BATCH = 64
Way = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]


def main() -> None:
    """Encode in turns; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "paper"), default="small")
    parser.add_argument("--moments", type=int, default=256, metavar="N", help="of each side, in each round")
    parser.add_argument("--runs", type=int, default=5)
    add_out(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "random.safetensors")
        save_random_weights(weights, given.size)
        encoder = load_encoder(weights, "cpu")
        frames, sounds = made(encoder, given.moments)
        ways = {"ours": ours(encoder), "plain": plain(weights)}
        closeness = cosine(*(way(frames, sounds) for way in ways.values()))  # which warms both up, too
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(given.runs):
            for name, way in ways.items():
                seconds[name].append(seconds_of(lambda way=way: way(frames, sounds)))
    rates = {name: [2 * given.moments / it for it in of] for name, of in seconds.items()}
    ratios = [fast / slow for fast, slow in zip(rates["ours"], rates["plain"], strict=True)]
    told = f"encoding alone, `{given.size}`"
    figures = [
        *(figure(f"{told}, {name}, moments a second", name, of) for name, of in rates.items()),
        figure(f"{told}, ours over plain", "ratio", ratios),
        figure(f"{told}, lowest cosine to plain", "cosine", [closeness]),
    ]
    print_figures(figures)
    write_result(given.out, "encoding", figures, {"size": given.size, "seconds": seconds})


def made(encoder: Encoder, count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(N, side, side, 3) uint8 squares and (N, 48000) float32 in [-1, 1]."""
    rng, side = np.random.default_rng(0), encoder.front_end.image_side
    frames = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return frames, rng.uniform(-0.5, 0.5, (count, SAMPLE_RATE_HZ)).astype(np.float32)


def ours(encoder: Encoder) -> Way:
    """As `indexer` uses an encoder."""

    def encode(frames: NDArray[np.uint8], sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = encoder.num_at_once
        encoder.work_alone()
        try:
            with ThreadPoolExecutor(parts) as pool:
                images = list(pool.map(encoder.encode_images, np.array_split(frames, parts)))
                heard = list(pool.map(encoder.encode_sounds, np.array_split(sounds, parts)))
        finally:
            encoder.work_together()
        return np.concatenate([*images, *heard])

    return encode


def plain(weights: Path) -> Way:
    """The network as it is in its file."""
    network, header = load_network(weights)

    @torch.inference_mode()
    def encode(frames: NDArray[np.uint8], sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = []
        for first in range(0, len(frames), PLAIN_BATCH):
            images = features.image_tensor(torch.from_numpy(frames[first : first + PLAIN_BATCH]), header.front_end)
            vectors.append(network.embed_images(images).numpy())
        for first in range(0, len(sounds), PLAIN_BATCH):
            heard = features.log_spectrogram(
                torch.from_numpy(sounds[first : first + PLAIN_BATCH]), header.front_end
            )
            vectors.append(network.embed_sounds(heard).numpy())
        return np.concatenate(vectors)

    return encode


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The lowest cosine of two (N, D) arrays of unit rows, row by row."""
    return float(np.einsum("nd,nd->n", one, other).min())


if __name__ == "__main__":
    main()
