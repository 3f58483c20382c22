"""What a server of a million moments gives 32 clients: `serve.py [--moments N] [--clients N] [--seconds S]`.

Makes a library of random moments of sound with an encoder of random weights (size small), starts `avsearch serve`,
and lets clients ask for a while: half of the queries with a moment that the library holds, half with a picture that
is uploaded, asked with and deleted. Prints queries a second against the same stages looped in one process, errors,
latencies, stages as the answers tell them, the server's memory before and after, and the search stage against
faiss's own flat index of the same vectors. Nothing else should run meanwhile.
"""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsearch.bench.memory import resident_bytes
from avsearch.bench.weights import save_random_weights
from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.encoder import load_encoder
from avsearch.library import Batch, Library, create_library, open_library
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, Modality, Moment
from avsearch.query import Query, Source, Term, open_session
from avsearch.vectors import Rows
from avsearch.vectors.backend import load_faiss
from avsearch.web.upload_media import admitted

ROWS_OF_MEDIA = 300
ROWS_AT_A_TIME = 90_000
HITS = 30
AUDIO = AudioStream(index=0, ordinal=0, codec="pcm_s16le", sample_rate_hz=48_000, num_channels=1, is_default=True)


@dataclass
class Told:
    """What one kind of query came to.

    Attributes:
        seconds: of each query, from before to after.
        stages: seconds by stage, as each answer tells them.
        errors: what was no answer.
    """

    seconds: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def main() -> None:
    """Make, serve, ask, compare; print as it goes."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--moments", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--dir", type=Path, default=None, help="where the library lies, if it is to stay")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = chosen.dir or Path(folder)
        library = _library(place, chosen.moments)
        pictures = [_picture(seed) for seed in range(16)]
        moments = _some_moments(library)
        served = _served(place / "library", chosen, moments, pictures)
        looped = _looped(library, chosen.seconds, moments, pictures)
        _compare(served, looped)
        _search_alone(library, looped)


def _library(place: Path, num_moments: int) -> Library:
    directory = place / "library"
    if (directory / "library.json").exists():
        return open_library(directory)
    began = time.perf_counter()
    place.mkdir(parents=True, exist_ok=True)
    save_random_weights(place / "encoder.safetensors", "small")
    library = create_library(directory)
    footage = place / "footage"
    footage.mkdir()
    (footage / "note.txt").write_text("The media of this library were never there.\n")
    rng = np.random.default_rng(0)
    with library.writer() as writer:
        writer.use_encoder(place / "encoder.safetensors")
        root = writer.catalog.add_root(footage)
        for first in range(0, num_moments, ROWS_AT_A_TIME):
            count = min(ROWS_AT_A_TIME, num_moments - first)
            ids = writer.reserve_media_ids(-(-count // ROWS_OF_MEDIA))
            writer.publish(_batch(root.id, list(ids), count, rng))
    _say(f"library of {num_moments} moments made in {time.perf_counter() - began:.0f} s")
    return open_library(directory)


def _batch(root_id: int, ids: list[int], count: int, rng: np.random.Generator) -> Batch:
    vector = rng.standard_normal((count, 128), dtype=np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    number = np.arange(count)
    rows = Rows(vector, np.asarray(ids, np.int64)[number // ROWS_OF_MEDIA], number % ROWS_OF_MEDIA * SECOND_US)
    info = MediaInfo(MediaKind.SOUND, ROWS_OF_MEDIA * SECOND_US, 0, "wav", video=None, audio=AUDIO)
    return Batch(
        media=tuple(IndexedMedia(media_id, f"{media_id:032x}", info) for media_id in ids),
        rows={Modality.AUDIO: rows},
        files=tuple(
            FileState(root_id, f"take {media_id}.wav".encode(), 100, 1, State.INDEXED, media_id=media_id)
            for media_id in ids
        ),
    )


def _picture(seed: int) -> bytes:
    patches = np.random.default_rng(seed).integers(0, 256, (18, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(patches.repeat(40, axis=0).repeat(40, axis=1)).save(buffer, "JPEG")
    return buffer.getvalue()


def _some_moments(library: Library) -> list[Moment]:
    rng = np.random.default_rng(1)
    ids = rng.choice(library.catalog.live_media_ids(), 500)
    last = min(ROWS_OF_MEDIA, 100)
    return [Moment(int(it), Modality.AUDIO, int(rng.integers(last)) * SECOND_US) for it in ids]


def _served(directory: Path, chosen: Namespace, moments: list[Moment], pictures: list[bytes]) -> dict[str, Told]:
    """Let clients ask a server; prints its memory."""
    told = {"moment": Told(), "picture": Told()}
    with _server(directory) as (process, port):
        _ask_for(port, 2.0, told={"moment": Told(), "picture": Told()}, moments=moments, pictures=pictures, seed=99)
        before = resident_bytes(process.pid)
        threads = [
            threading.Thread(
                target=_ask_for,
                args=(port, chosen.seconds),
                kwargs={"told": told, "moments": moments, "pictures": pictures, "seed": seed},
            )
            for seed in range(chosen.clients)
        ]
        for thread in threads:
            thread.start()
        halfway = chosen.seconds / 2
        time.sleep(halfway)
        middle = resident_bytes(process.pid)
        for thread in threads:
            thread.join()
        time.sleep(1)
        after = resident_bytes(process.pid)
    _say(f"memory of the server: {before / 1e6:.0f} MB, {middle / 1e6:.0f} MB, {after / 1e6:.0f} MB")
    return told


@contextmanager
def _server(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "avsearch", "serve", "--library", directory, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
        while _request(http.client.HTTPConnection("127.0.0.1", port), "GET", "/health/ready")[0] != 200:
            time.sleep(0.2)
        try:
            yield process, port
        finally:
            process.terminate()
            process.wait()


def _ask_for(
    port: int, seconds: float, *, told: dict[str, Told], moments: list[Moment], pictures: list[bytes], seed: int
) -> None:
    """One client, which asks the next thing as soon as it has the answer to the last."""
    rng = np.random.default_rng(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        kind = "moment" if rng.random() < 0.5 else "picture"
        try:
            if kind == "moment":
                answer = _search(connection, {"moment_id": moments[rng.integers(len(moments))].id})
            else:
                answer = _search_with(connection, pictures[rng.integers(len(pictures))])
        except (OSError, http.client.HTTPException, ValueError) as error:
            told[kind].errors.append(str(error))
            connection.close()
            continue
        told[kind].seconds.append(time.perf_counter() - began)
        for stage, took in answer["timings"].items():
            told[kind].stages.setdefault(stage, []).append(took)


def _search_with(connection: http.client.HTTPConnection, picture: bytes) -> dict:
    status, body = _request(connection, "POST", "/v1/uploads", picture)
    if status != 201:
        raise ValueError(f"upload: {status} {body[:200]!r}")
    upload_id = json.loads(body)["upload_id"]
    answer = _search(connection, {"upload_id": upload_id})
    _request(connection, "DELETE", f"/v1/uploads/{upload_id}")
    return answer


def _search(connection: http.client.HTTPConnection, term: dict) -> dict:
    asked = json.dumps({"find": "audio", "terms": [term], "k": HITS}).encode()
    status, body = _request(connection, "POST", "/v1/search", asked)
    if status != 200:
        raise ValueError(f"search: {status} {body[:200]!r}")
    answer = json.loads(body)
    if len(answer["hits"]) != HITS:
        raise ValueError(f"{len(answer['hits'])} hits")
    return answer


def _request(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _looped(library: Library, seconds: float, moments: list[Moment], pictures: list[bytes]) -> dict[str, Told]:
    """The same stages, one query after the other, in this process."""
    record = library.catalog.active_encoder()
    assert record is not None
    session = open_session(library, load_encoder(library.encoder_path(record)))
    told = {"moment": Told(), "picture": Told()}
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.jpg"
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            kind = "moment" if rng.random() < 0.5 else "picture"
            source: Moment | Source = moments[rng.integers(len(moments))]
            if kind == "picture":
                path.write_bytes(pictures[rng.integers(len(pictures))])
                admitted(path)
                source = Source(path)
            found = session.ask(Query(Modality.AUDIO, (Term(source),), k=HITS))
            told[kind].seconds.append(time.perf_counter() - began)
            for stage, took in found.timings.items():
                told[kind].stages.setdefault(f"{stage}_s", []).append(took)
    return told


def _compare(served: dict[str, Told], looped: dict[str, Told]) -> None:
    counts = []
    for name, told in (("served", served), ("looped", looped)):
        counts.append(sum(len(it.seconds) for it in told.values()))
        _say(f"{name}: {counts[-1]} queries, {sum(len(it.errors) for it in told.values())} errors")
        for kind, of_kind in told.items():
            _print_kind(kind, of_kind)
    _say(f"throughput, served against looped: {counts[0] / max(counts[1], 1):.2f}")


def _print_kind(kind: str, told: Told) -> None:
    if not told.seconds:
        return
    middle, late = np.percentile(told.seconds, [50, 95])
    stages = ", ".join(f"{name} {1000 * np.median(some):.1f}" for name, some in told.stages.items())
    _say(f"  {kind}: {1000 * middle:.0f} ms, 95 % within {1000 * late:.0f} ms; medians in ms: {stages}")
    for error in sorted(set(told.errors))[:5]:
        _say(f"  error: {error}")


def _search_alone(library: Library, looped: dict[str, Told]) -> None:
    """The search stage, copies hidden, against faiss's flat index of the same vectors, one query at a time."""
    faiss = load_faiss()
    rows = library.view(Modality.AUDIO).segments[Modality.AUDIO]
    index = faiss.IndexFlatIP(rows[0].dim)
    for some in rows:
        index.add(np.ascontiguousarray(some.vector, np.float32))
    query = np.ascontiguousarray(rows[0].vector[:1], np.float32)
    raw_s = _median_of(lambda: index.search(query, HITS))
    stage_s = float(np.median([it for told in looped.values() for it in told.stages.get("search_s", [])]))
    _say(f"search: {1000 * stage_s:.1f} ms; faiss: {1000 * raw_s:.1f} ms; {stage_s / raw_s:.2f} times")


def _median_of(work: Callable[[], tuple[NDArray[np.float32], NDArray[np.int64]]]) -> float:
    took = []
    for _ in range(50):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return float(np.median(took))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
