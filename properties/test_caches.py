# SPDX-License-Identifier: Apache-2.0
"""Laws of the caches: what they show was so, and what changed is looked at.

The shipped reflectors, caches, store and queue follow an API server in memory (`news`),
in a time of its own.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from mpijob_operator.controller.caches import Caches
from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.reflector import Reflector
from mpijob_operator.controller.store import Key, Store
from properties.laws import machine_law, one_more, sometimes
from properties.news import (
    INSTANT_S,
    JOBS,
    NAMESPACE,
    PODS,
    Filed,
    Server,
    a_pod,
    an_mpijob,
    filed,
)
from tests.electing import FreeTime

if TYPE_CHECKING:
    from mpijob_operator.controller.api import Api

pytestmark = pytest.mark.rule("B8.2", "B8.3")

# Longer than any pause, any watch and any patience.
CALM_S: Final = 1000.0
# Longer than changes are waited for that come together.
WHILE_S: Final = 0.3

JOB_NAMES: Final = ("pi", "e")
job_names = st.sampled_from(JOB_NAMES)
pod_names = st.sampled_from(["a", "b", "c"])
# So short that nothing but the watches has come along, or long enough for a look.
pauses = st.sampled_from([INSTANT_S, INSTANT_S, WHILE_S * 2])


class PassingTime(FreeTime):
    """A time that goes on a little whenever it is asked for.

    A wait may be too short to be added to what time it is, and would never end.
    """

    def time(self) -> float:
        self.now += 1e-9
        return self.now


class AnyNews(RuleBasedStateMachine):
    """A cluster that changes, watches that are what watches are, and the caches."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = PassingTime()
        self.server = Server(self.loop.time)
        for name in JOB_NAMES:
            self.server.write(JOBS.path(), name, an_mpijob(name))
        self.tasks: list[asyncio.Task[None]] = []
        self.looks: dict[Key, object] = {}
        # Who waits for a list, of which reflector, and since when.
        self.waits: dict[Key, tuple[Reflector, float]] = {}
        self._starts()

    def _starts(self) -> None:
        """Start a process, which knows nothing."""
        self.store, self.queue = Store(), Queue(self.loop.time)
        self.caches = Caches(self.store, self.queue)
        api = cast("Api", self.server)
        self.caches.reflectors += [
            Reflector(api, kind, "", self.caches, self.loop.time, lambda: 0.0)
            for kind in (JOBS, PODS)
        ]
        runs = [self._look(), *(each.run() for each in self.caches.reflectors)]
        self.tasks = [self.loop.create_task(each) for each in runs]
        self._goes_on(INSTANT_S)

    def _dies(self) -> None:
        for task in self.tasks:
            task.cancel()
        ended = asyncio.gather(*self.tasks, return_exceptions=True)
        self.loop.run_until_complete(ended)
        self.looks.clear()
        self.waits.clear()

    async def _look(self) -> None:
        """Look at each job that is due: remember what there was to see."""
        while (taken := await self.queue.take()) is not None:
            key, _ = taken
            self.looks[key] = self._sight(key)
            self.waits.pop(key, None)
            self.queue.done(key)

    def _sight(self, key: Key) -> object:
        job = self.store.jobs.get(key)
        version = job.resource_version if job else None
        return version, self.shown().get(key, {})

    def shown(self) -> Filed:
        """Return what the cache of pods shows of each job."""
        return {
            key: {r.name: s.sighting.resource_version for r, s in bucket.items()}
            for key, bucket in self.store.children.items()
        }

    def _goes_on(self, seconds: float) -> None:
        if seconds <= WHILE_S:
            self.loop.run_until_complete(asyncio.sleep(seconds))
            return
        self.loop.run_until_complete(asyncio.sleep(seconds - WHILE_S))
        sights = {key: self._sight(key) for key in self.store.jobs}
        self.loop.run_until_complete(asyncio.sleep(WHILE_S))
        self.looked_at(sights)

    def looked_at(self, sights: Mapping[Key, object]) -> None:
        """Check that whatever is as it was a while ago was looked at."""

    # --- What happens ---------------------------------------------------------------

    @rule(name=job_names, pause=pauses)
    def a_job_is_written(self, name: str, pause: float) -> None:
        job = {**an_mpijob(name), "spec": {"slotsPerWorker": self.server.revision}}
        self.server.write(JOBS.path(), name, job)
        self._goes_on(pause)

    @rule(name=job_names)
    def a_job_is_gone(self, name: str) -> None:
        self.server.write(JOBS.path(), name, None)
        self._goes_on(INSTANT_S)

    @rule(
        name=pod_names,
        label=st.sampled_from(["pi", "e", ""]),
        owner=st.sampled_from(["pi", "e", ""]),
        pause=pauses,
    )
    def a_pod_is_written(self, name: str, label: str, owner: str, pause: float) -> None:
        self.server.write(PODS.path(), name, a_pod(name, label, owner))
        self._goes_on(pause)

    @precondition(lambda self: self.server.objects[PODS.path()])
    @rule(which=st.integers(0, 2), pause=pauses)
    def a_pod_is_gone(self, which: int, pause: float) -> None:
        there = sorted(self.server.objects[PODS.path()])
        self.server.write(PODS.path(), there[which % len(there)], None)
        self._goes_on(pause)

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

    @rule(again=st.integers(0, 3))
    def watches_show_a_bookmark_or_repeat_themselves(self, again: int) -> None:
        for line in self.server.lines:
            line.bookmark, line.again = not again, again
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

    @rule()
    def the_process_starts_anew(self) -> None:
        self._dies()
        self._starts()

    @rule(at_once=st.booleans(), name=job_names, which=st.integers(0, 1), pause=pauses)
    def somebody_waits_for_a_list(
        self, at_once: bool, name: str, which: int, pause: float
    ) -> None:
        reflector = self.caches.reflectors[which]
        reflector.refresh(at_once=at_once)
        key = Key(NAMESPACE, name)
        # One that was listed a moment ago is not listed anew.
        if key in self.store.jobs and reflector.wants_list:
            self.caches.waiting[key] = self.loop.time()
            self.waits[key] = reflector, self.loop.time()
        self._goes_on(pause)

    @rule(seconds=st.sampled_from([0.05, 0.6, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self._goes_on(seconds)

    def teardown(self) -> None:
        """End it."""
        one_more()
        self._dies()
        self.loop.close()


# --- The laws -----------------------------------------------------------------------


class Whole(AnyNews):
    """All of it, and what the caches show at each moment."""

    @invariant()
    def what_is_shown_was_so(self) -> None:
        """P24: a cache shows its kind as it was at the version that it tells, whole."""
        jobs, pods = (each.progress.version for each in self.caches.reflectors)
        if pods:
            then = self.server.moments[int(pods)][PODS.path()]
            assert self.shown() == filed(then)
            refs = {ref.name for ref in self.store.refs(*PODS.key)}
            assert refs == then.keys()
            sometimes("pods of two jobs", when=len(self.shown()) > 1)
        if jobs:
            then = self.server.moments[int(jobs)][JOBS.path()]
            known = {key.name: j.resource_version for key, j in self.store.jobs.items()}
            versions = {n: j["metadata"]["resourceVersion"] for n, j in then.items()}
            assert known == versions
        sometimes("the past", when=jobs != pods)


@machine_law(Whole, often=("pods of two jobs", "the past"))
def test_a_cache_shows_its_kind_whole() -> None:
    """P24: a cache shows its kind as it was at the version that it tells, whole."""


class Onward(AnyNews):
    """All of it, and the moments that the caches show, one after the other."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        super().__init__()

    @invariant()
    def none_goes_back_in_time(self) -> None:
        """P23: a cache shows no older moment than it has shown, nor than its list."""
        for each in self.caches.reflectors:
            progress, kind = each.progress, each.kind.kind
            if not progress.version:
                continue
            version, known = int(progress.version), self.versions.get(kind, 0)
            asked = self.server.version_before(progress.listed)
            assert version >= known, (
                "it has shown, or the process before it, what is newer"
            )
            assert version >= asked, "it was listed as it had been before that"
            self.versions[kind] = version
            sometimes("a list of what had changed", when=asked > 0)

    @rule()
    def the_process_starts_anew(self) -> None:
        super().the_process_starts_anew()
        sometimes("a new process", when=bool(self.versions))


@machine_law(Onward, often=("a list of what had changed", "a new process"))
def test_no_cache_goes_back_in_time() -> None:
    """P23: a cache shows no older moment than it has shown, nor than its list.

    A process that starts shows none that is older than what the one before it showed.
    """


class LookedAt(AnyNews):
    """All of it, and which jobs were looked at since."""

    def looked_at(self, sights: Mapping[Key, object]) -> None:
        for key in self.store.jobs:
            if sights.get(key) == (sight := self._sight(key)):
                sometimes("a job was looked at")
                assert self.looks.get(key) == sight, f"{key} was not looked at"
        for key, (reflector, since) in self.waits.items():
            listed = since <= reflector.progress.listed < self.loop.time() - INSTANT_S
            waits = key in self.store.jobs and sometimes("a list came", when=listed)
            assert not waits, f"{key} waited for a list, and was forgotten"

    def teardown(self) -> None:
        """Let it be calm; then everything is shown, and every change was looked at."""
        server = self.server
        server.stalled, server.lists_fail = False, 0
        for line in server.lines:
            line.bookmark = True
        server.stir()
        try:
            self._goes_on(CALM_S)
            assert not [task for task in self.tasks if task.done()]
            assert self.shown() == filed(server.objects[PODS.path()])
            jobs = server.objects[JOBS.path()].keys()
            assert {k.name for k in self.store.jobs} == jobs
            assert not self.waits.keys() & self.store.jobs.keys(), "some wait for ever"
        finally:
            super().teardown()


@machine_law(LookedAt, often=("a job was looked at",))
def test_what_changed_is_looked_at() -> None:
    """P38: every job that changed is looked at in a while, and who waits for a list.

    Once it is calm, the caches show all that there is.
    """
