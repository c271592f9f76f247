"""A fake web site whose pages a journey sets, and which keeps what a product posts to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Pages by path, and what was posted to each path, oldest first."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, tuple[int, str]] = {}
        self.posted: dict[str, list[str]] = {}


@contextmanager
def fake_site() -> Iterator[Site]:
    """Serve a site on a free loopback port until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    site = server.site = Site(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answers(BaseHTTPRequestHandler):
    """What the site says."""

    def do_GET(self) -> None:
        status, text = self._site.pages.get(self.path, (404, "nothing here"))
        self._say(status, text)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        self._site.posted.setdefault(self.path, []).append(sent)
        self._say(204, "")

    @property
    def _site(self) -> Site:
        return self.server.site  # type: ignore[attr-defined, no-any-return]

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
