# SPDX-License-Identifier: Apache-2.0
"""The operator as it is shipped, one request a step.

Whether a look may be taken is `memory.behind`; what it sees is put together by `store`;
what follows is the core's; what is sent, and what follows from an answer, the
executor's; what is known afterwards `memory.after`. An `Engine` is these.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Final

from attrs import evolve, field, frozen

import mpijob
from mpijob import names, sightings
from mpijob.loose import Manifest, mapping
from mpijob.names import Ref
from mpijob.observed import Live
from mpijob_operator.controller import memory as memories
from mpijob_operator.controller.controller import Look
from mpijob_operator.controller.memory import Memory, Progress
from mpijob_operator.controller.store import (
    Key,
    Seen,
    Store,
    observed,
    sights,
    with_live,
)
from mpijob_operator.executor import Kind, start
from mpijob_operator.simulation.life import START
from properties.world.canonical import KNOWN_MAX, Values, token, version
from properties.world.engine import Engine
from properties.world.state import (
    JOB,
    KINDS,
    Cache,
    Carrying,
    Reading,
    State,
)

# How long a request may take effect; any number would do where time stands still.
WRITE_S: Final = 5.0
KEY: Final = Key(JOB.namespace, JOB.name)


@frozen
class Decided:
    """What came of a look, with words in the place of versions."""

    plan: mpijob.Plan
    needs: frozenset[Live]
    number: int
    words: tuple[str, ...]  # The versions that the plan names.
    after: float | None = None  # Seconds until a look would come to something else.


@frozen
class Sights:
    """What one look has before it: each object, and whence."""

    job: Manifest
    shown: tuple[Manifest, ...]
    strangers: tuple[Manifest, ...] = ()
    live: Mapping[Live, tuple[Manifest, ...]] = field(
        factory=dict[Live, tuple[Manifest, ...]]
    )
    now: float = 0.0

    @property
    def every(self) -> tuple[Manifest, ...]:
        """All of them."""
        read = (value for values in self.live.values() for value in values)
        return (self.job, *self.shown, *self.strangers, *read)


Outcome = tuple[object, Callable[[], State | None]]
Reads = Callable[[tuple[Manifest, ...]], Iterable[Manifest]]


class Looks:
    """Decides, and remembers what it decided on equal sights."""

    def __init__(
        self,
        engine: Engine,
        values: Values,
        lags: frozenset[Kind] = frozenset(KINDS),
    ) -> None:
        self.engine, self.values, self.lags = engine, values, lags
        self._decided: dict[tuple[int, ...], Decided] = {}
        self._plans: dict[str, int] = {}

    # --- Looking ------------------------------------------------------------------

    def every(self, state: State) -> Iterator[tuple[tuple[int, ...], State]]:
        """Yield each look that may be taken, by how much the caches were told first.

        Of looks that come to the same the one is taken that was told the least: the
        others are what may come of it later. A look that comes to nothing, or to a
        write that is bound to be refused, leaves all as it was.
        """
        taken: list[tuple[tuple[int, ...], object]] = []
        told = [[*self._told(state, number)] for number in range(len(state.caches))]
        for chosen in sorted(product(*told), key=_total):
            caches = tuple(cache for _, cache in chosen)
            outcome = self._look(state, caches)
            if outcome is None:
                continue
            counts, (what, after) = tuple(count for count, _ in chosen), outcome
            if any(what == w and _is_less(c, counts) for c, w in taken):
                continue
            taken.append((counts, what))
            if (then := after()) is not None:
                yield counts, then

    def _told(self, state: State, number: int) -> Iterator[tuple[int, Cache]]:
        """Yield how far a cache may be told for a look: as far as what we wrote."""
        kind, whole = KINDS[number], state.caches[number]
        # Anew, that is: no list is newer than what was written otherwise.
        anew = state.listed and state.memory.doubt is not None
        listed = float("inf") if anew else float("-inf")
        most = len(whole.line)
        for count in range(0 if kind in self.lags else most, most + 1):
            cache = whole.told(count)
            progress = {kind: Progress(str(cache.revision), listed)}
            if not any(self.engine.behind(state.memory, progress)):
                yield count, cache

    def whole(self, state: State) -> State | None:
        """Return the look at everything there is, None where it changes nothing."""
        caches = self._newest(state)
        outcome = None if caches is None else self._look(state, caches)
        return None if outcome is None else outcome[1]()

    def timer(self, state: State) -> float | None:
        """Return the seconds until a look comes to something else, None for never."""
        caches = self._newest(state) if self.engine.sets_timers else None
        if caches is None or JOB not in caches[0].objects:
            return None
        return self._decide(*self._sights(state, caches)).after

    def _newest(self, state: State) -> tuple[Cache, ...] | None:
        told = [[*self._told(state, number)] for number in range(len(state.caches))]
        return tuple(each[-1][1] for each in told) if all(told) else None

    def _sights(self, state: State, caches: tuple[Cache, ...]) -> tuple[Sights, Memory]:
        value = caches[0].objects[JOB]
        known = memories.caught_up(state.memory)
        strangers, known = _strangers(state, self.values.job(value), known)
        shown, now = tuple(_shown(state, caches)), state.world.now
        return Sights(value, shown, strangers, now=now), known

    def _look(self, state: State, caches: tuple[Cache, ...]) -> Outcome | None:
        """Return what comes of a look, and how to get there; None for nothing."""
        if JOB not in caches[0].objects:
            return None
        seen, known = self._sights(state, caches)
        decided = self._decide(seen, known)
        what: object
        if decided.needs:
            what = known, decided.needs, version(seen.job)
            job = self.values.job(seen.job)
            reading = Reading(job, seen.strangers, decided.needs, known)
            after = partial(evolve, state, caches=caches, memory=known, deed=reading)
            return what, after
        if not decided.plan:
            forgot = evolve(known, refusals=(), fruitless=0, pause=0.0)
            if forgot == memories.caught_up(state.memory):
                return None
            return forgot, partial(evolve, state, caches=caches, memory=forgot)
        what = known, decided.number, _named(decided, seen)

        def begins() -> State | None:
            return self._carrying(evolve(state, caches=caches), seen, decided, known)

        return what, begins

    def _carrying(
        self, state: State, seen: Sights, decided: Decided, known: Memory
    ) -> State | None:
        """Return the state with a plan under way, None where it is bound to fail."""
        versions = {token(value): str(version(value)) for value in seen.every}
        plan = decided.plan
        if decided.words:
            plan = tuple(
                tuple(_with_version(action, versions) for action in step)
                for step in plan
            )
        if _is_vain(state, plan):
            return None
        job = self.values.job(seen.job)
        job = evolve(job, resource_version=versions[token(seen.job)])
        named = _named(decided, seen)
        deed = Carrying(start(job, plan), known, decided.number, named)
        return evolve(state, memory=known, deed=deed)

    # --- Reading live -------------------------------------------------------------

    def read(self, state: State, reading: Reading) -> Iterator[State]:
        """Yield what may follow the next live read; the last one decides.

        The caches may be told more meanwhile; the job is the one that was looked at.
        """
        done = {what for what, _ in reading.read}
        what = min(reading.needs - done, key=str)
        found = tuple(_live(state, what, reading.job))
        reading = evolve(reading, read=(*reading.read, (what, found)))
        if len(reading.read) < len(reading.needs):
            yield evolve(state, deed=reading)
            return
        taken: list[tuple[tuple[int, ...], object]] = []
        lengths = [
            range(0 if kind in self.lags else len(cache.line), len(cache.line) + 1)
            for kind, cache in zip(state.kinds[1:], state.caches[1:], strict=True)
        ]
        for counts in sorted(product(*lengths), key=sum):
            what_for, after = self._read_whole(state, reading, (0, *counts))
            if any(what_for == w and _is_less(c, counts) for c, w in taken):
                continue
            taken.append((counts, what_for))
            yield after() or evolve(state, deed=None)

    def _read_whole(
        self, state: State, reading: Reading, counts: tuple[int, ...]
    ) -> Outcome:
        caches = tuple(map(Cache.told, state.caches, counts))
        state = evolve(state, caches=caches, deed=None)
        shown, live = tuple(_shown(state, caches)), dict(reading.read)
        now, job = state.world.now, caches[0].objects[JOB]
        seen = Sights(job, shown, reading.strangers, live, now)
        decided = self._decide(seen, reading.known)
        if not decided.plan:
            return "nothing", lambda: state
        what = decided.number, _named(decided, seen)
        return what, partial(self._carrying, state, seen, decided, reading.known)

    # --- Deciding -----------------------------------------------------------------

    def _decide(self, seen: Sights, known: Memory) -> Decided:
        number = self.values.number
        numbers = [number(seen.job), *sorted(map(number, seen.shown)), -1]
        numbers += map(number, seen.strangers)
        for what, found in seen.live.items():
            numbers += (hash(what.value), *map(number, found))
        numbers += (hash(known.refusals), int(seen.now))
        key = tuple(numbers)
        decided = self._decided.get(key)
        if decided is None:
            if len(self._decided) > KNOWN_MAX:
                self._decided.clear()
            decided = self._decided[key] = self._ask(seen, known)
        return decided

    def _ask(self, seen: Sights, known: Memory) -> Decided:
        look = self._taken(seen, known, self.values.job(seen.job), self._blind)
        number = self._plans.setdefault(repr(look.plan), len(self._plans))
        words = (_version_of(action) for step in look.plan for action in step)
        named = tuple(dict.fromkeys(word for word in words if word))
        after = look.answer.requeue_after
        seconds = None if after is None else after.total_seconds()
        return Decided(look.plan, look.answer.needs, number, named, seconds)

    def _taken(
        self, seen: Sights, known: Memory, job: mpijob.MPIJob, reads: Reads
    ) -> Look:
        """Take a look: the store puts together what is seen, and the core decides."""
        store = Store(keeps_manifests=True)
        for child in reads(seen.shown):
            store.put(child)
        bucket = store.bucket(KEY)
        if seen.live:
            live = {what: [*_seen(reads(each))] for what, each in seen.live.items()}
            bucket = with_live(bucket, live, job)
        found = sights(job, bucket, _seen(reads(seen.strangers)))
        sight = evolve(observed(job, found), refusals=known.refusals)
        sight = self.engine.sees(job, evolve(sight, live=frozenset(seen.live)))
        now = START + timedelta(seconds=seen.now)
        world = mpijob.World(now, self.engine.settings)
        answer = mpijob.reconcile(job, sight, world)
        plan = self.engine.plans(job, sight, mpijob.plan(job, sight, answer))
        begun = start(job, plan)
        return Look(KEY, job, sight, found, seen.job, world, answer, plan, begun)

    def taken(self, before: State, after: State) -> Look | None:
        """Return the look that led from one moment to a plan under way, if one did."""
        if not isinstance(after.deed, Carrying) or isinstance(before.deed, Carrying):
            return None
        seen, known = self._sights(before, after.caches)
        if isinstance(reading := before.deed, Reading):
            known, live = reading.known, dict(reading.read)
            for what in reading.needs - live.keys():
                live[what] = tuple(_live(before, what, reading.job))
            seen = evolve(seen, strangers=reading.strangers, live=live)
        return self._taken(seen, known, mpijob.decode(seen.job), iter)

    def _blind(self, values: Iterable[Manifest]) -> Iterator[Manifest]:
        for value in values:
            yield self.values.values[self.values.number(value)]


def _named(decided: Decided, seen: Sights) -> tuple[int, ...]:
    """Return the versions that a plan names."""
    if not decided.words:
        return ()
    versions = {token(value): version(value) for value in seen.every}
    return tuple(versions[word] for word in decided.words)


def _version_of(action: mpijob.Action) -> str:
    if isinstance(action, mpijob.Touch | mpijob.Delete | mpijob.WriteStatus):
        return action.resource_version
    return ""


def _with_version(action: mpijob.Action, versions: Mapping[str, str]) -> mpijob.Action:
    word = _version_of(action)
    if isinstance(action, mpijob.Touch | mpijob.Delete | mpijob.WriteStatus) and word:
        return action._replace(resource_version=versions[word])
    return action


def _is_less(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether a look was told nothing that the other was not told."""
    return all(a <= b for a, b in zip(one, other, strict=True))


