"""`avsearch serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.interrupt import stop_on_signal
from avsearch.cli.options import JsonOption, LibraryOption, RayOption, SearchDeviceOption, library_directory
from avsearch.cli.output import print_json, print_line, say
from avsearch.errors import AvsearchError
from avsearch.installing import extra_hint

UPLOAD_LIMIT_MB = 500

Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="NAME", help="Address to listen on; one that other machines can reach takes a token."
    ),
]
Port = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port to listen on; 0 takes any that is free.")
]
Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        help="Address by which others reach it, where a proxy that speaks TLS stands before it; takes a token.",
        show_default="none",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="File whose first line is the token that clients have to send.",
        show_default="AVSEARCH_TOKEN, if that is set",
    ),
]
UploadLimit = Annotated[
    int,
    typer.Option("--upload-limit", metavar="MB", min=1, help="Size of the largest file that can be asked with."),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    url: Url = "",
    token_file: TokenFile = None,
    upload_limit: UploadLimit = UPLOAD_LIMIT_MB,
    library: LibraryOption = None,
    device: SearchDeviceOption = "auto",
    ray: RayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the page and the HTTP API of a library, until Ctrl-C.

    While it runs, `avsearch query` asks it instead of loading the encoder. Removing media and indexing over HTTP
    need a token, as does everything where others can connect. A line of JSON for each request goes to stderr. With
    --ray the nodes of a cluster hold the vectors and search them.

    Example: avsearch serve --port 8000
    """
    try:
        from avsearch.web.serving import serve as serve_library
        from avsearch.web.settings import Limits, Settings, read_token
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("avsearch"):
            raise
        needed = f"Serving needs {error.name}, which is not installed."
        raise AvsearchError(needed, hint=extra_hint("web")) from error
    settings = Settings(
        library=library_directory(library),
        host=host,
        port=port,
        url=url,
        device=device,
        token=read_token(token_file),
        limits=Limits(upload_bytes=upload_limit * 1_000_000),
        ray=ray,
    )
    with stop_on_signal() as request:
        serve_library(settings, request.event, tell=lambda it: _tell(settings.library, it, as_json=as_json))
    say("Stopped serving.")


def _tell(library: Path, address: str, *, as_json: bool) -> None:
    """Where it is served, as soon as it is."""
    if as_json:
        print_json({"library": str(library), "address": address})
    else:
        print_line(f"Serving on {address}")
