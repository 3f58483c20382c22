"""The one place that imports and calls pymilvus.

A collection has a row for each moment: `id` is "media:start_us", so that writing a moment twice leaves one row.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import EngineError
from avsearch.installing import extra_hint
from avsearch.patience import patiently
from avsearch.vectors.milvus.address import TOKEN_VARIABLE
from avsearch.vectors.milvus.failures import may_pass, refusal, too_old
from avsearch.vectors.segments import Rows

MOST_FETCH = 16_384  # rows that Milvus gives for a query
MOST_IDS = 4096  # in one expression
WAITS_S = (0.5, 1.0, 2.0, 4.0)  # before a call of a copy is tried again
OLDEST = (2, 4)
_CONNECT_S, _SEARCH_S, _CALL_S = 5.0, 10.0, 120.0
_CHANNEL = {"grpc_options": {"grpc.use_local_subchannel_pool": 1}}  # else one failure delays the next connection
_LOGGERS = ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer")

T = TypeVar("T")


class Server:
    """A Milvus server; every call is bounded in time, and raises EngineError where it fails.

    Attributes:
        uri: its address.
        version: as it says itself.
    """

    def __init__(self, uri: str, client: Any, version: str) -> None:  # noqa: ANN401  (pymilvus is not typed)
        self.uri = uri
        self.version = version
        self._client = client

    def has(self, name: str) -> bool:
        """Whether there is such a collection."""
        return bool(self._again(lambda: self._client.has_collection(name, timeout=_CALL_S)))

    def create(self, name: str, dim: int) -> None:
        """Make a collection for vectors of so many numbers; one that is there and of another kind is replaced."""
        if self.has(name):
            if self._fields(name) == _fields(dim):
                self.load(name)
                return
            self.drop(name)
        schema, index = _schema(self._client, dim)
        self._again(
            lambda: self._client.create_collection(
                name, schema=schema, index_params=index, consistency_level="Strong", timeout=_CALL_S
            )
        )

    def drop(self, name: str) -> None:
        """Delete a collection, if it is there."""
        self._again(lambda: self._client.drop_collection(name, timeout=_CALL_S))

    def load(self, name: str, *, is_asking: bool = False) -> None:
        """Make a collection ready for search, which it is not where the server has just started.

        Args:
            name: of the collection.
            is_asking: whether a query waits for it, which then rather does without.
        """
        if is_asking:
            self._once(lambda: self._client.load_collection(name, timeout=_SEARCH_S))
        else:
            self._again(lambda: self._client.load_collection(name, timeout=_CALL_S))

    def count(self, name: str, *, is_asking: bool = False) -> int:
        """How many rows a collection has; the arguments are those of `load`."""
        call, limit_s = (self._once, _SEARCH_S) if is_asking else (self._again, _CALL_S)
        found = call(lambda: self._client.query(name, filter="", output_fields=["count(*)"], timeout=limit_s))
        return int(found[0]["count(*)"])

    def ids(self, name: str, first: int | None, last: int | None) -> set[str]:
        """The ids of the rows of media in [first, last); None is no bound."""
        lowest = "" if first is None else f"media_id >= {first}"
        highest = "" if last is None else f"media_id < {last}"
        return self._again(lambda: set(self._walk(name, " and ".join(filter(None, (lowest, highest))))))

    def upsert(self, name: str, rows: Rows) -> None:
        """Write rows; those that are there already are replaced."""
        vector = np.ascontiguousarray(rows.vector, np.float32)
        told = [
            {"id": moment_id(media_id, start_us), "media_id": media_id, "start_us": start_us, "vector": one}
            for media_id, start_us, one in zip(rows.media_id.tolist(), rows.start_us.tolist(), vector, strict=True)
        ]
        self._again(lambda: self._client.upsert(name, told, timeout=_CALL_S))

    def delete_media(self, name: str, media_ids: NDArray[np.int64]) -> None:
        """Delete all rows of some media."""
        for some in pieces(media_ids):
            self._again(partial(self._client.delete, name, filter=is_in(some), timeout=_CALL_S))

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Delete some rows."""
        for first in range(0, len(ids), MOST_IDS):
            some = list(ids[first : first + MOST_IDS])
            self._again(partial(self._client.delete, name, ids=some, timeout=_CALL_S))

    def flush(self, name: str) -> None:
        """What was written is on the server's disk once this returns."""
        self._again(lambda: self._client.flush(name, timeout=_CALL_S))

    def search(self, name: str, queries: NDArray[np.float32], fetch: int, expression: str) -> list[list[str]]:
        """For each query, the ids of at most `fetch` of the nearest rows, nearest first.

        Args:
            name: of the collection.
            queries: (Q, D) float32.
            fetch: at most `MOST_FETCH`.
            expression: which rows count; empty for all.
        """
        found = self._once(
            lambda: self._client.search(
                name,
                data=list(queries),
                limit=fetch,
                filter=expression,
                output_fields=["id"],
                search_params={"metric_type": "IP"},
                timeout=_SEARCH_S,
            )
        )
        return [[str(hit["id"]) for hit in hits] for hits in found]

    def _fields(self, name: str) -> dict[str, int]:
        told = self._again(lambda: self._client.describe_collection(name, timeout=_CALL_S))
        return {it["name"]: int(it["params"].get("dim", 0)) for it in told["fields"]}

    def _walk(self, name: str, expression: str) -> Iterator[str]:
        walk = self._client.query_iterator(
            name, batch_size=MOST_FETCH, filter=expression, output_fields=["id"], timeout=_CALL_S
        )
        try:
            while some := walk.next():
                yield from (str(it["id"]) for it in some)
        finally:
            walk.close()

    def _once(self, call: Callable[[], T]) -> T:
        return _tried(self.uri, call)

    def _again(self, call: Callable[[], T]) -> T:
        return _tried_again(self.uri, call)


