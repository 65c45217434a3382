# SPDX-License-Identifier: Apache-2.0
"""The hook over HTTP: for hosts that call a service, and for metacontroller.

The standard library's server: the work is the function's, and a framework would be more
code than all of this. What strangers can make it do is bounded: the size of a body, the
silence in the middle of one, and how many are answered side by side.
"""

import json
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, socket
from typing import Any, Final, cast

from mpijob_operator import contract
from mpijob_operator.contract import Reply

# Whoever is silent for longer in the middle of a request has gone.
PATIENCE_S: Final = 30

# A length of more digits is too large whatever they are.
_DIGITS: Final = 12

# One interpreter works at one request at a time; more would only hold memory.
SIDE_BY_SIDE: Final = 4

# Connections that wait for their turn, as many as a burst of a controller's workers.
BACKLOG: Final = 128

_STATUS: Final[Mapping[str, HTTPStatus]] = {
    "NotJson": HTTPStatus.BAD_REQUEST,
    "TooLarge": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "Malformed": HTTPStatus.BAD_REQUEST,
    "Internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Server(ThreadingHTTPServer):
    """Answers POSTs to the paths that it is given."""

    daemon_threads = True  # A connection that is kept open keeps no process alive.
    block_on_close = False
    request_queue_size = BACKLOG

    def __init__(self, address: tuple[str, int], routes: Mapping[str, Reply]) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        self.routes = routes
        self.turn = threading.BoundedSemaphore(SIDE_BY_SIDE)
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it listens; with port 0 the system has chosen one."""
        host, port = self.server_address[:2]
        name = host if isinstance(host, str) else bytes(host).decode()
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def drain(self) -> None:
        """Wait until the answers under way are sent, and let no more begin."""
        for _ in range(SIDE_BY_SIDE):
            self.turn.acquire(timeout=PATIENCE_S)

    def handle_error(
        self,
        request: socket | tuple[bytes, socket],
        client_address: Any,  # noqa: ANN401 - the library's word for it.
    ) -> None:
        """Say nothing: a caller went away, and ours are answers."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    timeout = PATIENCE_S
    protocol_version = "HTTP/1.1"  # Callers keep their connection.
    server_version = "mpijob"
    sys_version = ""

    @property
    def _service(self) -> Server:
        return cast("Server", self.server)

    def do_GET(self) -> None:
        """Say that we are there."""
        if self.path == "/healthz":
            self._send(HTTPStatus.OK, "ok\n", "text/plain; charset=utf-8")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is /healthz here, and POST")

    def do_POST(self) -> None:
        """Answer one request."""
        reply = self._service.routes.get(self.path)
        length = self.headers.get("Content-Length", "")
        if reply is None:
            paths = " ".join(sorted(self._service.routes))
            self._refuse(HTTPStatus.NOT_FOUND, f"there are these paths here: {paths}")
        elif not (length.isascii() and length.isdecimal()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length must be given")
        elif len(length) > _DIGITS or int(length) > contract.REQUEST_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, contract.TOO_LARGE)
        else:
            body = self.rfile.read(int(length))
            with self._service.turn:
                said = contract.answered(body, reply)
                reason = said.get("error", {}).get("reason")
                status = _STATUS[reason] if reason else HTTPStatus.OK
                self._send(status, contract.text(said), "application/json")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Refuse without having read the body: the connection is of no more use."""
        self.close_connection = True
        self._send(status, json.dumps({"message": message}), "application/json")

    def _send(self, status: HTTPStatus, text: str, content_type: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs.
        """Keep silent: paths and counts are for metrics, bodies are for nobody."""
