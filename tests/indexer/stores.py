"""Footage in stores of objects: moto's S3 and fsspec's memory, filled and read past avsearch."""

from pathlib import Path
from uuid import uuid4

from indexer.build import index
from indexer.index_job import IndexJob
from tests.indexer.known import NOBODY


class Bucket:
    """A place in S3, written to behind everybody's back."""

    def __init__(self, store):
        self.store, self.prefix = store, uuid4().hex
        self.url = store.url(self.prefix)

    def fill(self, folder):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(path.relative_to(folder).as_posix(), path.read_bytes())

    def put(self, key, data):
        self.store.put(f"{self.prefix}/{key}", data)

    def remove(self, key):
        self.store.change(f"{self.prefix}/{key}", lambda _: None)

    def fetched(self):
        """Keys that were read, each as often as it was."""
        start = f"GET /footage/{self.prefix}/"
        return [it.removeprefix(start) for it in self.store.requests if it.startswith(start)]


class Memory:
    """The same in fsspec's memory."""

    def __init__(self):
        from fsspec.implementations.memory import MemoryFileSystem

        self.files, self.prefix = MemoryFileSystem(), uuid4().hex
        self.url = f"memory://{self.prefix}"

    fill = Bucket.fill

    def put(self, key, data):
        self.files.pipe_file(f"/{self.prefix}/{key}", data)

    def remove(self, key):
        self.files.rm_file(f"/{self.prefix}/{key}")


def run(place, library, **options):
    """Index what lies at a URL."""
    return index(IndexJob([Path(place.url)], library, **options), NOBODY)


def copies(cache):
    """What is left of the copies on this machine."""
    folder = cache / "avsearch" / "footage"
    return sorted(path.name for path in folder.iterdir() if path.name != "room.lock") if folder.exists() else []
