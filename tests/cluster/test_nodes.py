"""Nodes that come and go while a run begins, and a head that goes while it is asked about them."""

import threading

import pytest

from avsearch.cluster import connected, connecting
from avsearch.cluster.actors import NodeGone, WorkerLost, this_node
from avsearch.errors import ClusterError
from indexer.spread import spread
from tests.tiny import tiny_weights
from tests.web.serving import until


def unlisted(node, monkeypatch):
    """From here on the cluster no longer tells of a node."""
    from avsearch.cluster.cluster import Cluster

    listed = Cluster._working
    monkeypatch.setattr(Cluster, "_working", lambda self: [it for it in listed(self) if it.id != node.id])


@pytest.mark.slow
def test_a_node_that_goes_as_a_run_begins_is_left_out_of_it(nodes, tmp_path, monkeypatch):
    with connected(nodes.address) as cluster:
        first, second = listed = cluster.nodes()
        nodes.lose_one()
        with pytest.raises(NodeGone, match="The node is gone"):
            [cluster.run_on(node, this_node) for node in listed]
        monkeypatch.setattr(cluster, "nodes", lambda: listed)  # as they were a moment ago
        weights = tiny_weights(tmp_path / "encoder.safetensors")
        made = spread(cluster, weights, "cpu", [tmp_path])
        ((seat, _),) = made.encoders.seats
        (left,) = cluster._working()
        assert {left.id} == {seat} < {first.id, second.id}
        assert made.num_readers == 2
        gone = [node for node in listed if node.id != left.id]
        monkeypatch.setattr(cluster, "nodes", lambda: gone)
        with pytest.raises(ClusterError, match="All nodes of the cluster are gone"):
            spread(cluster, weights, "cpu", [tmp_path])


@pytest.mark.slow
def test_a_node_that_is_not_yet_known_everywhere_is_asked_again(nodes, monkeypatch):
    from avsearch.cluster import cluster as module

    answers = [NodeGone("The node is gone."), NodeGone("The node is gone.")]

    def not_yet(reference):
        if answers:
            raise answers.pop()
        return fetched(reference)

    fetched = module.fetched
    with connected(nodes.address) as cluster:
        monkeypatch.setattr(module, "fetched", not_yet)
        assert cluster.run_on(cluster.nodes()[0], this_node) == cluster.nodes()[0].id
    assert not answers


@pytest.mark.slow
def test_a_process_that_ends_with_its_node_is_not_to_blame(nodes, monkeypatch):
    def end_it(_reference):
        raise WorkerLost("A process of the cluster ended unexpectedly.")

    with connected(nodes.address) as cluster:
        node = cluster.nodes()[0]
        monkeypatch.setattr("avsearch.cluster.cluster.fetched", end_it)
        with pytest.raises(WorkerLost, match="ended unexpectedly"):
            cluster.run_on(node, this_node)
        unlisted(node, monkeypatch)
        with pytest.raises(NodeGone, match="The node is gone"):
            cluster.run_on(node, this_node)


def test_a_head_that_is_lost_is_noticed_while_ray_waits_for_its_list_of_nodes(monkeypatch):
    module = pytest.importorskip("avsearch.cluster.cluster")
    answers = threading.Event()
    monkeypatch.setattr(module, "_WATCH_EVERY_S", 0.01)
    monkeypatch.setattr(module, "_head", lambda _address: lambda: False)
    monkeypatch.setattr(module.Cluster, "_working", lambda _self: answers.wait())
    cluster = module.Cluster("127.0.0.1:1")
    try:
        until(lambda: cluster.is_lost, within_s=20)
    finally:
        answers.set()
    with pytest.raises(ClusterError, match=r"is lost \(its head does not answer\)"):
        cluster.require()


def test_a_list_of_nodes_that_cannot_be_had_does_not_end_the_watch(monkeypatch):
    module = pytest.importorskip("avsearch.cluster.cluster")
    answers = iter([RuntimeError("the head is busy")])

    def nodes_but_once(_self):
        for answer in answers:
            raise answer
        return []

    monkeypatch.setattr(module, "_WATCH_EVERY_S", 0.01)
    monkeypatch.setattr(module, "_head", lambda _address: lambda: True)
    monkeypatch.setattr(module.Cluster, "_working", nodes_but_once)
    cluster = module.Cluster("127.0.0.1:1")
    until(lambda: cluster.is_lost, within_s=20)
    with pytest.raises(ClusterError, match="no node is left"):
        cluster.require()


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_lost_cluster_is_not_waited_for_when_it_is_left(monkeypatch, is_lost):
    class Left:
        def __init__(self):
            self.waits = threading.Event()
            self.num_calls = 0

        def shutdown(self):
            self.num_calls += 1
            if is_lost:
                self.waits.wait()

    class Lost:
        pass

    ray, cluster = Left(), Lost()
    cluster.is_lost = is_lost
    monkeypatch.setattr(connecting, "_LEAVE_S", 0.05)
    connecting._disconnect(ray, cluster)
    assert ray.num_calls == 1
    ray.waits.set()
