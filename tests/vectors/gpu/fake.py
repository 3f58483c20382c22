"""The GPU side of faiss's Python module over its CPU side, with the names, arguments and limits of faiss 1.15.

What is real: rows and queries are rounded to float16 and multiplied in float32, memory runs out with faiss's own
words, more than 2048 rows or lists are refused, selectors are refused, and two threads at once on one device are an
error. The surface was compared with the wheels faiss-gpu 1.15.1 and faiss-gpu-cuvs 1.15.1.
"""

import threading
from contextlib import contextmanager

import faiss as real
import numpy as np

from avsearch.vectors import backend
from avsearch.vectors.gpu import cards
from avsearch.vectors.gpu.structure import _share

MOST = 2048
OUT_OF_MEMORY = (
    "Error in virtual void* faiss::gpu::StandardGpuResourcesImpl::allocMemory(const AllocRequest&) at "
    "StandardGpuResources.cpp:452: Error: 'err == cudaSuccess' failed: StandardGpuResources: alloc fail type "
    "FlatData dev {device} space Device size {size} bytes (cudaMalloc error out of memory [2])"
)


class RefusedError(RuntimeError):
    """As SWIG raises what faiss throws."""


def forget():
    """What a process knows of faiss and its GPUs."""
    for known in (backend.load_faiss, cards._card, cards.say_once):
        known.cache_clear()


class GpuFaiss:
    """Stands for the module `faiss`.

    Attributes:
        num_gpus: that are there.
        memory: bytes of each.
        searches: how many there were, by device.
        added: rows that were copied to a device.
        fails: an exception that the next search raises.
    """

    INDICES_64_BIT = 3

    def __init__(self, num_gpus=1, memory=1 << 40, *, cuvs=False):
        self.num_gpus, self.memory = num_gpus, memory
        self.searches, self.added, self.fails = {}, 0, None
        self.used = dict.fromkeys(range(num_gpus), 0)
        self.busy = {device: threading.Lock() for device in range(num_gpus)}
        self.temporary = []
        outer = self

        class StandardGpuResources(_Resources):
            faiss = outer

        class GpuIndexFlat(_Flat):
            faiss = outer

        self.StandardGpuResources, self.GpuIndexFlat = StandardGpuResources, GpuIndexFlat
        self.GpuIndexFlatConfig = _FlatConfig
        self.GpuClonerOptions = _ClonerOptions
        if cuvs:

            class GpuIndexCagra(_Cagra):
                faiss = outer

            self.GpuIndexCagra, self.GpuIndexCagraConfig = GpuIndexCagra, _CagraConfig
            self.SearchParametersCagra = _SearchParametersCagra

    def __getattr__(self, name):
        if "Gpu" in name or ("Cagra" in name and name != "IndexHNSWCagra"):
            raise AttributeError(name)
        return getattr(real, name)

    def get_num_gpus(self):
        return self.num_gpus

    def get_compile_options(self):
        return "OPTIMIZE GPU "

    def index_cpu_to_gpu(self, provider, device, index, options=None):
        assert isinstance(provider, _Resources)
        return _clone(self, device, index, options)

    def index_cpu_to_gpu_multiple_py(self, *_given):
        raise AssertionError("a GPU that fails in there ends the process")

    def index_gpu_to_cpu(self, index):
        return real.clone_index(index.inner)

    def take(self, device, size):
        if self.used[device] + size > self.memory:
            raise RefusedError(OUT_OF_MEMORY.format(device=device, size=size))
        self.used[device] += size

    @contextmanager
    def at_work(self, device, k):
        """One thread at a time, at most 2048 rows."""
        if not self.busy[device].acquire(blocking=False):
            raise AssertionError(f"two threads ask device {device} at once")
        try:
            if not 0 < k <= MOST:
                raise RefusedError(f"Error: 'x' failed: GPU index only supports min/max-K selection up to {MOST}")
            if self.fails is not None:
                raise self.fails
            self.searches[device] = self.searches.get(device, 0) + 1
            yield
        finally:
            self.busy[device].release()


class _Resources:
    def __init__(self):
        self.size = None

    def setTempMemory(self, size):  # noqa: N802
        self.size = size
        self.faiss.temporary.append(size)


class _Config:
    def __init__(self):
        self.device, self.use_cuvs = 0, False

    def __setattr__(self, name, value):
        assert name in self.NAMES, name
        super().__setattr__(name, value)


class _FlatConfig(_Config):
    NAMES = ("device", "memorySpace", "use_cuvs", "useFloat16", "storeTransposed")
    useFloat16 = False  # noqa: N815


class _ClonerOptions(_Config):
    NAMES = (
        "indicesOptions", "useFloat16CoarseQuantizer", "useFloat16", "usePrecomputed", "reserveVecs",
        "storeTransposed", "verbose", "use_cuvs", "allowCpuCoarseQuantizer", "device",
    )  # fmt: skip


