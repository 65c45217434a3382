# SPDX-License-Identifier: Apache-2.0
"""Laws of the caches: what they show was so, and what changed is looked at.

The shipped reflectors, caches, store and queue follow an API server in memory, in a
time of its own. Its watches stall, break off, end, and forget; its lists fail.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Final, cast

import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mpijob import names
from mpijob.loose import Manifest
from mpijob_operator.controller import kinds
from mpijob_operator.controller.api import Api, Unreachable
from mpijob_operator.controller.caches import Caches
from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.reflector import Reflector
from mpijob_operator.controller.store import Key, Store
from properties.laws import sometimes
from tests.electing import FreeTime

pytestmark = pytest.mark.rule("B8.2", "B8.3")

NAMESPACE: Final = "hpc"
JOBS, PODS = kinds.JOBS, kinds.CHILDREN[0]
# Longer than any pause, any watch and any patience.
CALM_S: Final = 1000.0
INSTANT_S: Final = 1e-3
# Longer than changes are waited for that come together.
WHILE_S: Final = 0.5

Objects = Mapping[str, Manifest]
Event = tuple[str, Manifest]
job_names = st.sampled_from(["pi", "e"])
pod_names = st.sampled_from(["a", "b", "c"])


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
        log = self.server.log
        due = [e for at, path, *e in log if at > self.shown and path == self.path]
        if due or self.bookmark:
            self.shown = self.server.revision
        events = [(str(type_), cast("Manifest", value)) for type_, value in due]
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
        self.log.append((self.revision, path, type_, known))
        self.stir()

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


class AnyNews(RuleBasedStateMachine):
    """A cluster that changes, watches that are what watches are, and the caches."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = FreeTime()
        self.server = Server(self.loop.time)
        self.store, self.queue = Store(), Queue(self.loop.time)
        self.caches = Caches(self.store, self.queue)
        self.looks: dict[Key, object] = {}
        self.versions: dict[str, int] = {}
        self.waits: set[Key] = set()
        api = cast("Api", self.server)
        self.caches.reflectors += [
            Reflector(api, kind, "", self.caches, self.loop.time, lambda: 0.0)
            for kind in (JOBS, PODS)
        ]
        runs = [self._look(), *(each.run() for each in self.caches.reflectors)]
        self.tasks = [self.loop.create_task(each) for each in runs]
        self._goes_on(INSTANT_S)

    async def _look(self) -> None:
        """Look at each job that is due: remember what there was to see."""
        while (taken := await self.queue.take()) is not None:
            key, _ = taken
            self.looks[key] = self._sight(key)
            self.waits.discard(key)
            self.queue.done(key)

    def _sight(self, key: Key) -> object:
        job = self.store.jobs.get(key)
        version = job.resource_version if job else None
        return version, self._shown().get(key, {})

    def _shown(self) -> Filed:
        return {
            key: {r.name: s.sighting.resource_version for r, s in bucket.items()}
            for key, bucket in self.store.children.items()
        }

    def _goes_on(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    # --- What happens ---------------------------------------------------------------

    @rule(name=job_names)
    def a_job_is_written(self, name: str) -> None:
        job = {**an_mpijob(name), "spec": {"slotsPerWorker": self.server.revision}}
        self.server.write(JOBS.path(), name, job)
        self._goes_on(INSTANT_S)

    @rule(name=job_names)
    def a_job_is_gone(self, name: str) -> None:
        self.server.write(JOBS.path(), name, None)
        self._goes_on(INSTANT_S)

    @rule(
        name=pod_names,
        label=st.sampled_from(["pi", "e", ""]),
        owner=st.sampled_from(["pi", "e", ""]),
    )
    def a_pod_is_written(self, name: str, label: str, owner: str) -> None:
        self.server.write(PODS.path(), name, a_pod(name, label, owner))
        self._goes_on(INSTANT_S)

    @rule(name=pod_names)
    def a_pod_is_gone(self, name: str) -> None:
        self.server.write(PODS.path(), name, None)
        self._goes_on(INSTANT_S)

    @rule(stalled=st.booleans())
    def watches_stall_or_go_on(self, stalled: bool) -> None:
        self.server.stalled = stalled
        self.server.stir()
        self._goes_on(INSTANT_S)

    @rule(code=st.sampled_from([None, 410, 500]))
    def watches_break_off(self, code: int | None) -> None:
        for line in self.server.lines:
            line.error, line.closed = code, True
        self.server.stir()
        self._goes_on(INSTANT_S)

    @rule()
    def watches_show_a_bookmark(self) -> None:
        for line in self.server.lines:
            line.bookmark = True
        self.server.stir()
        self._goes_on(INSTANT_S)

    @rule(fail=st.integers(0, 2))
    def the_server_forgets(self, fail: int) -> None:
        self.server.oldest = self.server.revision
        self.server.lists_fail = fail
        for line in self.server.lines:
            line.closed = True
        self.server.stir()
        self._goes_on(INSTANT_S)

    @rule(at_once=st.booleans(), name=job_names, which=st.integers(0, 1))
    def somebody_waits_for_a_list(self, at_once: bool, name: str, which: int) -> None:
        reflector = self.caches.reflectors[which]
        reflector.refresh(at_once=at_once)
        key = Key(NAMESPACE, name)
        # One that was listed a moment ago is not listed anew.
        if key in self.store.jobs and reflector.wants_list:
            self.caches.waiting[key] = self.loop.time()
            self.waits.add(key)
        self._goes_on(INSTANT_S)

    @rule(seconds=st.sampled_from([0.05, 0.6, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self._goes_on(seconds)
        if seconds > WHILE_S:
            self._was_looked_at()

    # --- The laws -------------------------------------------------------------------

    @invariant()
    def what_is_shown_was_so(self) -> None:
        """P24: a cache shows its kind as it was at the version that it tells, whole."""
        jobs, pods = (each.progress.version for each in self.caches.reflectors)
        if pods:
            then = self.server.moments[int(pods)][PODS.path()]
            assert self._shown() == filed(then)
            refs = {ref.name for ref in self.store.refs(*PODS.key)}
            assert refs == then.keys()
        if jobs:
            then = self.server.moments[int(jobs)][JOBS.path()]
            known = {key.name: j.resource_version for key, j in self.store.jobs.items()}
            versions = {n: j["metadata"]["resourceVersion"] for n, j in then.items()}
            assert known == versions

    @invariant()
    def no_cache_goes_back_in_time(self) -> None:
        """P23: a cache never shows an older moment than it has shown."""
        for each in self.caches.reflectors:
            if each.progress.version:
                version, kind = int(each.progress.version), each.kind.kind
                assert version >= self.versions.get(kind, 0)
                self.versions[kind] = version

    def teardown(self) -> None:
        """Let it be calm; then everything is shown, and every change was looked at."""
        try:
            self._comes_to_rest()
        finally:
            for task in self.tasks:
                task.cancel()
            self.loop.run_until_complete(
                asyncio.gather(*self.tasks, return_exceptions=True)
            )
            self.loop.close()

    def _comes_to_rest(self) -> None:
        server = self.server
        server.stalled, server.lists_fail = False, 0
        for line in server.lines:
            line.bookmark = True
        server.stir()
        self._goes_on(CALM_S)
        assert not [task for task in self.tasks if task.done()]
        assert self._shown() == filed(server.objects[PODS.path()])
        assert {k.name for k in self.store.jobs} == server.objects[JOBS.path()].keys()
        self._was_looked_at()
        assert not self.waits & self.store.jobs.keys(), "who waits was forgotten"

    def _was_looked_at(self) -> None:
        for key in self.store.jobs:
            sometimes("a job was looked at")
            assert self.looks.get(key) == self._sight(key), f"{key} was not looked at"


TestAnyNews = AnyNews.TestCase