def _total(chosen: tuple[tuple[int, Cache], ...]) -> int:
    return sum(count for count, _ in chosen)


def _shown(state: State, caches: tuple[Cache, ...]) -> Iterator[Manifest]:
    """Yield what the caches show of the children, in an order of its own."""
    for cache in caches[1:]:
        yield from cache.objects.values()
    for ref, value in state.world.objects.items():
        if ref[:2] not in state.kinds:
            yield value


def _seen(values: Iterable[Manifest]) -> Iterator[Seen]:
    for value in values:
        sighting = sightings.sighting(value)
        if sighting is not None:
            yield Seen(sighting, value)


def _strangers(
    state: State, job: mpijob.MPIJob, known: Memory
) -> tuple[tuple[Manifest, ...], Memory]:
    """Read who has the names that were not free; forget those that are now."""
    if not known.taken:
        return (), known
    objects = state.world.objects
    found = {ref: objects[ref] for ref in sorted(known.taken) if ref in objects}
    sighted = {ref: sightings.sighting(value) for ref, value in found.items()}
    return tuple(found.values()), memories.looked_up(known, sighted, job)


def _live(state: State, what: Live, job: mpijob.MPIJob) -> Iterator[Manifest]:
    if what is Live.LAUNCHER:
        ref = Ref("batch/v1", "Job", job.namespace, names.launcher(job))
        if ref in state.world.objects:
            yield state.world.objects[ref]
        return
    wanted = names.selector(job).items()
    for _, pod in state.children("Pod"):
        if wanted <= mapping(pod["metadata"].get("labels")).items():
            yield pod


def _is_vain(state: State, plan: mpijob.Plan) -> bool:
    """Tell whether the first write of a plan is bound to be refused: it is stale."""
    first, live = plan[0][0], state.job
    if not isinstance(first, mpijob.WriteStatus) or not first.resource_version:
        return False
    return live is None or live["metadata"]["resourceVersion"] != first.resource_version
