"""Where a Milvus server is, as it may be written down: without a password, a token or a file; pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from avsearch.errors import UsageError
from avsearch.moments import Modality

TOKEN_VARIABLE = "MILVUS_TOKEN"  # the name of an environment variable, which is no secret
CREDENTIALS_HINT = (
    f"Set {TOKEN_VARIABLE} to USER:PASSWORD or to an API key that may make, fill and drop collections."
)
_URI_HINT = "Give it as http://HOST:19530, or https://HOST:PORT/DATABASE."
_DATABASE = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)?/?")


def check_uri(uri: str) -> str:
    """The address as it may be written down.

    Raises:
        UsageError: it is none of a server, or it holds credentials.
    """
    try:
        parts = urlsplit(uri)
        is_server = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise UsageError(f"{uri}: is not the address of a Milvus server.", hint=_URI_HINT) from None
    if parts.username is not None or parts.password is not None or parts.query:
        raise UsageError(
            "The address of a Milvus server must not hold credentials.", hint=f"Leave them out. {CREDENTIALS_HINT}"
        )
    if not is_server or parts.fragment or not _DATABASE.fullmatch(parts.path):
        raise UsageError(f"{uri}: is not the address of a Milvus server.", hint=_URI_HINT)
    return uri.rstrip("/")


def collection_name(library_id: str, modality: Modality, fingerprint: str) -> str:
    """The collection of one modality: another one for each library, and for each encoder."""
    return f"avsearch_{library_id}_{modality}_{fingerprint}"
