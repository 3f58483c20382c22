"""Indexing on two nodes comes to what one machine makes of the same footage, whatever dies meanwhile."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from avsearch.library import open_library
from avsearch.moments import Modality
from indexer.events import FileDone
from tests.cluster.nodes import named, reader_of
from tests.indexer.building import make_footage, run
from tests.tiny import make_film, tiny_weights

pytestmark = pytest.mark.slow
NUM_FILMS = 8


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Some films that take a while, each of its own."""
    folder = tmp_path_factory.mktemp("films")
    for seed in range(NUM_FILMS):
        make_film(folder / f"film{seed}.mp4", seed=seed, seconds=8 + seed / 2)
    return folder


@pytest.fixture(scope="module")
def expected(films, weights, tmp_path_factory):
    """What one machine makes of them."""
    library = tmp_path_factory.mktemp("here") / "lib"
    run(films, library, model=weights)
    return vectors(library)


def vectors(library):
    """{(path name, modality, time): vector} of everything that can be found; no moment may stand twice."""
    opened = open_library(library)
    snapshot = opened.snapshot()
    records = opened.catalog.media_records(snapshot.live_media_ids.tolist())
    found, counts = {}, Counter()
    for modality in Modality:
        for rows in opened.segments(snapshot, modality):
            for row in range(len(rows)):
                for path in records[int(rows.media_id[row])].paths:
                    moment = (path.name, modality, int(rows.start_us[row]))
                    found[moment] = rows.vector[row].astype(np.float64)
                    counts[moment] += 1
    assert counts.total() == len(counts)
    return found


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    assert len(found) > 0
    assert min(float(found[moment] @ wanted[moment]) for moment in wanted) > 0.9999


def test_a_cluster_makes_the_library_that_one_machine_makes(nodes, weights, tmp_path, database_url):
    footage = make_footage(tmp_path / "footage")
    shutil.copy(footage / "one.mp4", footage / "copy of one.mp4")
    (footage / "broken.mp4").write_bytes(b"no film at all" * 100)
    here = run(footage, tmp_path / "here", model=weights)
    there = run(footage, tmp_path / "there", model=weights, database_url=database_url, ray=nodes.address)
    assert there.num_indexed == here.num_indexed == 6
    assert there.hours == here.hours
    assert there.failures == here.failures
    assert there.partly == here.partly
    assert_same(vectors(tmp_path / "there"), vectors(tmp_path / "here"))
    assert there.timings.decode_cpu_s > 0
    assert there.timings.embed_cpu_s > 0
    again = run(footage, tmp_path / "there", ray=nodes.address)
    assert (again.num_indexed, again.num_unchanged) == (0, 6)


@pytest.mark.parametrize("victim", ["ray::read_there", "ray::NodeEncoder"])
def test_a_process_that_is_killed_costs_no_moment(nodes, films, weights, expected, tmp_path, victim):
    with nodes.killing(named(victim), times=1) as killed:
        result = run(films, tmp_path / "lib", model=weights, ray=nodes.address)
    assert len(killed) == 1
    assert result.num_indexed == NUM_FILMS
    assert not result.failures
    assert_same(vectors(tmp_path / "lib"), expected)


def test_a_node_that_is_lost_costs_no_moment(nodes, films, weights, expected, tmp_path):
    lost = []

    def lose_a_node(event):
        if isinstance(event, FileDone) and not lost:
            lost.append(event.path)
            nodes.lose_one()

    result = run(films, tmp_path / "lib", model=weights, ray=nodes.address, tell=lose_a_node)
    assert len(lost) == 1
    assert result.num_indexed == NUM_FILMS
    assert not result.failures
    assert_same(vectors(tmp_path / "lib"), expected)


def test_a_file_that_kills_whoever_reads_it_is_a_failure_and_the_others_are_read(
    nodes, films, weights, expected, tmp_path
):
    poison = films / "film3.mp4"
    with nodes.killing(reader_of(poison), times=99) as killed:
        result = run(films, tmp_path / "lib", model=weights, ray=nodes.address)
    assert len(killed) == 4
    assert result.num_indexed == NUM_FILMS - 1
    ((path, reason),) = [(it.path, it.reason) for it in result.failures]
    assert path == poison
    assert reason.startswith("ended the process that read it, 4 times.")
    again = run(films, tmp_path / "lib", ray=nodes.address, retry_failed=True)
    assert again.num_indexed == 1
    assert_same(vectors(tmp_path / "lib"), expected)


def test_nodes_fetch_footage_that_lies_in_a_store_themselves(nodes, films, weights, expected, tmp_path):
    """Two of the films are equally large, so that their content is looked at first."""
    footage = tmp_path / "store"
    shutil.copytree(films, footage)
    shutil.copy(footage / "film0.mp4", footage / "copy.mp4")
    url = Path(f"file://{footage}")
    result = run(url, tmp_path / "lib", model=weights, ray=nodes.address)
    assert result.num_indexed == NUM_FILMS + 1
    assert not result.failures
    found = {moment: vector for moment, vector in vectors(tmp_path / "lib").items() if moment[0] != "copy.mp4"}
    assert_same(found, expected)
    again = run(url, tmp_path / "lib", ray=nodes.address)
    assert (again.num_indexed, again.num_unchanged) == (0, NUM_FILMS + 1)
    assert not [it for it in (nodes.folder / "cache").rglob("*") if it.is_file() and it.stat().st_size]
