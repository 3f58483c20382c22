"""What is found through Milvus and what is found by exact search, which is the truth."""

import numpy as np

from avsearch.library import open_nearby
from avsearch.moments import Modality
from avsearch.query import Query
from avsearch.query.ranking import Mapped, Ranking
from avsearch.query.stages import Stages
from avsearch.vectors.milvus.beside import Beside


def hits(library, *, exact, k=20, allowed=None):
    """(modality, moment ids, scores) for stored moments that ask, by Milvus or without; and what searched."""
    view = library.view(*Modality)
    mapped = {side: Mapped(segments) for side, segments in view.segments.items()}
    near = {} if exact else open_nearby(library, view, *Modality)
    ranking = Ranking(library, view, mapped, near)
    allowed = view.snapshot.live_media_ids if allowed is None else allowed
    found = []
    for find in Modality:
        for vector in np.concatenate([rows.vector[::67] for rows in view.segments[find]]):
            query = Query(find, (), k=k, duplicates=True)
            ranked = ranking.rank(vector, query, allowed, Stages()).hits
            found.append((find, [hit.moment_id for hit in ranked], [hit.score for hit in ranked]))
    return found, near


def agree(library, *, sides=2, **wishes):
    """Both find the same, to the last score; returns the media that are found."""
    found, near = hits(library, exact=False, **wishes)
    truth, _ = hits(library, exact=True, **wishes)
    assert len(near) == sides
    assert all(isinstance(it, Beside) for it in near.values())
    assert found == truth
    assert sum(len(ids) for _, ids, _ in found) > 100
    return {int(it.split(":")[0]) for _, ids, _ in found for it in ids}


def counted_searches(monkeypatch):
    """A list that grows by the expression of each search that a server is asked for."""
    from avsearch.vectors.milvus.server import Server

    asked = []
    real = Server.search

    def search(self, name, queries, fetch, expression):
        asked.append(expression)
        return real(self, name, queries, fetch, expression)

    monkeypatch.setattr(Server, "search", search)
    return asked


def rows_there(server, collection):
    """All ids of a collection, as pymilvus itself gives them."""
    client = server.client()
    return {it["id"] for it in client.query(collection, filter="media_id >= 0", output_fields=["id"], limit=16_384)}


def ids_of(library, modality):
    """All ids that a collection should hold, by a naive loop."""
    return {
        f"{media_id}:{start_us}"
        for rows in library.view(modality).segments[modality]
        for media_id, start_us in zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True)
    }
