"""What pymilvus and gRPC raise: whether trying again can help, and how a person is told."""

from __future__ import annotations

from collections.abc import Iterator

from avsearch.errors import EngineError, words_of
from avsearch.vectors.milvus.address import CREDENTIALS_HINT

_CONNECT_FAILED = 2
_RATE_LIMIT = 8
_NOT_FOUND = 100
_MOST_WORDS = 300  # characters
_PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED"}
_REFUSED = {"UNAUTHENTICATED", "PERMISSION_DENIED"}
_ANSWER_HINT = "Check the address, whether it is http or https, and whether the server runs."
_AGAIN_HINT = "Run `avsearch library engine` to make it anew."
_VERSION_HINT = "Use a server of Milvus 2.4 or newer, at its gRPC port, and a pymilvus that fits it."


def may_pass(error: Exception) -> bool:
    """Whether the same call may succeed in a while."""
    status = _status_of(error)
    if status:
        return status in _PASSING
    return getattr(error, "code", None) in {_CONNECT_FAILED, _RATE_LIMIT} or "Retry timeout" in str(error)


def refusal(uri: str, error: Exception) -> EngineError:
    """The sentence for it."""
    status, words = _status_of(error), words_of(error, "message")[:_MOST_WORDS]
    if status in _REFUSED or "auth check failure" in words:
        return EngineError(f"{uri}: Milvus refuses the credentials.", hint=CREDENTIALS_HINT)
    if status == "UNIMPLEMENTED" or "UNIMPLEMENTED" in words:
        return EngineError(f"{uri}: what answers there is no Milvus of a known version.", hint=_VERSION_HINT)
    if is_not_found(error):
        return EngineError(f"{uri}: a collection of the library is not there.", hint=_AGAIN_HINT)
    if may_pass(error):
        return EngineError(f"{uri}: Milvus does not answer ({status or words}).", hint=_ANSWER_HINT)
    return EngineError(f"{uri}: Milvus refuses ({words}).", hint="Its log says more.")


def is_not_found(error: Exception) -> bool:
    """Whether it says that there is no such collection."""
    return getattr(error, "code", None) == _NOT_FOUND


def too_old(uri: str, version: str) -> EngineError:
    """The error for a server of a version that is not known to work."""
    return EngineError(f"{uri}: Milvus {version} answers there, which is too old.", hint=_VERSION_HINT)


def _status_of(error: BaseException) -> str:
    """The name that gRPC has for what went wrong, wherever in the chain of causes; empty where there is none."""
    for one in _chain(error):
        code = getattr(one, "code", None)
        name = getattr(code() if callable(code) else code, "name", "")
        if name in _PASSING | _REFUSED | {"UNIMPLEMENTED"}:
            return str(name)
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes; pymilvus names some as the cause of themselves."""
    seen: list[BaseException] = []
    while error is not None and not any(error is one for one in seen):
        seen.append(error)
        yield error
        error = next((one for one in (error.__cause__, error.__context__) if one not in (None, error)), None)
