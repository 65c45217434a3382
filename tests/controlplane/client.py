# SPDX-License-Identifier: Apache-2.0
"""The API server, asked over plain HTTP with the standard library.

No client library stands between a test and what the server says: a test that holds a
fact of the API server must see its very words.
"""

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from attrs import define, field, frozen

Json = dict[str, Any]

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML.
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"

# Longer than any answer takes on a busy machine; a server that hangs fails a test.
TIMEOUT_S: Final = 60


@frozen
class Answer:
    """What the API server said to one request."""

    code: int
    body: Json

    @property
    def causes(self) -> tuple[str, ...]:
        """The faults that a refusal names, each as `field: message`."""
        causes = self.body.get("details", {}).get("causes", [])
        return tuple(f"{c.get('field', '')}: {c['message']}" for c in causes)

    def expect(self, *codes: int) -> Json:
        """Return the body of an answer that must have one of these codes."""
        assert self.code in codes, f"{self.code}: {self.body.get('message', self.body)}"
        return self.body


@define
class Client:
    """One user of one API server. Not for several threads: each makes its own."""

    port: int
    token: str
    certificate: Path
    _connection: HTTPSConnection | None = field(default=None, init=False)

    def request(
        self,
        verb: str,
        path: str,
        body: object = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        **parameters: str,
    ) -> Answer:
        """Send one request and wait for the answer."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": accept,
            "Content-Type": content_type,
        }
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        payload = None if body is None else json.dumps(body).encode()
        connection = self.connected()
        try:
            connection.request(verb, target, payload, headers)
            response = connection.getresponse()
            content = response.read()
        except (HTTPException, OSError):
            self.close()
            raise
        if not response.headers.get_content_type().startswith("application/json"):
            return Answer(response.status, {"message": content.decode()})
        return Answer(response.status, json.loads(content))

    def get(self, path: str, *, accept: str = JSON, **parameters: str) -> Answer:
        """Read one object, or a list of them."""
        return self.request("GET", path, accept=accept, **parameters)

    def create(self, path: str, body: Mapping[str, Any], **parameters: str) -> Answer:
        """Create one object in the collection of that path."""
        return self.request("POST", path, body, **parameters)

    def replace(self, path: str, body: Mapping[str, Any], **parameters: str) -> Answer:
        """Put one object in the place of another."""
        return self.request("PUT", path, body, **parameters)

    def merge(self, path: str, body: Mapping[str, Any], **parameters: str) -> Answer:
        """Change the fields that the body has; null removes one."""
        return self.request("PATCH", path, body, content_type=MERGE, **parameters)

    def apply(self, path: str, body: Mapping[str, Any], manager: str) -> Answer:
        """Server-side apply, by force: in a test nobody resolves a conflict."""
        parameters = {"fieldManager": manager, "force": "true"}
        return self.request("PATCH", path, body, content_type=APPLY, **parameters)

    def delete(self, path: str, **parameters: str) -> Answer:
        """Delete one object, or a whole collection."""
        return self.request("DELETE", path, **parameters)

    def close(self) -> None:
        """Hang up; the next request connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def connected(self) -> HTTPSConnection:
        """Return the connection, made where there is none."""
        if self._connection is None:
            context = ssl.create_default_context(cafile=str(self.certificate))
            self._connection = HTTPSConnection(
                "127.0.0.1", self.port, timeout=TIMEOUT_S, context=context
            )
        return self._connection
