"""How a server is run, and how much it gives to its clients."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from avsearch.errors import AvsearchError, UsageError

TOKEN_VARIABLE = "AVSEARCH_TOKEN"
SHORTEST_TOKEN = 16
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{{SHORTEST_TOKEN},512}}")  # what a header and a cookie take as it is
_TOKEN_HINT = (
    f"Put one of at least {SHORTEST_TOKEN} letters and digits into {TOKEN_VARIABLE}, or into a file that "
    "--token-file names; `openssl rand -hex 24` makes one."
)


_PORTS = {"http": 80, "https": 443}
_URL_HINT = "Write it as browsers show it, without a path: https://footage.example."


@dataclass(frozen=True)
class Limits:
    """What clients may take, all of them together or each.

    Attributes:
        upload_bytes: of one upload.
        uploads_bytes: of all uploads that are kept.
        num_uploads: that are kept.
        num_receiving: uploads that come in at the same time.
        upload_ttl_s: an upload that is not asked with for so long goes.
        json_bytes: of any other request's body.
        num_connections: that are open at the same time.
        head_s: from the first moment of a connection, or byte of a request, to the end of its headers.
        keep_alive_s: between two requests.
        body_grace_s: for a body to come at all; after that it must keep `body_bytes_per_s`.
        body_bytes_per_s: see there.
        write_stall_s: that a client may leave its answer unread.
        num_threads: requests that decode at the same time, and as many more that make thumbnails.
        num_searching: requests at the same time that ask with stored moments alone.
        num_waiting: requests of each of these kinds that wait for their turn.
        ask_s: for a query; a longer one is refused.
        show_s: for a thumbnail, a waveform or a heat map.
        preview_wait_s: that a request waits for a preview that is being made.
        cache_bytes: of previews, thumbnails and waveforms on the disk.
        shutdown_s: for requests under way when the server is stopped.
    """

    upload_bytes: int = 500 << 20
    uploads_bytes: int = 4 << 30
    num_uploads: int = 256
    num_receiving: int = 64
    upload_ttl_s: float = 3600.0
    json_bytes: int = 1 << 20
    num_connections: int = 4096
    head_s: float = 20.0
    keep_alive_s: int = 30
    body_grace_s: float = 30.0
    body_bytes_per_s: int = 8192
    write_stall_s: float = 120.0
    num_threads: int = field(default_factory=lambda: 2 * max(os.cpu_count() or 1, 1))
    num_searching: int = 32
    num_waiting: int = 128
    ask_s: float = 120.0
    show_s: float = 60.0
    preview_wait_s: float = 25.0
    cache_bytes: int = 4 << 30
    shutdown_s: int = 10


@dataclass(frozen=True)
class Settings:
    """What is served, where, and to whom.

    Attributes:
        library: its directory.
        host: name or address to listen on.
        port: 0 takes any that is free.
        device: where networks run.
        ray: address of a Ray cluster that holds the vectors; None for this process.
        token: what a request must know; empty for none.
        cache: the folder of previews; None is the user's cache directory.
        url: by which others reach it, where a proxy stands before it (`https://footage.example`); empty for none.
        limits: what clients may take.

    Raises:
        UsageError: anybody in the network could use it, the token can be guessed, or the URL is none.
    """

    library: Path
    host: str = "127.0.0.1"
    port: int = 8000
    device: str = "auto"
    token: str = field(default="", repr=False)
    cache: Path | None = None
    limits: Limits = field(default_factory=Limits)
    ray: str | None = None
    url: str = ""

    def __post_init__(self) -> None:
        if self.token and not _TOKEN.fullmatch(self.token):
            raise UsageError("The token is too short, or has other than plain characters.", hint=_TOKEN_HINT)
        reached_at = self.site or self.host
        if not self.token and not self.is_local:
            raise UsageError(
                f"On {reached_at} others could reach the server, and there is no token to keep them out.",
                hint=_TOKEN_HINT,
            )

    @property
    def site(self) -> str:
        """What browsers call the site that `url` leads to; empty where there is none."""
        return read_origin(self.url)

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can connect."""
        return is_loopback(self.host) and not self.url


def is_loopback(host: str) -> bool:
    """Whether a name or an address is of this machine alone."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read_origin(url: str) -> str:
    """What browsers call the site that a URL leads to: `https://footage.example`; empty for an empty one.

    Raises:
        UsageError: it leads to no site, or to a part of one.
    """
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url}: is no URL of a site.", hint=_URL_HINT) from error
    is_whole = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in _PORTS or not parts.hostname or not is_whole:
        raise UsageError(f"{url}: is no URL of a site.", hint=_URL_HINT)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}" + (f":{port}" if port not in {None, _PORTS[parts.scheme]} else "")


def read_token(file: Path | None) -> str:
    """The token: the first line of a file, else of the environment; empty where there is neither.

    Raises:
        AvsearchError: there is no such file.
        UsageError: it cannot be read, or is empty.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        token = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except FileNotFoundError as error:
        raise AvsearchError(f"{file}: there is no such file.", hint="Check the path.") from error
    except OSError as error:
        raise UsageError(f"{file}: the token cannot be read ({error.strerror}).", hint=_TOKEN_HINT) from error
    if not token:
        raise UsageError(f"{file}: there is no token in it.", hint=_TOKEN_HINT)
    return token
