"""Questions answered on GPUs, and what is said where there are none."""

import logging

import pytest

from avsearch.library import open_library
from avsearch.moments import Modality
from avsearch.query import open_session
from avsearch.query.asking import Query, Term, parse_moment
from avsearch.query.devices import Devices, settled, settled_for_one
from avsearch.query.opening import ask
from avsearch.vectors.gpu.exact import OnGpu
from avsearch.vectors.resident import Resident
from indexer.build import index
from indexer.index_job import IndexJob
from tests.tiny import make_film, tiny_weights
from tests.vectors.gpu.fake import forget


@pytest.fixture
def library(tmp_path):
    (tmp_path / "footage").mkdir()
    for seed in range(3):
        make_film(tmp_path / f"footage/film{seed}.mp4", seed=seed, seconds=4)
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    index(IndexJob([tmp_path / "footage"], tmp_path / "lib", model=weights), lambda _event: None)
    return open_library(tmp_path / "lib")


@pytest.fixture
def few(monkeypatch):
    """GPUs are asked about a handful of rows already."""
    monkeypatch.setattr("avsearch.vectors.gpu.exact.FEW_ROWS", 2)
    monkeypatch.setattr("avsearch.vectors.gpu.exact.MOST_FETCHED", 8)
    monkeypatch.setattr("avsearch.vectors.gpu.exact._MORE", 1)


def like(library, k=2):
    record = library.snapshot().live_media_ids[0]
    return Query(Modality.IMAGE, (Term(parse_moment(f"{record}:image:0")),), k=k, duplicates=True)


def nothing():
    raise AssertionError("stored moments need no encoder")


def test_a_session_on_gpus_answers_as_one_in_memory(library, gpus, few):
    installed = gpus(2)
    plain = open_session(library, nothing)
    there = open_session(library, nothing, cards=settled("auto").cards)
    assert isinstance(plain.exact[Modality.IMAGE], Resident)
    assert isinstance(there.exact[Modality.IMAGE], OnGpu)
    assert there.ask(like(library)).hits == plain.ask(like(library)).hits
    assert installed.searches or len(there.exact[Modality.IMAGE]) <= 8


def test_the_next_state_takes_over_what_is_on_the_gpu(library, gpus, tmp_path):
    installed = gpus()
    cards = settled("cuda:0").cards
    before = open_session(library, nothing, cards=cards)
    added = installed.added
    now = open_session(library, nothing, before=before, cards=cards)
    assert installed.added == added
    assert now.exact[Modality.IMAGE].blocks[0].index is before.exact[Modality.IMAGE].blocks[0].index


def test_a_gpu_without_room_leaves_the_vectors_in_memory(library, gpus, caplog):
    gpus(memory=10)
    cards = settled("auto").cards
    with caplog.at_level(logging.WARNING):
        session = open_session(library, nothing, cards=cards)
    assert isinstance(session.exact[Modality.IMAGE], Resident)
    (line,) = caplog.messages
    assert line.startswith("The memory of GPU 0 is full. Search is on the CPU.")
    assert session.ask(like(library)).hits


def test_a_single_question_goes_to_a_gpu_only_where_one_is_asked_for(library, gpus):
    installed = gpus()
    hits = ask(library, like(library)).hits
    assert installed.added == 0
    assert ask(library, like(library), device="cuda").hits == hits
    assert installed.added > 0
    assert settled_for_one("auto") == Devices("auto")


def test_cuda_where_there_is_none_is_one_line_and_the_answer(library, caplog):
    forget()
    import torch

    from avsearch.vectors.gpu.cards import faiss_build

    if torch.cuda.is_available() or faiss_build().num_gpus:
        pytest.skip("there is one")
    with caplog.at_level(logging.WARNING):
        found = ask(library, like(library), device="cuda").hits
    assert found == ask(library, like(library), device="cpu").hits
    assert caplog.messages == [
        "torch and faiss have no cuda here. Network and search are on the CPU. "
        "Run `avsearch doctor`, which says what to install."
    ]


@pytest.mark.parametrize(
    ("torch_has", "line"),
    [(False, "torch has no cuda here. The network is on the CPU, search on the GPU."), (True, None)],
)
def test_what_torch_lacks_faiss_may_have(gpus, monkeypatch, caplog, torch_has, line):
    gpus()
    monkeypatch.setattr("avsearch.device.is_there", lambda _name: torch_has)
    with caplog.at_level(logging.WARNING):
        found = settled("cuda")
    assert len(found.cards) == 1
    assert found.network == ("cuda" if torch_has else "cpu")
    assert [it.partition(" Run")[0] for it in caplog.messages] == ([] if line is None else [line])


def test_what_faiss_lacks_torch_may_have(gpus, monkeypatch, caplog):
    gpus(0)
    monkeypatch.setattr("avsearch.device.is_there", lambda _name: True)
    with caplog.at_level(logging.WARNING):
        assert settled("cuda:0") == Devices("cuda:0", ())
    assert caplog.messages[0].startswith("faiss sees no GPU. Search is on the CPU.")
