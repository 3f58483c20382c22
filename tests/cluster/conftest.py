"""One cluster for a module of tests; each test finds two nodes."""

import os

import pytest

from tests.cluster.nodes import two_nodes

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray takes 127.0.0.1 for itself only then
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(scope="module")
def cluster_nodes():
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def nodes(cluster_nodes):
    cluster_nodes.be_two()
    return cluster_nodes
