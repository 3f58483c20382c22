"""An S3 server on this machine (moto's), and what can go wrong on the way to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

BUCKET = "footage"
_XML = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


@dataclass
class Fault:
    """What becomes of a request: it is answered with an error, or something happens around its real answer.

    Attributes:
        status: of the error; 0 lets the request through.
        code, message: that S3 gives with it.
        before: called before anything is done.
        after: called when all is done, before it is answered.
    """

    status: int = 0
    code: str = ""
    message: str = "of a test"
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None


@dataclass
class ObjectStore:
    """A running server, and the requests that it has seen, as "METHOD /path".

    Attributes:
        endpoint: its URL.
        requests: in their order.
        fault: says of each request what is to go wrong with it; None for nothing.
    """

    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    fault: Callable[[str], Fault | None] = lambda _request: None

    def url(self, prefix: str) -> str:
        return f"s3://{BUCKET}/{prefix}"

    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def objects(self, prefix: str = "", bucket: str = BUCKET) -> dict[str, bytes]:
        """All objects whose keys begin so -> their bytes, read off moto itself."""
        return {key.name: key.value for key in self._keys(bucket) if key.name.startswith(prefix)}

    def add_bucket(self, name: str) -> None:
        """Make one more."""
        self._backend().create_bucket(name, "us-east-1")

    def has_bucket(self, name: str) -> bool:
        """Whether it was made already."""
        return name in self._backend().buckets

    def change(self, name: str, change: Callable[[bytes], bytes | None]) -> None:
        """Replace the bytes of an object behind everybody's back; None removes it."""
        (key,) = (key for key in self._keys(BUCKET) if key.name == name)
        data = change(key.value)
        if data is None:
            self._backend().delete_object(BUCKET, name)
        else:
            self.put(name, data)

    def put(self, name: str, data: bytes, bucket: str = BUCKET) -> None:
        """Put an object there behind everybody's back."""
        self._backend().put_object(bucket, name, data)

    def unfinished_uploads(self) -> int:
        """How many uploads in parts lie there unfinished."""
        return len(self._backend().get_bucket(BUCKET).multiparts)

    def _keys(self, bucket: str) -> list[Any]:
        return list(self._backend().get_bucket(bucket).keys.values())

    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        (backend,) = [of_account["aws"] for of_account in s3_backends.values()]
        return backend

    def answer(self, application: Callable[..., Any], environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        """One request through WSGI, with what is to go wrong."""
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.requests.append(request)
        fault = self.fault(request) or Fault()
        fault.before()
        if fault.status:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{fault.status} Refused", [("Content-Type", "application/xml")])
            return [_XML.format(code=fault.code, message=fault.message).encode()]
        body = b"".join(application(environ, start))
        fault.after()
        return [body]


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """A server with one empty bucket."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *arguments: Any, **options: Any) -> None:
            """Nobody reads it."""

    application, store = DomainDispatcherApplication(create_backend_app), ObjectStore()
    server = make_server(
        "127.0.0.1", 0, lambda *of: store.answer(application, *of), threaded=True, request_handler=Quiet
    )
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    s3_backends["123456789012"]["aws"].create_bucket(BUCKET, "us-east-1")
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        s3_backends["123456789012"]["aws"].reset()
