"""An S3 that misbehaves as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_SECONDS = 30


class FaultyS3(ThreadingHTTPServer):
    """Answers every GET with what `mode` says, or with `content`.

    Attributes
    ----------
    mode
        ``ok``, ``slow`` (no answer), ``stall`` (half an answer), ``cut`` (half an answer and the connection closed),
        ``moved`` (another region), ``not-modified`` (unasked), or ``STATUS CODE`` such as ``403 AccessDenied``.
    """

    def __init__(self, content: bytes, address: str) -> None:
        super().__init__((address, 0), _Handler)
        self.content = content
        self.mode = "ok"
        self.bucket = "models"
        self.endpoint = f"http://{address}:{self.server_port}"
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that gave up waiting."""


class _Handler(BaseHTTPRequestHandler):
    server: FaultyS3

    def do_GET(self) -> None:
        mode, content = self.server.mode, self.server.content
        half = content[: len(content) // 2]
        if mode == "slow":
            self.server.closing.wait(SLOW_SECONDS)
        status, _, code = {
            "moved": "301 PermanentRedirect",
            "not-modified": "304 NotModified",
            **dict.fromkeys(("ok", "slow", "stall", "cut"), "200 OK"),
        }.get(mode, mode).partition(" ")
        if status == "200":
            self._send(200, content if mode == "ok" else half, promised=len(content))
        else:
            body = b"" if status == "304" else f"<Error><Code>{code}</Code></Error>".encode()
            self._send(int(status), body, promised=len(body))
        if mode == "stall":
            self.wfile.flush()
            self.server.closing.wait(SLOW_SECONDS)

    def _send(self, status: int, body: bytes, promised: int) -> None:
        self.send_response(status)
        self.send_header("ETag", '"faulty"')
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""


@contextmanager
def faulty_s3(content: bytes, address: str = "127.0.0.1") -> Iterator[FaultyS3]:
    """Serve on a free port until the context ends."""
    with FaultyS3(content, address) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
