# SPDX-License-Identifier: Apache-2.0
"""One look after the other: what the caches show, what the core says, what is sent.

Rule: nothing is decided here. A look waits until no cache shows our own past
(`memory`), asks the core, reads live what the core asks for, and carries the plan out
step by step (`executor`). Whatever becomes of it is known to the next look.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Protocol

from attrs import define, evolve, field, frozen

import mpijob
from mpijob import names, sightings
from mpijob.job import KIND
from mpijob.loose import Manifest, text
from mpijob.names import Ref
from mpijob.observed import Live
from mpijob_operator.controller import memory as memories
from mpijob_operator.controller.api import AT_ONCE, WRITE_S, Api, Deposed, Unreachable
from mpijob_operator.controller.caches import Caches
from mpijob_operator.controller.kinds import Watched
from mpijob_operator.controller.memory import Memory
from mpijob_operator.controller.store import (
    Key,
    Seen,
    observed,
    sights,
    with_live,
)
from mpijob_operator.executor import Answer, Call, End, Execution, start
from mpijob_operator.keypair import key_pair
from mpijob_operator.requests import Request, Verb, filled

# A cache that does not show our own writes for so long is listed anew.
PATIENCE_S: Final = 10.0
# After an exception of ours, unless a change comes: only other code helps.
FAILED_S: Final = 60.0

_NOT_FOUND: Final = 404
_OK: Final = 200

_log: Final = logging.getLogger(__name__)


@frozen
class Look:
    """One look that led to a plan, and what became of it."""

    key: Key
    job: mpijob.MPIJob
    seen: mpijob.Observed
    sights: tuple[Seen, ...]  # What was looked at, one by one.
    manifest: Manifest | None  # The MPIJob as JSON, where recordings are made.
    world: mpijob.World
    answer: mpijob.Reconciliation
    plan: mpijob.Plan
    execution: Execution
    answers: tuple[tuple[mpijob.Action, Answer], ...] = ()


class Witness(Protocol):
    """Sees what the controller does: metrics, recordings."""

    def took(self, waited_s: float) -> None:
        """Take note of how long a job that was due had to wait."""
        ...

    def looked(
        self, key: Key, answer: mpijob.Reconciliation, result: str, seconds: float
    ) -> None:
        """Take note of a look: `quiet`, `done`, or why a plan was not carried out."""
        ...

    def acted(self, look: Look) -> None:
        """Take note of a plan that was carried out, or half of it."""
        ...

    def left(self, key: Key) -> None:
        """Take note of a job that is gone."""
        ...


@define
class Controller:
    """Every job of the caches, and what is known of each beside them."""

    api: Api
    caches: Caches
    settings: mpijob.Settings
    instance: str
    witnesses: tuple[Witness, ...] = ()
    clock: Callable[[], float] = time.monotonic
    beat: float = field(factory=time.monotonic)  # When a look last ended, or none was.
    memories: dict[Key, tuple[str, Memory]] = field(
        factory=dict[Key, tuple[str, Memory]]
    )
    _busy: int = 0

    def adopt(self, kind: Watched, metadata: Manifest) -> None:
        """Have a child without our labels read live at the next look of its job."""
        owner = sightings.owner(metadata)
        namespace = text(metadata, "namespace") or "default"
        key = Key(namespace, owner.name)
        job = self.caches.store.jobs.get(key)
        if owner.kind != KIND or job is None or job.uid != owner.uid:
            return
        known = self._known(key, job)
        ref = Ref(*kind.key, namespace, text(metadata, "name"))
        self.memories[key] = job.uid, evolve(known, taken=known.taken | {ref})
        self.caches.queue.add(key)

    def drain(self) -> None:
        """Begin no more looks; those under way end by themselves."""
        self.caches.queue.close()

    def left(self, key: Key) -> None:
        """Forget a job that is gone."""
        self.memories.pop(key, None)
        for witness in self.witnesses:
            witness.left(key)

    # --- Looks -----------------------------------------------------------------

    async def work(self) -> None:
        """Look at one job after the other, until the queue is closed.

        Raises:
            Deposed: We do not lead any more.
        """
        while (taken := await self.caches.queue.take()) is not None:
            key, waited = taken
            if not self._busy:
                self.beat = self.clock()
            self._busy += 1
            for witness in self.witnesses:
                witness.took(waited)
            try:
                await self._look_safely(key)
            finally:
                self._busy -= 1
                self.beat = self.clock()
                self.caches.queue.done(key)

    @property
    def stuck_s(self) -> float:
        """For how long a look has been under way without any that ended."""
        return self.clock() - self.beat if self._busy else 0.0

    async def _look_safely(self, key: Key) -> None:
        """Look at a job; one that makes us fail is no other job's trouble (B8.4)."""
        try:
            await self.look(key)
        except Deposed:
            raise
        except Exception:  # noqa: BLE001 - bugs of ours; see above.
            _log.exception(
                "cannot reconcile", extra={"job": str(key), "again_in_s": FAILED_S}
            )
            self.caches.queue.add(key, FAILED_S)

    async def look(self, key: Key) -> None:
        """Look at a job once, and do what is to be done."""
        began = self.clock()
        job = self.caches.store.jobs.get(key)
        if job is None:
            return
        known = self._known(key, job)
        if self._waits(key, known):
            return
        known = memories.caught_up(known)
        try:
            look, known = await self._decided(key, job, known)
        except Unreachable as trouble:
            _log.warning("cannot read", extra={"job": str(key), "why": str(trouble)})
            self._remember(key, job, memories.unread(known))
            return
        result = "quiet"
        if look.plan:
            try:
                look = await self._carried_out(look)
            except Exception:
                # Of ours, and in the midst of a plan: what was sent may yet land.
                doubtful = memories.broken_off(known, self.clock(), WRITE_S)
                self._remember(key, job, doubtful)
                raise
            known = memories.after(known, look.execution, self.clock(), WRITE_S)
            result = (look.execution.end or End.DONE).name.lower()
        else:
            known = evolve(known, refusals=(), fruitless=0, pause=0.0, rest=0.0)
        if (after := look.answer.requeue_after) is not None:
            self.caches.queue.add(key, after.total_seconds())
        # Before anybody is told: a witness that fails makes us forget nothing.
        self._remember(key, job, known)
        for witness in self.witnesses:
            if look.plan:
                witness.acted(look)
            witness.looked(key, look.answer, result, self.clock() - began)

    def _known(self, key: Key, job: mpijob.MPIJob) -> Memory:
        uid, known = self.memories.get(key, (job.uid, memories.NEW))
        return known if uid == job.uid else memories.NEW

    def _remember(self, key: Key, job: mpijob.MPIJob, known: Memory) -> None:
        now = self.caches.store.jobs.get(key)
        if now is None or now.uid != job.uid:
            return
        if known == memories.NEW:
            self.memories.pop(key, None)
        else:
            self.memories[key] = job.uid, known
        lands = 0.0 if known.doubt is None else known.doubt - self.clock()
        if (wait := max(known.pause, lands)) > 0:
            self.caches.queue.add(key, wait)
        elif known.written:
            # What was written wakes us; that it does not is noticed, too.
            self.caches.queue.add(key, PATIENCE_S)

    def _waits(self, key: Key, known: Memory) -> bool:
        """Tell whether a job waits: for rest, or for a cache that shows our past."""
        if (rest := known.rest - self.clock()) > 0:
            self.caches.queue.add(key, rest)
            return True
        progress = self.caches.progress(key.namespace)
        late = [*memories.behind(known, progress)]
        if not late:
            self.caches.waiting.pop(key, None)
            return False
        now = self.clock()
        since = self.caches.waiting.setdefault(key, now)
        if known.doubt is not None and now < known.doubt:
            self.caches.queue.add(key, known.doubt - now)
            return True
        if known.doubt is not None or now - since >= PATIENCE_S:
            reflectors = self.caches.of(key.namespace)
            for kind in late:
                reflectors[kind].refresh()
        self.caches.queue.add(key, PATIENCE_S)
        return True

    # --- Deciding --------------------------------------------------------------

    async def _decided(
        self, key: Key, job: mpijob.MPIJob, known: Memory
    ) -> tuple[Look, Memory]:
        """Ask the core, with what it wants read live.

        Raises:
            Unreachable: Something could not be read.
        """
        manifest = self.caches.store.manifests.get(key)  # As the job, before a wait.
        # In whole seconds, as the API has times and a recording keeps them.
        now = datetime.now(UTC).replace(microsecond=0)
        world = mpijob.World(now, self.settings, self.caches.priority_classes)
        strangers, known = await self._strangers(job, known)
        bucket = self.caches.store.bucket(key)
        found = sights(job, bucket, strangers)
        seen = evolve(observed(job, found), refusals=known.refusals)
        answer = mpijob.reconcile(job, seen, world)
        if needs := answer.needs:
            live = {need: await self._read(need, job) for need in needs}
            found = sights(job, with_live(bucket, live, job), strangers)
            seen = evolve(observed(job, found), refusals=known.refusals, live=needs)
            answer = mpijob.reconcile(job, seen, world)
        plan = mpijob.plan(job, seen, answer)
        look = Look(
            key, job, seen, found, manifest, world, answer, plan, start(job, plan)
        )
        return look, known

    async def _strangers(
        self, job: mpijob.MPIJob, known: Memory
    ) -> tuple[tuple[Seen, ...], Memory]:
        """Read who has the names that were not free; forget those that are now."""
        found: dict[Ref, Seen | None] = {}
        for ref in sorted(known.taken):
            if (answer := await self._get(ref)) is not None:
                found[ref] = self._seen(ref, answer)
        sighted = {
            ref: None if one is None else one.sighting for ref, one in found.items()
        }
        strangers = tuple(one for one in found.values() if one is not None)
        return strangers, memories.looked_up(known, sighted, job)

    async def _read(self, need: Live, job: mpijob.MPIJob) -> tuple[Seen, ...]:
        if need is Live.LAUNCHER:
            ref = Ref("batch/v1", "Job", job.namespace, names.launcher(job))
            answer = await self._get(ref)
            one = None if answer is None else self._seen(ref, answer)
            return () if one is None else (one,)
        labels = ",".join(f"{k}={v}" for k, v in names.selector(job).items())
        pods = Ref("v1", "Pod", job.namespace, "")
        found, _ = await self.api.read_all(
            Request(Verb.CREATE, pods).path, {"labelSelector": labels}
        )
        seen = (self._seen(pods, value) for value in found)
        return tuple(one for one in seen if one is not None)

    async def _get(self, ref: Ref) -> Manifest | None:
        """Read one object; None where there is none.

        Raises:
            Unreachable: It cannot be told.
        """
        answer = await self.api.send(Request(Verb.GET, ref))
        if answer.code == _NOT_FOUND:
            return None
        if answer.code != _OK or text(answer.body.get("metadata"), "name") != ref.name:
            raise Unreachable(answer.code, answer.message)
        return answer.body

    def _seen(self, ref: Ref, value: Manifest) -> Seen | None:
        typed = {**value, "apiVersion": ref.api_version, "kind": ref.kind}
        one = sightings.sighting(typed)
        keeps = self.caches.store.keeps_manifests
        return None if one is None else Seen(one, typed if keeps else None)

    # --- Acting ----------------------------------------------------------------

    async def _carried_out(self, look: Look) -> Look:
        """Send a plan, the actions of a step side by side.

        Raises:
            Deposed: We do not lead any more.
        """
        execution = look.execution
        answers: list[tuple[mpijob.Action, Answer]] = []

        async def sender(calls: Iterator[Call]) -> None:
            nonlocal execution
            for call in calls:
                if execution.stopped:
                    return
                answer = await self._send(call.request)
                self.beat = self.clock()
                answers.append((call.action, answer))
                execution = execution.answered(call.number, answer)

        while execution.end is None:
            calls = execution.ready()
            rest = iter(calls)
            if len(calls) == 1:
                await sender(rest)
            else:
                await _all(sender(rest) for _ in range(min(AT_ONCE, len(calls))))
        return evolve(look, execution=execution, answers=tuple(answers))

    async def _send(self, request: Request) -> Answer:
        return await self.api.send(
            filled(request, key_pair=key_pair, now=_now, instance=self.instance)
        )


def _now() -> str:
    """Return the time as an Event has it, a MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def _all(senders: Iterable[Coroutine[None, None, None]]) -> None:
    """Run side by side; the first that fails ends the others, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for sender in senders:
                group.create_task(sender)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
