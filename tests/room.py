# SPDX-License-Identifier: Apache-2.0
"""The shipped controller over the cluster in memory, a look at a time."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from attrs import define, field

import mpijob
from mpijob.job import API_VERSION, KIND
from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.controller import kinds
from mpijob_operator.controller.api import Api, Unreachable
from mpijob_operator.controller.caches import Caches
from mpijob_operator.controller.controller import Controller, Look
from mpijob_operator.controller.memory import Progress
from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.reflector import Reflector
from mpijob_operator.controller.store import Key, Store
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb
from mpijob_operator.simulation.cluster import Cluster
from tests.builders import a_manifest

PI = Key("hpc", "pi")
PI_REF = Ref(API_VERSION, KIND, "hpc", "pi")
KINDS = (kinds.JOBS, *kinds.CHILDREN)


@define
class Memory:
    """The API server in memory, asked as the real one; answers can be set."""

    cluster: Cluster
    sent: list[Request] = field(factory=list[Request])
    instead: dict[tuple[Verb, str], Answer] = field(
        factory=dict[tuple[Verb, str], Answer]
    )
    silent: bool = False

    async def send(self, request: Request) -> Answer:
        self.sent.append(request)
        await asyncio.sleep(0)
        found = self.instead.get((request.verb, request.ref.kind))
        return self.cluster.answer(request) if found is None else found

    async def read_all(
        self, path: str, query: Mapping[str, str]
    ) -> tuple[list[Manifest], str]:
        del path, query
        if self.silent:
            raise Unreachable(0, "no answer")
        pods = [value for _, value in self.cluster.all("Pod")]
        return pods, str(self.cluster.revision)


@define
class Told:
    """A witness that remembers."""

    results: list[str] = field(factory=list[str])
    looks: list[Look] = field(factory=list[Look])
    gone: list[Key] = field(factory=list[Key])

    def took(self, waited_s: float) -> None:
        assert waited_s >= 0

    def looked(
        self, key: Key, answer: mpijob.Reconciliation, result: str, seconds: float
    ) -> None:
        del key, answer, seconds
        self.results.append(result)

    def acted(self, look: Look) -> None:
        self.looks.append(look)

    def left(self, key: Key) -> None:
        self.gone.append(key)


@define
class Room:
    """A controller, and what surrounds it."""

    cluster: Cluster = field(factory=lambda: Cluster(datetime.now(UTC)))
    told: Told = field(factory=Told)
    now: float = 1_000.0
    api: Memory = field(init=False)
    controller: Controller = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.api = Memory(self.cluster)
        caches = Caches(Store(), Queue(lambda: self.now))
        self.controller = Controller(
            cast("Api", self.api),
            caches,
            mpijob.Settings(),
            "test",
            (self.told,),
            lambda: self.now,
        )
        caches.left = self.controller.left
        for kind in KINDS:
            api = cast("Api", self.api)
            reflector = Reflector(api, kind, "", caches, lambda: self.now)
            caches.reflectors.append(reflector)

    def submit(self, **spec: Any) -> None:  # noqa: ANN401 - JSON.
        types = {"apiVersion": API_VERSION, "kind": KIND}
        manifest: dict[str, Any] = {**a_manifest(), **types}
        manifest["metadata"] = {"name": "pi", "namespace": "hpc"}
        manifest["spec"] = {**manifest["spec"], **spec}
        self.cluster.create(manifest)

    def deliver(self, *which: str) -> None:
        """Show the present to the caches, of some kinds or of all."""
        caches = self.controller.caches
        for reflector in caches.reflectors:
            if not which or reflector.kind.kind in which:
                found = [v for _, v in self.cluster.all(reflector.kind.kind)]
                version = str(self.cluster.revision)
                reflector.progress = Progress(version, self.now)
                caches.replaced(reflector.kind, "", found)

    def look(self) -> str:
        """Look at pi once; return what became of it, empty while it waits."""
        before = len(self.told.results)
        asyncio.run(self.controller.look(PI))
        return "".join(self.told.results[before:])

    def status(self) -> Manifest:
        found: Manifest = self.cluster.objects[PI_REF].get("status", {})
        return found
