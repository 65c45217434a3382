# SPDX-License-Identifier: Apache-2.0
"""What may happen next: each move is a sentence, and the moment after it.

Rule: one request, one deed, one change a move. Two moves are never one but where nobody
could tell: an Event is told with what it tells of, things that only wait by name are
written together, and the garbage collector takes all that it would take in any order.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from attrs import evolve

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.simulation.cluster import (
    Cluster,
    is_over,
    is_terminating,
    owner_uids,
)
from mpijob_operator.simulation.deeds import status_of
from properties.world import pods
from properties.world.operator import Looks
from properties.world.programs import Move, Programs
from properties.world.sandbox import Sandbox
from properties.world.scene import Scene
from properties.world.sending import Sending
from properties.world.state import (
    JOB,
    Carrying,
    Left,
    Reading,
    State,
    later,
    listed,
    moved,
)
from properties.world.trouble import Trouble
from properties.world.truth import meddled, succeeded, uid_of


class Moves:
    """Knows every move of a scene."""

    def __init__(self, scene: Scene, looks: Looks) -> None:
        self.scene, self.looks = scene, looks
        self.sandbox = Sandbox(looks.values)
        self.cluster = self.sandbox.cluster
        lags = scene.job_controller_lags
        self.programs = Programs(self.sandbox, lags=lags)
        self.sending = Sending(scene, looks, self.sandbox)
        self.trouble = Trouble(self.sending)
        self._lived: dict[tuple[int, str, float], int] = {}

    def every(self, state: State) -> Iterator[Move]:
        """Yield each way in which a moment may go on."""
        yield from self._operator(state)
        yield from self.programs.every(state)
        yield from self._nodes(state)
        yield from self.trouble.every(state)
        yield from self._users(state)
        yield from self._time(state)

    def fair(self, state: State) -> Move | None:
        """Return how it goes on if no more trouble comes; None at rest.

        Everybody does what is theirs to do, the cluster first, and every cache is told
        everything. A launcher runs on. Time passes where nothing else is to be done.
        """
        return self.soon(state) or self._at_last(state)

    def soon(self, state: State) -> Move | None:
        """Return how it goes on while no time passes; None where only time helps."""
        if state.floating is not None:
            return next(self.trouble.floating(state))
        for move in self.programs.every(state):
            return move
        for move in self._nodes(evolve(state, left=_NONE)):
            if "exits" not in move.what:
                return evolve(move, after=evolve(move.after, left=state.left))
        if state.deed is not None:
            return next(self._operator(state))
        if self._doubts(state):
            return self._lists_anew(state)
        after = self.looks.whole(state)
        return None if after is None else Move("operator looks", after)

    # --- Time -------------------------------------------------------------------------

    def _time(self, state: State) -> Iterator[Move]:
        """Yield the next moment at which a look would come to something else."""
        if not state.left.waits or state.deed is not None:
            return
        seconds = self.looks.timer(state)
        if seconds is not None:
            left = evolve(state.left, waits=state.left.waits - 1)
            after = evolve(later(state, seconds), left=left)
            yield Move(_passes(seconds), after, trouble="time")

    def _at_last(self, state: State) -> Move | None:
        """Return the next moment at which something happens by itself."""
        now = state
        for times in range(_TIMERS_MAX):
            seconds = self.looks.timer(now)
            if seconds is None:
                return None
            # Of looks that find nothing new, one every few seconds, most are left out.
            now = later(now, seconds * 2.0**times)
            if self.looks.whole(now) is not None:
                return Move(_passes(now.world.now - state.world.now), now)
        return None

    def in_ten_years(self, state: State) -> bool:
        """Tell whether a look would come to something, were it taken so much later."""
        return self.looks.whole(later(state, _TEN_YEARS)) is not None

    # --- The operator ---------------------------------------------------------------

    def _operator(self, state: State) -> Iterator[Move]:
        deed = state.deed
        if isinstance(deed, Carrying):
            yield self.sending.next(state, deed)
        elif isinstance(deed, Reading):
            for after in self.looks.read(state, deed):
                yield Move("operator reads live", self.sending.with_events(after))
        else:
            if self._doubts(state) and state.floating is None:
                yield self._lists_anew(state)
            # In doubt there is none, if what is remembered keeps the operator waiting.
            yield from self._looks(state)

    def _looks(self, state: State) -> Iterator[Move]:
        for told, after in self.looks.every(state):
            news = ", ".join(
                f"{count} of {kind}"
                for count, kind in zip(told, _KINDS, strict=False)
                if count
            )
            what = f"operator is told {news or 'nothing new'} and looks"
            lags = "lag" if any(cache.line for cache in after.caches) else ""
            yield Move(what, self.sending.with_events(after), trouble=lags)

    def _doubts(self, state: State) -> bool:
        return state.memory.doubt is not None and not state.listed

    def _lists_anew(self, state: State) -> Move:
        caches = listed(state.world, state.kinds)
        after = evolve(state, caches=caches, listed=True)
        return Move("operator lists everything anew", after)

    # --- Pods -------------------------------------------------------------------------

    def _nodes(self, state: State) -> Iterator[Move]:
        for ref, pod in state.children("Pod"):
            if is_terminating(pod) or not is_over(pod):
                yield from self._pod(state, ref, pod)

    def _pod(self, state: State, ref: Ref, pod: Manifest) -> Iterator[Move]:
        running = status_of(pod).get("phase") == "Running"
        if self.scene.holds(ref, pod):
            return
        if is_terminating(pod) or not running:
            what = "ends" if is_terminating(pod) else "starts"
            after = self._lives(state, ref, what, partial(pods.lives_on, ref))
            if after is not state:
                yield Move(f"pod {ref.name} {what}", after)
            return
        if "-launcher" in ref.name:
            yield self._exits(state, ref, 0)
        yield from self._failures(state, ref)

    def _exits(self, state: State, ref: Ref, code: int) -> Move:
        after = self._lives(state, ref, str(code), partial(pods.ends, ref, code))
        if not code and "-launcher" in ref.name:
            after = evolve(after, truth=succeeded(state, ref, after.truth))
        return Move(f"pod {ref.name} exits with {code}", after)

    def _failures(self, state: State, ref: Ref) -> Iterator[Move]:
        left, fails = state.left, self.scene.fails
        if not left.failures:
            return
        less = evolve(left, failures=left.failures - 1)
        if "-launcher" in ref.name:
            if "launcher" in fails:
                move = self._exits(state, ref, 1)
                yield evolve(move, after=evolve(move.after, left=less))
            return
        if "worker" in fails:
            move = self._exits(state, ref, 1)
            mine = uid_of(state.job) in owner_uids(state.world.objects[ref])
            failures = state.truth.failures + mine
            truth = evolve(state.truth, failures=failures)
            yield evolve(move, after=evolve(move.after, left=less, truth=truth))
        if "evicted" in fails:
            after = self._lives(state, ref, "evicted", partial(pods.evicted, ref))
            yield Move(f"pod {ref.name} is evicted", evolve(after, left=less))

    def _lives(
        self, state: State, ref: Ref, what: str, act: Callable[[Cluster], None]
    ) -> State:
        """Let something happen to a pod; it is found out once for equal pods."""
        values, world = self.looks.values, state.world
        before = values.number(world.objects[ref])
        known = before, what, world.now
        after = self._lived.get(known)
        if after is None:
            self.cluster.restore(world)
            act(self.cluster)
            if what != "starts" and not self.scene.dated:
                pods.timeless(ref, self.cluster)
            pod = self.cluster.objects.get(ref)
            after = _GONE if pod is None else values.number(pod)
            self._lived[known] = after
        if after == before:
            return state
        objects, revision = dict(world.objects), world.revision + 1
        if after == _GONE:
            del objects[ref]
        else:
            objects[ref] = values.written(after, revision)
        world = evolve(world, revision=revision, objects=objects)
        return moved(state, world, values.looks_same)

    # --- Users ------------------------------------------------------------------------

    def _users(self, state: State) -> Iterator[Move]:
        if not state.left.deeds:
            return
        left = evolve(state.left, deeds=state.left.deeds - 1)
        for what, deed in self.scene.deeds.items():
            known = self.sandbox.restore(state, None if state.job else JOB)
            deed(self.cluster, JOB)
            if self.cluster.revision == state.world.revision:
                continue
            after = evolve(self.sandbox.moved(known), left=left)
            yield Move(f"user {what}", evolve(after, truth=meddled(after, state)))


_GONE: Final = -1
_NONE: Final = Left(0, 0, 0)
# A job that only looks again now and then, and finds nothing new, is at rest.
_TIMERS_MAX: Final = 16
_TEN_YEARS: Final = 10 * 365 * 86_400.0
_KINDS: Final = ("MPIJob", "pods", "launcher Job", "Service", "ConfigMap", "Secret")


def _passes(seconds: float) -> str:
    return f"{seconds:g} s pass"
