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

import mpijob
from mpijob.loose import Manifest
from mpijob.names import Child, Ref
from mpijob_operator.controller.memory import NEW
from mpijob_operator.executor import Answer, Call
from mpijob_operator.requests import ref_of
from mpijob_operator.simulation.cluster import (
    Cluster,
    is_over,
    is_terminating,
    owner_uids,
)
from mpijob_operator.simulation.deeds import status_of
from mpijob_operator.simulation.operator import send
from properties.world import pods
from properties.world.operator import WRITE_S, Looks
from properties.world.programs import NO_ANSWER, Move, Programs
from properties.world.sandbox import Sandbox
from properties.world.scene import Scene
from properties.world.state import (
    JOB,
    Carrying,
    Left,
    Reading,
    State,
    listed,
    moved,
)
from properties.world.truth import (
    counts,
    meddled,
    told_of,
    uid_of,
    vouches,
)


class Moves:
    """Knows every move of a scene."""

    def __init__(self, scene: Scene, looks: Looks) -> None:
        self.scene, self.looks = scene, looks
        self.sandbox = Sandbox(looks.values)
        self.cluster = self.sandbox.cluster
        lags = scene.job_controller_lags
        self.programs = Programs(self.sandbox, lags=lags)
        self._lived: dict[tuple[int, str], int] = {}

    def every(self, state: State) -> Iterator[Move]:
        """Yield each way in which a moment may go on."""
        yield from self._operator(state)
        yield from self.programs.every(state)
        yield from self._nodes(state)
        yield from self._trouble(state)
        yield from self._users(state)

    def fair(self, state: State) -> Move | None:
        """Return how it goes on if no more trouble comes; None at rest.

        Everybody does what is theirs to do, the cluster first, and every cache is told
        everything. A launcher runs on.
        """
        if state.floating is not None:
            return next(self._floating(state))
        for move in self.programs.every(state):
            return move
        for move in self._nodes(evolve(state, left=_NONE)):
            if "exits" not in move.what:
                return evolve(move, after=evolve(move.after, left=state.left))
        if state.deed is not None:
            return next(self._operator(state))
        if state.memory.doubt is not None and not state.listed:
            return self._lists_anew(state)
        after = self.looks.whole(state)
        return None if after is None else Move("operator looks", after)

    # --- The operator ---------------------------------------------------------------

    def _operator(self, state: State) -> Iterator[Move]:
        deed = state.deed
        if isinstance(deed, Carrying):
            yield self._sends(state, deed)
        elif isinstance(deed, Reading):
            for after in self.looks.read(state, deed):
                yield Move("operator reads live", self._with_events(after))
        elif state.memory.doubt is not None and not state.listed:
            if state.floating is None:
                yield self._lists_anew(state)
        else:
            yield from self._looks(state)

    def _looks(self, state: State) -> Iterator[Move]:
        for told, after in self.looks.every(state):
            news = ", ".join(
                f"{count} of {kind}"
                for count, kind in zip(told, _KINDS, strict=True)
                if count
            )
            what = f"operator is told {news or 'nothing new'} and looks"
            yield Move(what, self._with_events(after))

    def _lists_anew(self, state: State) -> Move:
        caches = listed(state.world)
        after = evolve(state, caches=caches, listed=True)
        return Move("operator lists everything anew", after)

    def _sends(self, state: State, deed: Carrying) -> Move:
        call = deed.execution.ready()[0]
        after, answer = self._sent(state, call)
        told = answer.code if answer.code >= _REFUSED else "done"
        what = f"operator sends {said(call.action)}: {told}"
        after = self._answered(after, deed, call, answer, state)
        if not self.scene.each_thing and _is_thing(call.action):
            following = after.deed
            if isinstance(following, Carrying):
                following_call = following.execution.ready()[0]
                if _is_thing(following_call.action):
                    rest = self._sends(after, following)
                    return evolve(rest, what=f"{what}; {rest.what}")
        return Move(what, after, call, answer)

    def _sent(self, state: State, call: Call) -> tuple[State, Answer]:
        action = call.action
        if isinstance(action, mpijob.Create | mpijob.Apply):
            state = self.sandbox.restore(state, ref_of(action.manifest), call.job.uid)
        else:
            self.sandbox.restore(state)
        answer = send(self.cluster, call)
        return self.sandbox.moved(state), answer

    def _answered(
        self, after: State, deed: Carrying, call: Call, answer: Answer, before: State
    ) -> State:
        execution = deed.execution.answered(call.number, answer)
        action, done = call.action, 200 <= answer.code < 300
        vouched = deed.vouched
        if done and isinstance(action, mpijob.WriteStatus | mpijob.Confirm):
            vouched = vouches(before.job, execution.job)
        truth = told_of(after.truth, call, before, after) if done else after.truth
        deed = evolve(deed, execution=execution, vouched=vouched)
        after = evolve(after, truth=truth, deed=deed)
        return self._with_events(after)

    def _with_events(self, state: State) -> State:
        """Return it when Events were told and what is over was remembered."""
        deed = state.deed
        if not isinstance(deed, Carrying):
            return state
        execution = deed.execution
        while (calls := execution.ready()) and isinstance(
            calls[0].action, mpijob.Event
        ):
            execution = execution.answered(calls[0].number, _DONE)
        if execution.end is None:
            if execution is deed.execution:
                return state
            return evolve(state, deed=evolve(deed, execution=execution))
        known = self.looks.engine.after(deed.known, execution, 0.0, WRITE_S)
        known = evolve(known, fruitless=0, pause=0.0)
        return evolve(state, deed=None, memory=known, listed=known.doubt is None)

    # --- Pods -------------------------------------------------------------------------

    def _nodes(self, state: State) -> Iterator[Move]:
        for ref, pod in state.children("Pod"):
            if is_terminating(pod) or not is_over(pod):
                yield from self._pod(state, ref, pod)

    def _pod(self, state: State, ref: Ref, pod: Manifest) -> Iterator[Move]:
        running = status_of(pod).get("phase") == "Running"
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
        if not code and "-launcher" in ref.name and counts(state, ref):
            after = evolve(after, truth=evolve(after.truth, result=True, won=True))
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
        after = self._lived.get((before, what))
        if after is None:
            self.cluster.restore(world)
            act(self.cluster)
            pod = self.cluster.objects.get(ref)
            after = _GONE if pod is None else values.number(pod)
            self._lived[before, what] = after
        if after == before:
            return state
        objects, revision = dict(world.objects), world.revision + 1
        if after == _GONE:
            del objects[ref]
        else:
            objects[ref] = values.written(after, revision)
        world = evolve(world, revision=revision, objects=objects)
        return moved(state, world, values.looks_same)

    # --- Trouble ----------------------------------------------------------------------

    def _floating(self, state: State) -> Iterator[Move]:
        if state.floating is None:
            return
        call = state.floating
        after, answer = self._sent(evolve(state, floating=None), call)
        done = answer.code < _REFUSED
        truth = told_of(after.truth, call, state, after) if done else after.truth
        after = evolve(after, truth=truth)
        yield Move(f"{said(call.action)} lands after all", after, call, answer)
        lost = evolve(state, floating=None)
        yield Move(f"{said(call.action)} never lands", lost)

    def _trouble(self, state: State) -> Iterator[Move]:
        yield from self._floating(state)
        if not state.left.faults:
            return
        left = evolve(state.left, faults=state.left.faults - 1)
        troubled = evolve(state, left=left)
        if isinstance(state.deed, Carrying):
            yield from self._crashes(troubled)
            if state.floating is None:
                yield from self._unanswered(troubled, state.deed)
        elif state.memory.doubt is not None or state.memory.taken:
            yield from self._crashes(troubled)

    def _crashes(self, state: State) -> Iterator[Move]:
        engine = self.looks.engine
        fresh = evolve(state, memory=NEW, deed=None, listed=True)
        if engine.lists_anew:
            fresh = evolve(fresh, caches=listed(state.world))
        if state.floating is None or not engine.waits_for_lease:
            yield Move("operator crashes and starts anew", fresh)
        deed = state.deed
        if not engine.waits_for_lease and isinstance(deed, Carrying):
            call = deed.execution.ready()[0]
            fresh = evolve(fresh, floating=call)
            yield Move(f"operator crashes, with {said(call.action)} under way", fresh)

    def _unanswered(self, state: State, deed: Carrying) -> Iterator[Move]:
        call = deed.execution.ready()[0]
        if isinstance(call.action, mpijob.Confirm):
            return
        what = f"operator sends {said(call.action)} and hears nothing"
        after, answer = self._sent(state, call)
        if answer.code < _REFUSED:
            after = evolve(after, truth=told_of(after.truth, call, state, after))
            done = self._answered(after, deed, call, NO_ANSWER, state)
            yield Move(f"{what}: it was done", done, call, answer)
        none = self._answered(state, deed, call, NO_ANSWER, state)
        yield Move(f"{what}: it is under way", evolve(none, floating=call))

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


_REFUSED: Final = 400
_GONE: Final = -1
_DONE: Final = Answer(201)
_NONE: Final = Left(0, 0, 0)
_KINDS: Final = ("MPIJob", "pods", "launcher Job")


def said(action: mpijob.Action) -> str:
    """Name an action as a story tells it."""
    if isinstance(action, mpijob.Create | mpijob.Apply):
        return f"{type(action).__name__} {action.child.value} {action.name}"
    if isinstance(action, mpijob.Delete | mpijob.Touch):
        name = f"{action.ref.kind} {action.ref.name}"
        return f"{type(action).__name__} {name}"
    return type(action).__name__


def _is_thing(action: mpijob.Action) -> bool:
    things = (Child.SERVICE, Child.CONFIG_MAP, Child.SECRET)
    return isinstance(action, mpijob.Create | mpijob.Apply) and action.child in things
