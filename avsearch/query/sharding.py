"""The vectors of a library in the memory of a cluster's nodes, instead of in one's own."""

from __future__ import annotations

from avsearch.cluster.cluster import Cluster
from avsearch.library import Library, View
from avsearch.library.store import segment_file
from avsearch.moments import Modality
from avsearch.query.devices import Hold
from avsearch.query.ranking import Searchable
from avsearch.vectors.sharded import Sharded, Shards


def hold_on(cluster: Cluster) -> Hold:
    """What `open_session` is given, so that the nodes of a cluster hold the vectors.

    Raises:
        ClusterError: there are no nodes.
    """
    shards = Shards(cluster)

    def hold(library: Library, view: View, modality: Modality, before: Searchable | None) -> Sharded:
        files = [segment_file(record) for record in view.snapshot.segments if record.modality is modality]
        held = before if isinstance(before, Sharded) else None
        return Sharded(shards, library.layout.shelf, files, before=held)

    return hold
