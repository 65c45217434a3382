# SPDX-License-Identifier: Apache-2.0
"""What the Job controller and the garbage collector may do, found out once.

They are the simulated cluster's own, and hang on its objects alone: what they did to
one cluster they do to any with the same objects, whatever the versions and caches are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.executor import Answer, Call
from mpijob_operator.simulation.deeds import Deed
from mpijob_operator.simulation.garbage_collector import collector
from mpijob_operator.simulation.job_controller import (
    BACKOFF_MAX,
    job_controller,
    pod_of,
)
from properties.world.canonical import KNOWN_MAX, version
from properties.world.sandbox import Sandbox
from properties.world.state import State, moved
from properties.world.truth import pod_of_job, uid_of

NO_ANSWER = Answer(0)


@frozen
class Move:
    """What happened, and what is then."""

    what: str
    after: State
    # Of a request of the operator: what it was, and what became of it.
    call: Call | None = None
    answer: Answer = NO_ANSWER
    # What went wrong, if anything did: a fault, a lag, time that passed too soon.
    trouble: str = ""
    # What the operator heard in answer to what it sent, in this order.
    heard: tuple[tuple[Call, Answer], ...] = ()


@frozen
class Difference:
    """What a program of the cluster did, whatever the versions were."""

    what: str
    changed: tuple[tuple[Ref, int], ...]
    gone: tuple[Ref, ...]
    owners: dict[Ref, Any]
    making: Ref | None
    made: Mapping[Ref, int]


def _making_of(state: State) -> Ref | None:
    return None if state.making is None else state.making[0]


class Programs:
    """Knows what the cluster's own programs may do."""

    def __init__(self, sandbox: Sandbox, *, lags: bool) -> None:
        self.sandbox, self.values, self.lags = sandbox, sandbox.values, lags
        self._done_before: dict[tuple[int, ...], list[Difference]] = {}

    def every(self, state: State) -> Iterator[Move]:
        """Yield what the cluster's own programs may do; it hangs on objects alone."""
        number = self.values.number
        key = (
            *sorted(map(number, state.world.objects.values())),
            -1 if state.making is None else number(state.making[1]),
            *state.made.values(),
            int(state.world.now),
        )
        known = self._done_before.get(key)
        if known is None:
            if len(self._done_before) > KNOWN_MAX:
                self._done_before.clear()
            moves = self._programs(state)
            known = [self._difference(state, move) for move in moves]
            self._done_before[key] = known
        for difference in known:
            yield self._again(state, difference)

    def _programs(self, state: State) -> Iterator[Move]:
        self.sandbox.restore(state)
        yield from self._collects(state)
        if state.making is not None:
            yield self._makes(state, state.making)
        else:
            yield from self._job_controller(state)

    def _difference(self, state: State, move: Move) -> Difference:
        before, after = state.world.objects, move.after.world.objects
        number = self.values.number
        changed = [ref for ref, value in after.items() if before.get(ref) is not value]
        changed.sort(key=lambda ref: version(after[ref]))
        return Difference(
            move.what,
            tuple((ref, number(after[ref])) for ref in changed),
            tuple(ref for ref in before if ref not in after),
            move.after.world.owners,
            _making_of(move.after),
            move.after.made,
        )

    def _again(self, state: State, difference: Difference) -> Move:
        """Do to a state what was done to one with the same objects."""
        what, world, values = difference.what, state.world, self.values
        if difference.changed or difference.gone:
            objects, revision = dict(world.objects), world.revision
            for ref, number in difference.changed:
                revision += 1
                objects[ref] = values.written(number, revision)
            for ref in difference.gone:
                revision += 1
                del objects[ref]
            since = dict.fromkeys(objects, 0.0)
            world = evolve(
                world,
                revision=revision,
                objects=objects,
                owners=difference.owners,
                since=since,
            )
            state = moved(state, world, values.looks_same)
        making = difference.making
        after = evolve(
            state,
            making=None if making is None else (making, state.world.objects[making]),
            made=difference.made,
        )
        return Move(what, after)

    def _job_controller(self, state: State) -> Iterator[Move]:
        """Yield what the Job controller may do; what nobody sees goes with the next."""
        self.sandbox.restore(state)
        for deed in job_controller(self.sandbox.cluster):
            if deed.at > state.world.now + BACKOFF_MAX:
                continue  # It waits for a deadline, which is not over.
            if self.lags and deed.what.startswith("makes a pod"):
                making = deed.ref, state.world.objects[deed.ref]
                after = evolve(state, making=making)
                yield Move("Job controller is about to make a pod", after)
                continue
            move = self._done(state, deed, deed.what or "takes note")
            if self._shows_nothing(state, move.after):
                yield from self._job_controller(move.after)
            else:
                yield move

    def _makes(self, state: State, making: tuple[Ref, Manifest]) -> Move:
        state = self.sandbox.restore(state, pod_of_job(making[0]), uid_of(making[1]))
        self.sandbox.cluster.create(pod_of(*making))
        after = evolve(self.sandbox.moved(state), making=None)
        return Move("Job controller makes the pod", after)

    def _done(self, state: State, deed: Deed, what: str) -> Move:
        makes = what.startswith("makes a pod")
        if makes:
            uid = uid_of(state.world.objects[deed.ref])
            state = self.sandbox.restore(state, pod_of_job(deed.ref), uid)
        else:
            self.sandbox.restore(state)
        deed.perform(self.sandbox.cluster)
        after = self.sandbox.moved(state)
        what = what.replace("{}", deed.ref.name)
        return Move(f"{deed.who} {what}", after)

    def _collects(self, state: State) -> Iterator[Move]:
        now = state.world.now
        deeds = [deed for deed in collector(self.sandbox.cluster) if deed.at <= now]
        if not deeds:
            return
        for deed in deeds:
            if deed.ref in self.sandbox.cluster.objects:
                deed.perform(self.sandbox.cluster)
        yield Move("garbage collector collects", self.sandbox.moved(state))

    def _shows_nothing(self, before: State, after: State) -> bool:
        old, new = before.world.objects, after.world.objects
        same = self.values.looks_same
        return old.keys() == new.keys() and all(
            value is old[ref] or same(value, old[ref]) for ref, value in new.items()
        )
