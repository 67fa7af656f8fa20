"""Show a page to the browsers of this machine alone.

It listens on 127.0.0.1. Other users of the machine, and pages of the internet in the same browser, reach that
address as well: so its path begins with a secret token, and a request that names another host is refused, as
one has that a foreign name was led here with (DNS rebinding). Nothing can be changed through it.
"""

from __future__ import annotations

import hmac
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from precision.errors import PrecisionError
from precision.report.html.live import Live
from precision.report.html.page import LIVE_POLICY

ADDRESS = "127.0.0.1"
TRIALS = "trials.json"
_PATIENCE = 30.0  # seconds that a request may take to arrive
_HEADERS = {
    "Content-Security-Policy": LIVE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Serves one page, on the loopback, to whoever knows its address.

    Args:
        live: what is shown.
        port: 0 for any that is free.

    Raises:
        PrecisionError: when the port cannot be had.
    """

    daemon_threads = True  # a browser that is slow keeps nobody from ending

    def __init__(self, live: Live, port: int = 0) -> None:
        self.live = live
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise PrecisionError(f"--port {port}: cannot be had ({why}); give another one, or none") from None

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def is_meant(self, host: str | None) -> bool:
        """Return whether a request that names this host is for this server."""
        names = [f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")]
        return host in names or (self.server_port == 80 and host in (ADDRESS, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = _PATIENCE
    protocol_version = "HTTP/1.1"
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def parse_request(self) -> bool:
        """Refuse every other method than GET."""
        if not super().parse_request():
            return False
        if self.command != "GET":
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered")
        return self.command == "GET"

    def do_GET(self) -> None:
        """Answer with the page or its trials; there is nothing else."""
        if not self.server.is_meant(self.headers.get("Host")):
            return self._refuse(HTTPStatus.FORBIDDEN, "another host is asked for")
        asked = urlsplit(self.path)
        first, _, rest = asked.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(first.encode(), self.server.token.encode()):
            return self._refuse(HTTPStatus.FORBIDDEN, "the address lacks its token")
        try:
            if rest == "":
                return self._answer(self.server.live.page(), "text/html; charset=utf-8")
            if rest == TRIALS:
                known = parse_qs(asked.query).get("known", [""])[0]
                return self._answer(self.server.live.trials(known), "application/json")
        except PrecisionError as error:
            return self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        return self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def _answer(self, content: bytes | None, kind: str) -> None:
        """Send content; without any, say that nothing has changed."""
        self.send_response(HTTPStatus.NO_CONTENT if content is None else HTTPStatus.OK)
        if content is not None:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content or b"")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # a body that came with it is not read
        self.send_response(status)
        content = f"{status.value}: {why}\n".encode()
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def end_headers(self) -> None:
        """Send what every answer has."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        """Say no versions."""
        return "precision"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the command."""
