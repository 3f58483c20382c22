from pathlib import Path

from avsearch.catalog import State
from avsearch.demo.job import stages_of
from indexer.events import Committed, FileDone, Found, Walking


class Written:
    """A `Progress` that writes down what it is told."""

    def __init__(self):
        self.told = []

    def stage(self, name, total, unit):
        self.told.append((name, total, unit))

    def advance(self, amount=1, note=""):
        self.told.append((amount, note))


def test_indexing_is_a_stage_of_the_demo_that_counts_its_files_and_failures():
    progress = Written()
    tell = stages_of(progress)
    tell(Walking(2))
    tell(Found(2, 10, 0, 0, 0))
    tell(FileDone(Path("a"), 5, State.INDEXED))
    tell(FileDone(Path("b"), 5, State.FAILED, reason="is empty"))
    tell(Committed(2))
    assert progress.told == [("index", 2, "file"), (1, ""), (1, "1 failed")]
