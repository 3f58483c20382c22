"""A server whose vectors lie on two nodes answers as one that has them in its own memory."""

import signal

import httpx
import pytest

from avsearch.library import open_library
from avsearch.moments import Modality
from indexer.build import index
from indexer.index_job import IndexJob
from tests.cli.command import started
from tests.cluster.nodes import named, two_nodes
from tests.tiny import make_film, tiny_weights
from tests.web.serving import running, until

pytestmark = pytest.mark.slow
pytest.importorskip("ray")


@pytest.fixture
def footage(tmp_path):
    (tmp_path / "footage").mkdir()
    for seed in range(3):
        make_film(tmp_path / f"footage/film{seed}.mp4", seed=seed, seconds=4)
    return tmp_path / "footage"


@pytest.fixture
def library(footage, tmp_path):
    """Of two segments for each modality."""
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    for name in ("film0.mp4", ""):
        index(IndexJob([footage / name], tmp_path / "lib", model=weights), lambda _event: None)
    return tmp_path / "lib"


def moments(library):
    """The first picture of one media, and the first second of another."""
    media_ids = open_library(library).snapshot().live_media_ids.tolist()
    return [f"{media_id}:{modality}:0" for media_id, modality in zip(media_ids, Modality, strict=False)]


def answers(server, asking):
    """The hits of moments in every direction, with a filter, and of several hits a media."""
    wishes = ({}, {"where": "path='**/film[01].mp4'"}, {"per_media": 3, "k": 9, "duplicates": True})
    return [
        server.search(str(find), {"moment_id": moment}, **wish)["hits"]
        for moment in asking
        for find in Modality
        for wish in wishes
    ]


def test_a_server_on_a_cluster_answers_as_any_other_also_after_a_loss_and_a_change(
    nodes, library, footage, tmp_path
):
    with running(library, tmp_path / "cache") as here:
        expected = answers(here, moments(library))
    assert sum(map(len, expected)) > 30
    with running(library, tmp_path / "cache", ray=nodes.address) as there:
        assert answers(there, moments(library)) == expected
        with nodes.killing(named("ray::Shard"), times=1) as killed:
            until(lambda: killed)
        assert answers(there, moments(library)) == expected
        make_film(footage / "new.mp4", seed=9, seconds=4)
        index(IndexJob([footage], library), lambda _event: None)
        until(lambda: there.get("/v1/library").json()["media"]["video"] == 4)
        until(lambda: len(there.search("image", {"moment_id": moments(library)[0]})["hits"]) == 4)
        after = answers(there, moments(library))
    with running(library, tmp_path / "cache") as here:
        assert answers(here, moments(library)) == after


def test_a_server_whose_cluster_is_lost_ends_with_a_sentence(library):
    with two_nodes() as nodes:
        options = ["--library", library, "--port", 0, "--device", "cpu", "--ray", nodes.address]
        with started("serve", *options) as serving:
            url = serving.stdout.readline().split()[-1]
            until(lambda: httpx.get(f"{url}health/ready", trust_env=False).status_code == 200)
            nodes.vanish()
            try:
                _, err = serving.communicate(timeout=60)
            finally:
                serving.send_signal(signal.SIGKILL)
    assert serving.returncode == 1
    assert "the Ray cluster is lost (its head does not answer)" in err
