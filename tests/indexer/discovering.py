"""Discovery without reading: files hold what they like, and the catalog is told what indexing would tell it."""

import os

from avsearch import media
from avsearch.catalog import Coverage, IndexedMedia, NewEncoder, Publication, State
from avsearch.moments import AudioStream, MediaInfo, MediaKind, Modality
from indexer.discover import discover

SOUND = MediaInfo(MediaKind.SOUND, 1_000_000, 0, "wav", None, AudioStream(0, 0, "pcm", 48_000, 1, is_default=True))
ENCODER = NewEncoder(fingerprint="f" * 32, architecture="ave", size="small", recipe="ave-nce", dim=4)


def make(path, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or os.fsencode(path))
    return path


def run(writer, *paths, **options):
    """Discover, and set the catalog as indexing would: files named *bad* fail, all others are indexed."""
    found = discover(paths, writer, **options)
    for file in found.to_read:
        enter(writer, file)
    writer.catalog.set_files([*found.returned, *found.vanished])
    return found


def enter(writer, file):
    if "bad" in file.path.name or not file.path.is_file():
        writer.catalog.set_files([file.state(State.FAILED, reason="It is bad.")])
        return
    content_hash = media.content_hash(file.path)
    media_id = writer.catalog.media_by_hash([content_hash]).get(content_hash)
    new = ()
    if media_id is None:
        (media_id,) = writer.reserve_media_ids(1)
        new = (IndexedMedia(media_id, content_hash, SOUND),)
    state = file.state(State.INDEXED, media_id=media_id)
    coverage = tuple(Coverage(ENCODER.fingerprint, media_id, modality, 0) for modality in Modality)
    writer.catalog.publish(Publication(media=new, files=(state,), coverage=coverage))


def names(files):
    return sorted(file.path.name for file in files)


def states(writer):
    """{absolute path: state} of all files that the catalog knows."""
    return {
        root.absolute(path): str(file.state)
        for root in writer.catalog.roots()
        for path, file in writer.catalog.files_of(root.id).items()
    }


def touch_later(path):
    """Change the time of a file, and nothing else."""
    later_ns = path.stat().st_mtime_ns + 1
    os.utime(path, ns=(later_ns, later_ns))


def remove(writer, path):
    (root,) = (root for root in writer.catalog.roots() if path.is_relative_to(root.path))
    before = writer.catalog.files_of(root.id)[root.relative(path)]
    removed = {**vars(before), "state": State.REMOVED}
    writer.catalog.set_files([type(before)(**removed)])