class _Index:
    """What lies on a device; its memory is given back with it."""

    def _begin(self, device):
        if device >= self.faiss.num_gpus:
            raise RefusedError(f"Error: 'config_.device < getNumDevices()' failed: Invalid GPU device {device}")
        self.device, self.size = device, 0

    def _grow(self, size):
        self.faiss.take(self.device, size)
        self.size += size

    def __del__(self):
        if hasattr(self, "size"):
            self.faiss.used[self.device] -= self.size


class _Flat(_Index):
    def __init__(self, provider, d, metric, config):
        assert isinstance(provider, _Resources)
        assert metric == real.METRIC_INNER_PRODUCT
        assert not config.use_cuvs
        self.d, self.half = d, config.useFloat16
        self._begin(config.device)
        self.rows = np.empty((0, d), np.float16 if self.half else np.float32)

    @property
    def ntotal(self):
        return len(self.rows)

    def add(self, x):
        assert (x.dtype, x.ndim, x.flags.c_contiguous) == (np.float32, 2, True)
        self._grow(x.size * self.rows.itemsize)
        self.faiss.added += len(x)
        self.rows = np.concatenate([self.rows, x.astype(self.rows.dtype)])

    def search(self, x, k, *, params=None):
        assert params is None
        assert (x.dtype, x.flags.c_contiguous) == (np.float32, True)
        with self.faiss.at_work(self.device, k):
            asked = x.astype(self.rows.dtype).astype(np.float32)
            scores = asked @ self.rows.astype(np.float32).T
            row = np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int64)
            found = np.take_along_axis(scores, row, axis=1)
        missing = k - row.shape[1]
        pad = ((0, 0), (0, missing))
        return np.pad(found, pad, constant_values=-np.inf), np.pad(row, pad, constant_values=-1)


class _Cloned(_Index):
    """An IVF index, or CAGRA's graph, on a device."""

    def __init__(self, faiss, device, inner):
        self.faiss, self.inner = faiss, inner
        self.d = inner.d
        self._begin(device)
        self._grow(inner.ntotal * inner.d)

    @property
    def ntotal(self):
        return self.inner.ntotal

    def train(self, x):
        assert x.flags.c_contiguous
        self.inner.train(x)

    def add(self, x):
        self._grow(x.size)
        self.inner.add(x)

    def search(self, x, k, *, params=None):
        with self.faiss.at_work(self.device, k):
            if isinstance(self.inner, real.IndexHNSW):
                assert isinstance(params, _SearchParametersCagra)
                assert params.itopk_size >= k
                params = real.SearchParametersHNSW(efSearch=params.itopk_size)
            elif not 0 < params.nprobe <= MOST or params.sel is not None:
                raise RefusedError(f"Error: 'x' failed: GPU IVF index only supports nprobe selection up to {MOST}")
            return self.inner.search(x, k, params=params)


def _clone(faiss, device, index, options):
    assert options.use_cuvs is False
    if isinstance(index, real.IndexHNSWCagra):
        if not hasattr(faiss, "GpuIndexCagra"):
            raise RefusedError("Error: This index type is not implemented on GPU.")
    elif not isinstance(index, real.IndexIVF):
        raise RefusedError("Error: This index type is not implemented on GPU.")
    if isinstance(index, real.IndexIVF):  # its lists may be mapped, which only reading them copies
        return _Cloned(faiss, device, _share(index, 0, 1) if index.ntotal else real.clone_index(index))
    inner = real.deserialize_index(real.serialize_index(index))
    return _Cloned(faiss, device, inner)


class _CagraConfig(_Config):
    NAMES = (
        "device", "memorySpace", "use_cuvs", "intermediate_graph_degree", "graph_degree", "build_algo",
        "nn_descent_niter", "ivf_pq_params", "ivf_pq_search_params", "refine_rate", "store_dataset",
        "guarantee_connectivity", "devices",
    )  # fmt: skip
    graph_degree = 64


class _SearchParametersCagra:
    def __init__(self, *, itopk_size):
        self.itopk_size = itopk_size


class _Cagra(_Index):
    """The graph itself is made by HNSW."""

    def __init__(self, provider, d, metric, config):
        assert isinstance(provider, _Resources)
        assert metric == real.METRIC_INNER_PRODUCT
        self.d, self.half_degree = d, config.graph_degree // 2
        self._begin(config.device)
        self.rows = np.empty((0, d), np.float32)

    def train(self, x):
        assert (x.dtype, x.flags.c_contiguous) == (np.float32, True)
        self._grow(x.nbytes)
        self.rows = x.copy()

    def copyTo(self, index):  # noqa: N802
        assert isinstance(index, real.IndexHNSWCagra)
        is_base_only, index.base_level_only = index.base_level_only, False
        index.add(self.rows)
        index.base_level_only = is_base_only
