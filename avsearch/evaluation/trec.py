"""Runs and judgements as trec_eval reads them, so that anyone can check the figures with other software.

    trec/DIRECTION.run     QUERY Q0 ITEM RANK SCORE avsearch
    trec/DIRECTION.qrels   QUERY 0 ITEM 1

A query is `ITEM@SECONDS`; names are the manifest's, percent-encoded, since the formats part fields by blanks.
Self-out: what a query does not compete for stands in neither file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.items import Items
from avsearch.evaluation.relevance import SelfRule, postings
from avsearch.evaluation.retrieval import Contest, Round, contest_of
from avsearch.moments import DIRECTIONS, SECOND_US, Direction
from avsearch.vectors.durable import written_aside

DEPTH = 1000  # of a run, as at TREC
MOST_LINES = 2_000_000  # of judgements, over all directions: some 100 MB
FOLDER = "trec"


def write_trec(items: Items, directory: Path) -> list[Path]:
    """Write the files of all directions in which something asks, into a folder of their own."""
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for direction in DIRECTIONS:
        contest = contest_of(items, direction)
        if contest is not None:
            written += _write(contest, items, folder, direction)
    return written


def num_judgements(items: Items) -> int:
    """At most how many lines the judgements take: for each label, who asks with it times who bears it."""
    bearers = postings(items.labels).of_value.values()
    total = 0
    for direction in DIRECTIONS:
        contest = contest_of(items, direction)
        if contest is not None:
            asking = np.bincount(contest.queries.item, minlength=len(items.names))
            found = np.bincount(contest.candidates.item, minlength=len(items.names))
            total += sum(int(asking[some].sum()) * int(found[some].sum()) for some in bearers)
    return total


def _write(contest: Contest, items: Items, folder: Path, direction: Direction) -> list[Path]:
    paths = [folder / f"{direction}.run", folder / f"{direction}.qrels"]
    names = [quote(items.names[item], safe="/") for item in contest.candidates.item]
    with written_aside(paths[0]) as run, written_aside(paths[1]) as qrels:
        for block in contest.blocks():
            played = contest.rounds(block)[SelfRule.OUT]
            _write_block(_queries(contest, items, block), played, names, run, qrels)
    return paths


def _queries(contest: Contest, items: Items, block: slice) -> Iterator[str]:
    for item, start_us in zip(contest.queries.item[block], contest.queries.start_us[block].tolist(), strict=True):
        yield f"{quote(items.names[item], safe='/')}@{start_us / SECOND_US:.6f}"


def _write_block(queries: Iterator[str], played: Round, names: list[str], run: BinaryIO, qrels: BinaryIO) -> None:
    first, scores = _falling(played)
    relevant = played.relevant()
    for row, query in enumerate(queries):
        for rank, (column, score) in enumerate(zip(first[row], scores[row], strict=True), start=1):
            if np.isfinite(score):
                run.write(f"{query} Q0 {names[column]} {rank} {score:.9g} avsearch\n".encode())
        for column in np.flatnonzero(relevant[played.who_asks[row]]):
            qrels.write(f"{query} 0 {names[column]} 1\n".encode())


def _falling(played: Round) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(B, k) candidates and scores; equal scores are made to fall by the least there is, so that ranks stay.

    trec_eval orders equal scores by name.
    """
    first, scores = played.best(DEPTH)
    for rank in range(1, scores.shape[1]):
        np.minimum(scores[:, rank], np.nextafter(scores[:, rank - 1], np.float32(-np.inf)), out=scores[:, rank])
    return first, scores
