# SPDX-License-Identifier: Apache-2.0
"""An API server in memory that lists and shows two kinds, as well as it can.

Its watches stall, break off, end, forget, and repeat themselves; its lists fail. It
remembers every moment that there was.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Final, cast

from attrs import define, field

from mpijob import names
from mpijob.loose import Manifest
from mpijob_operator.controller import kinds
from mpijob_operator.controller.api import Unreachable
from mpijob_operator.controller.store import Key

NAMESPACE: Final = "hpc"
JOBS, PODS = kinds.JOBS, kinds.CHILDREN[0]
INSTANT_S: Final = 1e-3

Objects = Mapping[str, Manifest]
Event = tuple[str, Manifest]


@define
class Line:
    """A watch: what it is yet to show is in the server's log."""

    server: "Server"
    path: str
    shown: int
    until: float
    stir: asyncio.Event = field(factory=asyncio.Event)
    closed: bool = False
    bookmark: bool = False
    again: int = 0  # What was shown so many ago is shown once more.
    error: int | None = None

    async def events(self) -> AsyncIterator[Event]:
        """Yield what happens, in its order."""
        server = self.server
        if self.shown < server.oldest:
            yield "ERROR", {"code": 410, "message": "too old"}
        while server.now() < self.until - INSTANT_S:
            for event in [] if server.stalled else self._due():
                yield event
            if self.error is not None:
                yield "ERROR", {"code": self.error, "message": "broken"}
            if self.closed:
                raise Unreachable(0, "broke off")
            self.stir.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stir.wait(), self.until - server.now())

    def _due(self) -> list[Event]:
        log = [each for each in self.server.log if each[1] == self.path]
        old = [e for at, _, *e in log if at <= self.shown]
        due = [e for at, _, *e in log if at > self.shown]
        if due or self.bookmark:
            self.shown = self.server.revision
        told = (*old[-self.again :][:1], *due) if self.again else due
        events = [(str(type_), cast("Manifest", value)) for type_, value in told]
        self.again = 0
        if self.bookmark:
            version = {"resourceVersion": str(self.server.revision)}
            events.append(("BOOKMARK", {"metadata": version}))
        self.bookmark = False
        return events

    def close(self) -> None:
        """End it from this side."""
        self.closed = True
        self.stir.set()


@define
class Server:
    """An API server in memory: two kinds, every moment of them, and open watches."""

    now: Callable[[], float]
    revision: int = 8
    oldest: int = 8
    # What was the newest version from which time on.
    newest: list[tuple[float, int]] = field(factory=list[tuple[float, int]])
    stalled: bool = False
    lists_fail: int = 0
    objects: dict[str, Objects] = field(factory=dict[str, Objects])
    moments: dict[int, dict[str, Objects]] = field(
        factory=dict[int, dict[str, Objects]]
    )
    log: list[tuple[int, str, str, Manifest]] = field(
        factory=list[tuple[int, str, str, Manifest]]
    )
    lines: list[Line] = field(factory=list[Line])

    def __attrs_post_init__(self) -> None:
        self.objects = {JOBS.path(): {}, PODS.path(): {}}
        self.moments[self.revision] = self.objects

    def write(self, path: str, name: str, value: Manifest | None) -> None:
        """Put an object in the place of what is there, or nothing."""
        there = dict(self.objects[path])
        old = there.pop(name, None)
        if value is None and old is None:
            return
        self.revision += 1
        known: Manifest = old or {"metadata": {}} if value is None else value
        version = {"resourceVersion": str(self.revision)}
        known = {**known, "metadata": {**known["metadata"], **version}}
        type_ = "DELETED" if value is None else "MODIFIED" if old else "ADDED"
        if value is not None:
            there[name] = known
        self.objects = {**self.objects, path: there}
        self.moments[self.revision] = self.objects
        self.newest.append((self.now(), self.revision))
        self.log.append((self.revision, path, type_, known))
        self.stir()

    def version_before(self, time: float) -> int:
        """Return the newest version that there was before some time."""
        return max((v for at, v in self.newest if at < time), default=0)

    def stir(self) -> None:
        """Have every watch look at what there is to show."""
        for line in self.lines:
            line.stir.set()

    async def read_all(
        self, path: str, query: Mapping[str, str], accept: str
    ) -> tuple[list[Manifest], str]:
        """Answer a list; who asks for any age gets the oldest that is remembered."""
        del accept
        if self.lists_fail:
            self.lists_fail -= 1
            raise Unreachable(503, "not now")
        at = self.oldest if "resourceVersion" in query else self.revision
        return [*self.moments[at][path].values()], str(at)

    @contextlib.asynccontextmanager
    async def watch(
        self, path: str, query: Mapping[str, str], accept: str, silence_s: float
    ) -> AsyncGenerator[Line]:
        """Open a watch."""
        del accept, silence_s
        until = self.now() + float(query["timeoutSeconds"])
        line = Line(self, path, int(query["resourceVersion"]), until)
        self.lines.append(line)
        try:
            yield line
        finally:
            self.lines.remove(line)


def an_mpijob(name: str) -> Manifest:
    return {"metadata": {"name": name, "namespace": NAMESPACE, "uid": f"u-{name}"}}


def a_pod(name: str, label: str, owner: str) -> Manifest:
    """Return a pod that says whose it is by a label, by its controller, by both."""
    owners = [{"kind": "MPIJob", "name": owner, "uid": "u", "controller": True}]
    metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE}
    metadata["labels"] = {names.JOB_NAME_LABEL: label} if label else {}
    metadata["ownerReferences"] = owners if owner else []
    return {"metadata": metadata}


Filed = dict[Key, dict[str, str]]
"""The versions of the pods of each job."""


def filed(pods: Objects) -> Filed:
    """Return which pods a cache has to show for which job."""
    found: Filed = {}
    for name, pod in pods.items():
        metadata = pod["metadata"]
        said = {*metadata["labels"].values()}
        said |= {owner["name"] for owner in metadata["ownerReferences"]}
        for job in said:
            of_job = found.setdefault(Key(NAMESPACE, job), {})
            of_job[name] = metadata["resourceVersion"]
    return found
