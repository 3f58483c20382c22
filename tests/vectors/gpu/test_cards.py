"""Which GPUs are searched on, and what is said where there are none."""

import logging
import sys
from types import SimpleNamespace

import pytest

from avsearch.errors import LibraryError
from avsearch.vectors import backend
from avsearch.vectors.gpu.cards import TEMPORARY_BYTES, cards, faiss_build
from tests.vectors.gpu.fake import forget


def test_the_installed_faiss_is_described():
    build = faiss_build()
    import faiss

    assert build.version == faiss.__version__
    assert build.has_gpu == hasattr(faiss, "StandardGpuResources")
    assert build.wheels == backend.faiss_wheels()


def test_temporary_memory_is_bounded_and_a_card_is_made_once(gpus):
    installed = gpus(2)
    assert cards("cuda")[1] is cards("cuda:1")[0]
    assert installed.temporary == [TEMPORARY_BYTES] * 2


def test_a_faiss_for_the_cpu_is_told_once_where_a_gpu_was_asked_for(caplog):
    if faiss_build().has_gpu:
        pytest.skip("this faiss has GPUs")
    forget()
    with caplog.at_level(logging.WARNING):
        assert [cards("cuda"), cards("cuda"), cards("auto"), cards("cpu")] == [()] * 4
    (line,) = caplog.messages
    assert line.startswith("faiss-cpu ")
    assert "is built for the CPU only. Search is on the CPU. Run `avsearch doctor`" in line


def test_a_gpu_build_that_sees_none_and_a_number_there_is_not_are_told(gpus, caplog):
    gpus(0)
    with caplog.at_level(logging.WARNING):
        assert cards("cuda") == ()
    assert caplog.messages[0].startswith("faiss sees no GPU. Search is on the CPU.")
    gpus(2)
    with caplog.at_level(logging.WARNING):
        assert cards("cuda:5") == ()
    assert "no cuda:5" in caplog.messages[1]


def test_auto_is_silent_unless_torch_sees_a_gpu_that_faiss_leaves_alone(gpus, caplog, monkeypatch):
    gpus(0)
    assert cards("auto") == ()
    assert caplog.messages == []
    seeing = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))
    monkeypatch.setitem(sys.modules, "torch", seeing)
    assert cards("auto") == ()
    assert len(caplog.messages) == 1


def test_a_driver_that_fails_is_as_no_gpu(gpus, caplog, monkeypatch):
    installed = gpus(1)
    monkeypatch.setattr(
        installed,
        "get_num_gpus",
        lambda: (_ for _ in ()).throw(RuntimeError("CUDA driver version is insufficient")),
    )
    assert cards("cuda") == ()
    assert "faiss sees no GPU" in caplog.messages[0]


@pytest.mark.parametrize("error", [RuntimeError("libcublas.so.12 is missing"), SystemExit(1), ImportError("x.so")])
def test_a_faiss_that_cannot_be_loaded_is_one_error(monkeypatch, error):
    class Failing:
        def find_spec(self, name, *_place):
            if name == "faiss":
                raise error

    monkeypatch.delitem(sys.modules, "faiss")
    monkeypatch.setattr(sys, "meta_path", [Failing(), *sys.meta_path])
    backend.load_faiss.cache_clear()
    with pytest.raises(LibraryError, match="faiss cannot be loaded"):
        backend.load_faiss()


def test_torch_is_imported_before_faiss(monkeypatch):
    order = []
    module = SimpleNamespace(from_numpy=lambda _: None)
    monkeypatch.setattr(backend.importlib, "import_module", lambda name: order.append(name) or module)
    loaders = (backend.load_torch, backend.load_faiss)
    for loader in loaders:
        loader.cache_clear()
    backend.load_faiss()
    for loader in loaders:
        loader.cache_clear()
    assert order == ["torch", "faiss"]
