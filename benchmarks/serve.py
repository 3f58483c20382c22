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
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsearch.bench.figure import Figure, figure
from avsearch.bench.memory import resident_bytes
from avsearch.encoder import load_encoder
from avsearch.library import Library
from avsearch.moments import SECOND_US, Modality, Moment
from avsearch.query import Query, Source, Term, open_session
from avsearch.vectors import Rows
from avsearch.vectors.backend import load_faiss
from avsearch.web.upload_media import admitted
from benchmarks.client import request, server
from benchmarks.million import ROWS_OF_MEDIA, library_of
from benchmarks.result import add_out, seconds_of, write_result

HITS = 30


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


@dataclass(frozen=True)
class Round:
    """Clients ask for a while, then one process does the same work alone.

    Attributes:
        served: by kind of query.
        looped: likewise.
        memory: bytes of the server before, half-way and after.
        search_s: seconds of one query's search stage in the loop, the median.
        faiss_s: the same by faiss alone.
    """

    served: dict[str, Told]
    looped: dict[str, Told]
    memory: tuple[int, int, int]
    search_s: float
    faiss_s: float

    @property
    def throughput(self) -> float:
        """Queries served over queries looped, in the same time."""
        return _count(self.served) / max(_count(self.looped), 1)

    @property
    def errors(self) -> list[str]:
        return [error for told in self.served.values() for error in told.errors]


def main() -> None:
    """Make, serve, ask, compare; print as it goes."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--moments", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--dir", type=Path, default=None, help="where the library lies, if it is to stay")
    add_out(parser)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = library_of(chosen.dir or Path(folder), chosen.moments)
        rounds = [_round(library, chosen) for _ in range(chosen.runs)]
    raw = [{"throughput": it.throughput, "errors": it.errors, "memory": it.memory} for it in rounds]
    write_result(chosen.out, "serve", list(_figures(rounds)), {"moments": chosen.moments, "runs": raw})


def _round(library: Library, chosen: Namespace) -> Round:
    pictures = [_picture(seed) for seed in range(16)]
    moments = _some_moments(library)
    served, memory = _served(library.directory, chosen, moments, pictures)
    _say(f"memory of the server: {', '.join(f'{it / 1e6:.0f} MB' for it in memory)}")
    looped = _looped(library, chosen.seconds, moments, pictures)
    done = Round(served, looped, memory, *_search_alone(library, looped))
    for name, told in (("served", served), ("looped", looped)):
        _say(f"{name}: {_count(told)} queries, {sum(len(it.errors) for it in told.values())} errors")
        for kind, of_kind in told.items():
            _print_kind(kind, of_kind)
    _say(f"throughput, served against looped: {done.throughput:.2f}")
    search_ms, faiss_ms = 1000 * done.search_s, 1000 * done.faiss_s
    _say(f"search: {search_ms:.1f} ms; faiss: {faiss_ms:.1f} ms; {search_ms / faiss_ms:.2f} times")
    return done


def _count(told: dict[str, Told]) -> int:
    return sum(len(it.seconds) for it in told.values())


def _figures(rounds: list[Round]) -> Iterator[Figure]:
    yield figure("server, queries in the time over those of a loop", "throughput", [it.throughput for it in rounds])
    yield figure("server, search stage over FAISS alone", "search", [it.search_s / it.faiss_s for it in rounds])
    yield figure("server, errors", "errors", [len(it.errors) for it in rounds])
    for place, name in enumerate(("at the start", "half-way", "at the end")):
        megabytes = [it.memory[place] / 1e6 for it in rounds]
        yield figure(f"server, memory {name}, MB", f"memory_{place}", megabytes)
    for kind, name in (("moment", "a stored moment"), ("picture", "a picture, three requests")):
        if not all(it.served[kind].seconds for it in rounds):
            continue  # a time too short for the machine
        for share, word in ((50, "median"), (95, "95 % within")):
            taken = [1000 * float(np.percentile(it.served[kind].seconds, share)) for it in rounds]
            yield figure(f"server, {name}, {word}, ms", f"{kind}_{share}", taken)


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


def _served(
    directory: Path, chosen: Namespace, moments: list[Moment], pictures: list[bytes]
) -> tuple[dict[str, Told], tuple[int, int, int]]:
    """Let clients ask a server; its memory before, half-way and after."""
    told = {"moment": Told(), "picture": Told()}
    with server(directory) as (process, port):
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
    return told, (before, middle, after)


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
    status, body = request(connection, "POST", "/v1/uploads", picture)
    if status != 201:
        raise ValueError(f"upload: {status} {body[:200]!r}")
    upload_id = json.loads(body)["upload_id"]
    answer = _search(connection, {"upload_id": upload_id})
    request(connection, "DELETE", f"/v1/uploads/{upload_id}")
    return answer


def _search(connection: http.client.HTTPConnection, term: dict) -> dict:
    asked = json.dumps({"find": "audio", "terms": [term], "k": HITS}).encode()
    status, body = request(connection, "POST", "/v1/search", asked)
    if status != 200:
        raise ValueError(f"search: {status} {body[:200]!r}")
    answer = json.loads(body)
    if len(answer["hits"]) != HITS:
        raise ValueError(f"{len(answer['hits'])} hits")
    return answer


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


def _print_kind(kind: str, told: Told) -> None:
    if not told.seconds:
        return
    middle, late = np.percentile(told.seconds, [50, 95])
    stages = ", ".join(f"{name} {1000 * np.median(some):.1f}" for name, some in told.stages.items())
    _say(f"  {kind}: {1000 * middle:.0f} ms, 95 % within {1000 * late:.0f} ms; medians in ms: {stages}")
    for error in sorted(set(told.errors))[:5]:
        _say(f"  error: {error}")


def _search_alone(library: Library, looped: dict[str, Told]) -> tuple[float, float]:
    """The search stage, copies hidden, and faiss's flat index of the same vectors, one query at a time."""
    index, query = _flat(library.view(Modality.AUDIO).segments[Modality.AUDIO])
    raw_s = float(np.median([seconds_of(lambda: index.search(query, HITS)) for _ in range(50)]))
    stage_s = float(np.median([it for told in looped.values() for it in told.stages.get("search_s", [])]))
    return stage_s, raw_s


def _flat(rows: Sequence[Rows]) -> tuple[Any, NDArray[np.float32]]:
    index = load_faiss().IndexFlatIP(rows[0].dim)
    for some in rows:
        index.add(np.ascontiguousarray(some.vector, np.float32))
    return index, np.ascontiguousarray(rows[0].vector[:1], np.float32)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
