"""What a node of a cluster does with one file: decode it as anywhere, and have its moments encoded near by."""

from __future__ import annotations

import resource
import shutil
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch import media
from avsearch.cluster.actors import Actor, ActorLost, Shared, this_node
from avsearch.errors import ClusterError
from avsearch.moments import Modality
from avsearch.remote import is_remote
from indexer.discover import FoundFile
from indexer.fetching import FetchedReader, fetched
from indexer.ingest import Encoded, Read
from indexer.pipeline import Pipeline
from indexer.read_file import ReadFile
from indexer.reader import ContentReader

if TYPE_CHECKING:
    from avsearch.encoder import Encoder

NUM_BATCHES = 2  # of one file that are encoded at the same time
PATIENCE_S = 120.0  # with encoders that are all being made anew
_AGAIN_S = 0.5
_PROGRAMS = ("ffmpeg", "ffprobe")


@dataclass(frozen=True, eq=False)
class Batch:
    """(B, D) float32 unit rows, and the CPU seconds that they took."""

    vectors: NDArray[np.float32]
    cpu_s: float


class NodeEncoder:
    """The encoder of a node, or of one of its GPUs; several threads may use it.

    Weights come with each call, as a reference: one whose process died, and that is made anew, fetches them again.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._loading = threading.Lock()
        self._encoder: Encoder | None = None

    def load(self, weights: Shared[bytes]) -> Encoder:
        """The encoder of a weights file, loaded when it is first needed.

        Raises:
            WeightsError, UsageError: as `load_encoder`.
        """
        with self._loading:
            if self._encoder is None:
                from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch, where it is needed alone)

                with tempfile.NamedTemporaryFile(prefix="avsearch-", suffix=".safetensors") as file:
                    file.write(weights.value())
                    file.flush()
                    self._encoder = load_encoder(Path(file.name), self._device)
                self._encoder.work_alone()
            return self._encoder

    def prepare(self, weights: Shared[bytes]) -> None:
        """Load it before it is needed."""
        self.load(weights)

    def batch_sizes(self, weights: Shared[bytes]) -> Mapping[Modality, int]:
        """How many moments go through the network at once."""
        encoder = self.load(weights)
        return {modality: encoder.batch_size(modality) for modality in Modality}

    def encode(self, weights: Shared[bytes], modality: Modality, content: NDArray[np.generic]) -> Batch:
        """What `Encoder.encode_images` or `encode_sounds` makes of it."""
        encoder = self.load(weights)
        began = time.thread_time()
        encode = encoder.encode_images if modality is Modality.IMAGE else encoder.encode_sounds
        return Batch(encode(content), time.thread_time() - began)


@dataclass(frozen=True)
class Encoders:
    """All encoders of a cluster.

    Attributes:
        seats: the node that each was made on ("" for any), and the encoder.
        weights: the bytes of their weights file.
    """

    seats: Sequence[tuple[str, Actor]]
    weights: Shared[bytes]

    def call(self, method: str, *given: object, key: int) -> object:
        """Ask one on this node, else the one that a key falls to; where it is lost, the next one.

        Args:
            method: of `NodeEncoder`.
            given: its arguments after the weights.
            key: any number.

        Raises:
            ClusterError: none of them comes back.
        """
        end = time.monotonic() + PATIENCE_S
        while True:
            for actor in self._in_turn(key):
                try:
                    return actor.call(method, self.weights, *given)
                except ActorLost as error:
                    lost = error
            if time.monotonic() > end:
                raise ClusterError("No encoder of the cluster is there any more.", hint=lost.hint) from lost
            time.sleep(_AGAIN_S)

    def _in_turn(self, key: int) -> list[Actor]:
        own, first = this_node(), key % len(self.seats)
        turned = [*self.seats[first:], *self.seats[:first]]
        return [actor for _, actor in sorted(turned, key=lambda seat: seat[0] != own)]


@dataclass
class FarEncoder:
    """Encodes the moments of one file wherever the encoders are.

    Attributes:
        encoders: of the cluster.
        key: of the file, so that files spread over encoders that are no one's own.
        cpu_s: CPU seconds that it took there.
    """

    encoders: Encoders
    key: int
    cpu_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def _sizes(self) -> Mapping[Modality, int]:
        sizes = self.encoders.call("batch_sizes", key=self.key)
        assert isinstance(sizes, dict)
        return sizes

    @property
    def num_at_once(self) -> int:
        return NUM_BATCHES

    def batch_size(self, modality: Modality) -> int:
        return self._sizes[modality]

    def work_alone(self) -> None:
        """Nothing is computed here."""

    def encode_images(self, frames: np.ndarray) -> np.ndarray:
        return self._encode(Modality.IMAGE, frames)

    def encode_sounds(self, waveforms: np.ndarray) -> np.ndarray:
        return self._encode(Modality.AUDIO, waveforms)

    def _encode(self, modality: Modality, content: np.ndarray) -> np.ndarray:
        batch = self.encoders.call("encode", modality, content, key=self.key)
        assert isinstance(batch, Batch)
        with self._lock:
            self.cpu_s += batch.cpu_s
        return batch.vectors


@dataclass(frozen=True, eq=False)
class ReadThere:
    """What a node has made of a file.

    Attributes:
        read: all but the moments.
        encoded: those.
        decode_cpu_s: CPU seconds of the decoding processes.
        embed_cpu_s: CPU seconds of the encoders.
    """

    read: ReadFile
    encoded: Sequence[Encoded]
    decode_cpu_s: float
    embed_cpu_s: float


def look_around(folders: Sequence[Path]) -> None:
    """Make sure that the node this runs on can read footage.

    Raises:
        ClusterError: it has no ffmpeg, or some of the folders are not there.
    """
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            hint = "Install ffmpeg 5.1 or newer on every node, for example with `apt-get install ffmpeg`."
            raise ClusterError(f"A node has no {program}.", hint=hint)
    for folder in folders:
        if not folder.is_dir():
            hint = "Mount it at the same path on every node, or take the node out of the cluster."
            raise ClusterError(f"{folder}: cannot be seen from a node.", hint=hint)


def hash_there(file: FoundFile) -> str:
    """The hash of a file's bytes.

    Raises:
        ClusterError: this node cannot see it.
        StorageError: its store does not give it.
        OSError: it cannot be read.
    """
    if not is_remote(file.path):
        _require_seen(file.path)
        return media.content_hash(file.path)
    with fetched(file) as copy:
        return media.content_hash(copy)


def read_there(file: FoundFile, content_hash: str, read_content: ContentReader, encoders: Encoders) -> ReadThere:
    """Read a file to its end, and have its moments encoded.

    Args:
        file: which.
        content_hash: of its bytes; empty if nobody has looked yet.
        read_content: how it is read.
        encoders: of the cluster.

    Raises:
        ClusterError: this node cannot see it, or no encoder is there any more.
    """
    if not is_remote(file.path):
        look_around([file.root.path])
        _require_seen(file.path)
    encoder = FarEncoder(encoders, zlib.crc32(str(file.path).encode(errors="surrogateescape")))

    def read_known(result: ReadFile) -> Iterator[Read]:
        result.content_hash = content_hash
        yield from read_content(result)

    def connect() -> FarEncoder:
        encoder.batch_size(Modality.IMAGE)  # it may still be loading; decoding goes on meanwhile
        return encoder

    before = _children_cpu_s()
    reader = FetchedReader(read_known, num_decoders=1)
    (read,) = Pipeline(reader, connect, stop=threading.Event(), num_readers=1).run([file])
    encoded = [_encoded(read, modality) for modality in Modality if read.starts_us[modality]]
    read.vectors.clear()
    read.starts_us.clear()
    return ReadThere(read, encoded, _children_cpu_s() - before, encoder.cpu_s)


def _encoded(read: ReadFile, modality: Modality) -> Encoded:
    return Encoded(modality, np.array(read.starts_us[modality], np.int64), np.stack(read.vectors[modality]))


def _require_seen(path: Path) -> None:
    if not path.exists():
        raise ClusterError(f"{path}: cannot be seen from a node.", hint="Mount its folder there at the same path.")


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