def connect(uri: str, *, is_asking: bool = False) -> Server:
    """Connect to a server, with the credentials of the environment.

    Args:
        uri: its address.
        is_asking: whether a query waits for it, which then rather does without.

    Raises:
        EngineError: pymilvus is not installed; nothing answers, the credentials are refused, or it is too old.
    """
    try:
        import pymilvus  # noqa: PLC0415  (half a second, and pandas)
    except ImportError as error:
        raise EngineError("Milvus needs pymilvus, which is not installed.", hint=extra_hint("milvus")) from error
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # all of it comes as exceptions too

    def call() -> tuple[Any, str]:
        client = pymilvus.MilvusClient(
            uri, token=os.environ.get(TOKEN_VARIABLE, ""), timeout=_CONNECT_S, **_CHANNEL
        )
        return client, str(client.get_server_version(timeout=_CONNECT_S))

    client, version = _tried(uri, call) if is_asking else _tried_again(uri, call)
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is not None and (int(found[1]), int(found[2])) < OLDEST:
        raise too_old(uri, version)
    return Server(uri, client, version)


def _tried(uri: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:
        raise refusal(uri, error) from error


def _tried_again(uri: str, call: Callable[[], T]) -> T:
    """The same, tried again for some seconds unless trying again cannot help."""
    return _tried(uri, lambda: patiently(call, WAITS_S, may_pass))


def moment_id(media_id: int, start_us: int) -> str:
    """The primary key of a moment."""
    return f"{media_id}:{start_us}"


def is_in(media_ids: NDArray[np.int64], *, negated: bool = False) -> str:
    """The expression for rows of some media, or of all others."""
    return f"media_id {'not in' if negated else 'in'} {media_ids.tolist()}"


def pieces(media_ids: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Media, as many at a time as one expression may name."""
    return [media_ids[first : first + MOST_IDS] for first in range(0, len(media_ids), MOST_IDS)]


def _fields(dim: int) -> dict[str, int]:
    """Names of the fields -> how many numbers of a vector each has."""
    return {"id": 0, "media_id": 0, "start_us": 0, "vector": dim}


def _schema(client: Any, dim: int) -> tuple[Any, Any]:  # noqa: ANN401
    """Fields and index of a collection."""
    from pymilvus import DataType  # noqa: PLC0415

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=48)
    schema.add_field("media_id", DataType.INT64)
    schema.add_field("start_us", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
    return schema, index
