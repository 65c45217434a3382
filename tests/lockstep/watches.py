# SPDX-License-Identifier: Apache-2.0
"""What the real server's watches tell: one watch a kind, for all programs of a run."""

import contextlib
import json
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable
from http.client import HTTPException
from typing import Final

from attrs import define, field

from tests.controlplane.client import Client
from tests.lockstep.backends import Change
from tests.lockstep.objects import KINDS, Json, Kind, merged

# A watch that says nothing for so long has died.
PATIENCE_S: Final = 30
# What is written to hear of it: whatever came before has been told by then.
MARKER: Final = "marker"


def _told() -> defaultdict[str, list[Change]]:
    return defaultdict(list)


@define
class Watch:
    """The watch of one kind, read by a thread of its own."""

    kind: Kind
    client: Client
    told: dict[str, list[Change]] = field(factory=_told)  # By namespace.
    _news: threading.Condition = field(factory=threading.Condition)
    _version: int = 0
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to listen, from here on."""
        known = self.client.get(self.kind.everywhere, limit="1").expect(200)
        version = known["metadata"]["resourceVersion"]
        connection = self.client.connected()
        path = f"{self.kind.everywhere}?watch=1&resourceVersion={version}"
        headers = {"Authorization": f"Bearer {self.client.token}"}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        self._thread = threading.Thread(target=self._listen, args=(response,))
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        """Hang up; the thread hears nothing more and ends."""
        if connection := self.client.connected().sock:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()
        self.client.close()

    def _listen(self, lines: Iterable[bytes]) -> None:
        with contextlib.suppress(HTTPException, OSError, ValueError):
            for line in lines:
                self._note(json.loads(line))

    def _note(self, change: Json) -> None:
        value: Json = change["object"]
        metadata = value["metadata"]
        with self._news:
            self.told[metadata["namespace"]].append((change["type"], value))
            self._version = int(metadata["resourceVersion"])
            self._news.notify_all()

    def wait_for(self, version: str) -> None:
        """Wait until the watch has told of a version, and all that came before it."""
        with self._news:
            heard = self._news.wait_for(
                lambda: self._version >= int(version), PATIENCE_S
            )
        assert heard, f"the watch of {self.kind.name} is silent"


class Watches:
    """The watches of all kinds."""

    def __init__(self, client: Client) -> None:
        self.client = client
        body = {"metadata": {"name": MARKER}}
        client.create("/api/v1/namespaces", body).expect(201)
        self.watches = {
            name: Watch(kind, Client(client.port, client.token, client.certificate))
            for name, kind in KINDS.items()
        }
        self._written = 0
        for watch in self.watches.values():
            watch.start()

    def stop(self) -> None:
        """Hang up on all."""
        for watch in self.watches.values():
            watch.stop()

    def told(self, kind: str, namespace: str) -> list[Change]:
        """Return all that the watch of a kind has to tell of a namespace by now."""
        self._written += 1
        watch = self.watches[kind]
        metadata = {"name": MARKER, "annotations": {"count": str(self._written)}}
        body = merged(watch.kind.base, {**watch.kind.identity, "metadata": metadata})
        path = watch.kind.path(MARKER, MARKER)
        answer = self.client.apply(path, body, MARKER).expect(200, 201)
        watch.wait_for(answer["metadata"]["resourceVersion"])
        return watch.told.pop(namespace, [])
