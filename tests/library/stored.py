"""What a library holds, told in a way that does not depend on how it lies on the disk."""

import numpy as np

from avsearch.library import compact
from avsearch.moments import Modality, Moment, Silent


def moments(library):
    """Moment ids -> the bytes of their vectors, of the media that can be found."""
    view = library.view(*Modality)
    found = {}
    for modality, segments in view.segments.items():
        for rows in segments:
            for row in np.flatnonzero(np.isin(rows.media_id, view.snapshot.live_media_ids)):
                moment = Moment(int(rows.media_id[row]), modality, int(rows.start_us[row]))
                assert moment.id not in found
                found[moment.id] = rows.vector[row].tobytes()
    return found


def segment_files(library):
    """Names of segments in the folder -> their bytes."""
    return {path.name: path.read_bytes() for path in (library.directory / "segments").iterdir()}


def named_segments(library):
    return {record.name for record in library.catalog.all_segments()}


def files(library):
    """(path, state, media id) of all files."""
    return sorted(
        (root.absolute(state.path), state.state, state.media_id)
        for root in library.catalog.roots()
        for state in library.catalog.files_of(root.id).values()
    )


def answers(library, *, k):
    """What a search finds, for a few queries in each direction."""
    from avsearch.query import nearest_hits

    view = library.view(*Modality)
    rows = view.segments[Modality.IMAGE][0]
    queries = np.random.default_rng(5).standard_normal((4, rows.dim)).astype(np.float32)
    queries = np.concatenate([queries, rows.vector[:2]])
    return [nearest_hits(library, view, query, find=find, k=k) for find in Modality for query in queries]


def compacted(library):
    return compact(library, Silent())
