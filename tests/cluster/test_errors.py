"""A cluster that is not there, is another, or goes away: one sentence, and nothing half done."""

import json
import signal
import socket
import sys

import pytest

from avsearch.catalog import Root
from avsearch.cluster import check_address, connected
from avsearch.errors import ClusterError, MediaError, UsageError
from avsearch.library import open_library
from indexer.discover import FoundFile
from indexer.read_file import ReadFile
from tests.cli.command import avsearch, started
from tests.cluster.nodes import named, two_nodes
from tests.indexer.building import run
from tests.tiny import make_film, tiny_weights

INSTALL = "python -m pip install 'avsearch[ray]'"


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize(
    "address", ["auto", "head:6379", "10.0.0.1:6379", "[::1]:6379", "ray://head:10001", "ray://head"]
)
def test_what_ray_takes_for_an_address_is_one(address):
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address", ["", "local", "head", "head:port", "head:99999", "ray://", "http://a/b:1", "a b:1"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="no address of a Ray cluster") as refused:
        check_address(address)
    assert "ray start --head" in refused.value.hint


def test_without_ray_a_sentence_says_how_to_install_it_and_no_library_is_begun(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    make_film(tmp_path / "footage.mp4")
    with pytest.raises(ClusterError, match="needs Ray, which is not installed") as refused:
        run(tmp_path / "footage.mp4", tmp_path / "lib", model=weights, ray="127.0.0.1:6379")
    assert INSTALL in refused.value.hint
    assert not (tmp_path / "lib").exists()


def test_where_nobody_answers_a_sentence_says_so_at_once(tmp_path):
    pytest.importorskip("ray")
    address = f"127.0.0.1:{closed_port()}"
    with (
        pytest.raises(ClusterError, match=r"no Ray cluster answers there \(Connection refused\)"),
        connected(address),
    ):
        pass


def test_auto_finds_no_cluster_where_there_is_none_and_none_that_is_gone(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ClusterError, match="No Ray cluster is found on this machine") as refused, connected("auto"):
        pass
    assert "ray start --head" in refused.value.hint
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port()}")
    with pytest.raises(ClusterError, match="no Ray cluster answers there"), connected("auto"):
        pass


def test_another_version_of_ray_is_named(monkeypatch):
    """The text is Ray's own."""
    ray = pytest.importorskip("ray")

    def refuse(*_given, **_more):
        cluster = {"ray_version": "2.9.3", "python_version": "3.10.13"}
        ray._private.utils.check_version_info(cluster, "node at 10.0.0.7")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr("avsearch.cluster.connecting.require_answer", lambda _address: None)
    told = r"another version .* \(Ray 2\.9\.3 and Python 3\.10\.13 there\)"
    with pytest.raises(ClusterError, match=told), connected("10.0.0.7:6379"):
        pass


@pytest.mark.slow
def test_a_node_that_cannot_see_the_footage_is_named_and_nothing_is_begun(nodes, tmp_path):
    from indexer.spread import spread

    gone = FoundFile(Root(1, tmp_path), tmp_path / "gone.mp4", size_bytes=9, mtime_ns=1)
    with connected(nodes.address) as cluster:
        weights = tiny_weights(tmp_path / "encoder.safetensors")
        with pytest.raises(ClusterError, match=f"^127.0.0.1: {tmp_path}/nowhere: cannot be seen from a node"):
            spread(cluster, weights, "cpu", [tmp_path / "nowhere"])
        with pytest.raises(UsageError, match="has no GPU"):
            spread(cluster, weights, "cuda", [tmp_path])
        with pytest.raises(UsageError, match="cuda:1 cannot be chosen"):
            spread(cluster, weights, "cuda:1", [tmp_path])
        with pytest.raises(MediaError, match="no such file"):  # gone for us as well: that is about the file
            spread(cluster, weights, "cpu", [tmp_path]).content_hash(ReadFile(gone))


@pytest.mark.slow
def test_a_node_without_the_same_code_says_what_it_lacks(nodes, tmp_path, monkeypatch):
    with connected(nodes.address) as cluster:
        (tmp_path / "only_here.py").write_text("def answer():\n    return 42\n")
        monkeypatch.syspath_prepend(tmp_path)
        import only_here

        with pytest.raises(ClusterError, match=r"cannot run .* \(.*No module named 'only_here'") as refused:
            cluster.run(only_here.answer)
    assert "Install the same avsearch" in refused.value.hint


@pytest.mark.slow
def test_sigterm_stays_whose_it_was(nodes):
    before = signal.getsignal(signal.SIGTERM)
    with connected(nodes.address):
        assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_ray_says_nothing_among_the_events_even_when_a_process_is_killed(nodes, tmp_path):
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    (tmp_path / "footage").mkdir()
    for seed in range(3):
        make_film(tmp_path / "footage" / f"film{seed}.mp4", seed=seed, seconds=10)
    arguments = ["index", tmp_path / "footage", "--library", tmp_path / "lib", "--model", weights]
    with nodes.killing(named("ray::read_there"), times=1) as killed:
        code, out, err = avsearch(*arguments, "--ray", nodes.address, "--json")
    assert len(killed) == 1
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["indexed"] == 3
    assert "raylet" not in err


@pytest.mark.slow
def test_a_cluster_that_is_lost_in_mid_run_ends_it_and_what_was_finished_is_kept(tmp_path):
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    (tmp_path / "footage").mkdir()
    for seed in range(6):
        make_film(tmp_path / "footage" / f"film{seed}.mp4", seed=seed, seconds=20)
    arguments = ["index", tmp_path / "footage", "--library", tmp_path / "lib", "--model", weights, "--json"]
    with two_nodes() as nodes, started(*arguments, "--ray", nodes.address) as running:
        while json.loads(running.stdout.readline())["event"] != "file":
            pass
        nodes.vanish()
        out, err = running.communicate(timeout=120)
    assert running.returncode == 1, err
    assert "the Ray cluster is lost (its head does not answer)" in err
    committed = [event["files"] for event in map(json.loads, out.splitlines()) if event["event"] == "committed"]
    states = open_library(tmp_path / "lib").catalog.status().files
    assert sum(states.values()) == committed[-1] >= 1
    rest = run(tmp_path / "footage", tmp_path / "lib")
    assert rest.num_indexed + rest.num_unchanged == 6
    assert rest.num_unchanged == committed[-1]
