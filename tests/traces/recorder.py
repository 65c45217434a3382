# SPDX-License-Identifier: Apache-2.0
"""Everything that was written in a namespace, in the order in which it was.

Versions are of one store, so that the logs of several watches are one log.
"""

import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from socket import SHUT_RDWR
from typing import Any, Final

from attrs import define, field, frozen

from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane

Json = dict[str, Any]

PATHS: Final = {
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Pod": "/api/v1/namespaces/{}/pods",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
}


@frozen
class Written:
    """One change of one object: what it became, or was when it went."""

    version: int
    kind: str
    gone: bool
    value: Json
    at: float = field(factory=time.monotonic)

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(self.value["metadata"]["name"])

    @property
    def story(self) -> str:
        """The name of the program that it belongs to."""
        metadata = self.value["metadata"]
        labels = metadata.get("labels", {})
        return str(labels.get("batch.kubernetes.io/job-name", metadata["name"]))


@define
class Recorder:
    """Watches of a namespace, from `start` to `stop`."""

    plane: ControlPlane
    namespace: str
    paths: Mapping[str, str] = field(factory=lambda: PATHS)  # What is watched, by kind.
    _logs: dict[str, list[Written]] = field(factory=dict[str, list[Written]])
    _clients: list[Client] = field(factory=list[Client], init=False)
    _threads: list[threading.Thread] = field(factory=list[threading.Thread], init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def start(self) -> None:
        """Begin to watch; what was there before is not told."""
        for kind, path in self.paths.items():
            client = self.plane.client()
            self._clients.append(client)
            listed = client.get(path.format(self.namespace)).expect(200)
            version = listed["metadata"]["resourceVersion"]
            response = _opened(client, path.format(self.namespace), version)
            thread = threading.Thread(
                target=self._follow, args=(kind, response), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Cut the watches."""
        for client in self._clients:
            socket = client.connected().sock
            with contextlib.suppress(OSError):
                socket.shutdown(SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            client.close()

    def log(self, story: str) -> list[Written]:
        """Return what was written for one program so far, in its order."""
        with self._lock:
            return sorted(self._logs.get(story, []), key=lambda each: each.version)

    def whole(self) -> list[Written]:
        """Return all that was written so far, in its order."""
        with self._lock:
            found = [each for log in self._logs.values() for each in log]
        return sorted(found, key=lambda each: each.version)

    def now(self, story: str) -> dict[str, list[Json]]:
        """Return the objects of one program as they were written last, by kind."""
        return state_after(self.log(story))

    def _follow(self, kind: str, response: HTTPResponse) -> None:
        # It ends when the connection is cut, in the middle of a line as like as not.
        cut = contextlib.suppress(OSError, HTTPException, ValueError)
        with contextlib.closing(response), cut:
            for line in _lines(response):
                event = json.loads(line)
                assert event["type"] != "ERROR", event
                value: Json = event["object"]
                version = int(value["metadata"]["resourceVersion"])
                gone = event["type"] == "DELETED"
                self._note(Written(version, kind, gone, value))

    def _note(self, written: Written) -> None:
        with self._lock:
            self._logs.setdefault(written.story, []).append(written)


def _opened(client: Client, path: str, version: str) -> HTTPResponse:
    connection = client.connected()
    headers = {"Authorization": f"Bearer {client.token}"}
    target = f"{path}?watch=true&resourceVersion={version}"
    connection.request("GET", target, headers=headers)
    assert connection.sock is not None
    connection.sock.settimeout(None)
    return connection.getresponse()


def _lines(response: HTTPResponse) -> Iterator[bytes]:
    while line := response.readline():
        yield line


def state_after(log: list[Written]) -> dict[str, list[Json]]:
    """Return what is there after all of a log, by kind, the oldest first."""
    there: dict[tuple[str, str], Json] = {}
    for each in log:
        if each.gone:
            there.pop((each.kind, each.name), None)
        else:
            there[each.kind, each.name] = each.value
    found: dict[str, list[Json]] = defaultdict(list)
    for (kind, _), value in there.items():
        found[kind].append(value)
    return found
