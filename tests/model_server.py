"""A server on loopback for tests of embedders and rerankers: it answers as a function says, after `first`."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, Any], tuple[int, Any]]


class ModelServer(ThreadingHTTPServer):
    answer: Answer
    first: list[tuple[int, Any]]
    """Replies to give before those of `answer`."""
    seen: list[tuple[str, dict[str, str], Any]]
    """Path, headers and body of each request."""
    _barrier: threading.Barrier | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def meet(self, other: "ModelServer") -> None:
        """Let the first request of each of the two wait for the other's."""
        self._barrier = other._barrier = threading.Barrier(2, timeout=30)

    def met(self) -> None:
        barrier, self._barrier = self._barrier, None
        if barrier:
            barrier.wait()

    def stop(self) -> None:
        """Go away: nobody listens at `url` any more."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.server.met()
        status, reply = self.server.first.pop(0) if self.server.first else self.server.answer(self.path, body)
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return None


@contextlib.contextmanager
def served(answer: Answer) -> Iterator[ModelServer]:
    server = ModelServer(("127.0.0.1", 0), _Handler)
    server.answer, server.first, server.seen = answer, [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
