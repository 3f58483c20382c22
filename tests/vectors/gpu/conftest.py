import pytest

from avsearch.vectors.gpu import exact


@pytest.fixture
def small(monkeypatch):
    """GPUs are asked about a few thousand rows already, and for 256 at most."""
    monkeypatch.setattr(exact, "FEW_ROWS", 40)
    monkeypatch.setattr(exact, "MOST_FETCHED", 256)
