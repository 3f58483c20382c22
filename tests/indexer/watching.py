"""A watch in a thread, and rounds that read nothing."""

import queue
import threading
from contextlib import suppress
from pathlib import Path

from avsearch.errors import AvsearchError
from avsearch.media.listing import list_media
from indexer.events import Timings
from indexer.index_job import Indexed, IndexJob
from indexer.watch import watch
from tests.indexer.discovering import make

DEADLINE_S = 120


def result(num_indexed):
    return Indexed(
        num_indexed=num_indexed,
        num_unchanged=0,
        num_missing=0,
        num_removed=0,
        failures=(),
        partly=(),
        unmounted=(),
        hours=0.0,
        seconds=0.0,
        stopped=False,
        timings=Timings(),
    )


class Rounds:
    """A stand-in for `index`: notes what there is to index, and fails when it was told to."""

    def __init__(self):
        self.jobs = []
        self.found = queue.Queue()
        self.errors = queue.Queue()
        self.looks = threading.Condition()
        self.num_looks = self.num_looks_before = 0

    def __call__(self, job, _tell, _stop):
        self.jobs.append(job)
        self.num_looks_before = self.num_looks
        if not self.errors.empty():
            raise self.errors.get()
        files = list_media(job.paths).files
        self.found.put({Path(path).name: on_disk.size_bytes for path, on_disk in files.items()})
        return result(len(files))

    def look(self, paths):
        """In the place of the watch's own `list_media`."""
        listing = list_media(paths)
        with self.looks:
            self.num_looks += 1
            self.looks.notify_all()
        return listing

    def next(self):
        """What the next round finds, name by name with its size."""
        return self.found.get(timeout=DEADLINE_S)

    def next_and_look(self):
        """As `next`; and the look is over with which listening begins, so that only messages lead to another."""
        found = self.next()
        with self.looks:
            assert self.looks.wait_for(lambda: self.num_looks > self.num_looks_before, DEADLINE_S)
        return found

    def next_with(self, path):
        """The round that finds a file; it grows until one does, because messages may be lost."""
        for size in range(1, DEADLINE_S // 5):
            make(path, b"1" * size)
            with suppress(queue.Empty):
                while path.name not in (found := self.found.get(timeout=5)):
                    pass
                return found
        raise TimeoutError(path)


class Watching:
    """A watch in a thread of its own, until the block is left."""

    def __init__(self, *paths, **options):
        self.stop, self.told, self.rounds = threading.Event(), queue.Queue(), queue.Queue()
        job = IndexJob(paths, options.pop("library", Path("lib")), **options)
        self.thread = threading.Thread(target=self.run, args=(job,))

    def run(self, job):
        try:
            self.last = watch(job, lambda _: None, self.stop, on_round=self.rounds.put, on_error=self.told.put)
        except AvsearchError as error:
            self.told.put(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()


def make_until_heard(path, messages):
    """Write a file again and again until the system's message of it comes: from then on someone listens."""
    for _ in range(DEADLINE_S * 5):
        make(path)
        try:
            while True:
                name, matters = messages.get(timeout=0.2)
                if name == path.name:
                    return matters
        except queue.Empty:
            continue
    raise TimeoutError(path)
