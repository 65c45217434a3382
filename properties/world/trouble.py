# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with the operator and its requests, a fault at a time.

A leader that is followed by another is a crash here, and nothing else: the lease is
handed on when nothing that was sent can land any more, and whoever leads lists
everything first. What would come of less is among the bugs.
"""

from collections.abc import Iterator
from typing import Final

from attrs import evolve

import mpijob
from mpijob_operator.controller.memory import NEW
from mpijob_operator.executor import Answer, Call
from mpijob_operator.simulation.refusals import refusal
from properties.world.programs import NO_ANSWER, Move
from properties.world.sending import REFUSED, Sending, said
from properties.world.state import Carrying, Reading, State, listed
from properties.world.truth import told_of

# How the API server says no to what is good: somebody was faster, a quota is full, a
# webhook finds fault, there are too many requests, a token is stale.
REFUSALS: Final = {
    "conflict": refusal(409, "Conflict", "the object has been modified"),
    "quota": refusal(403, "Forbidden", "exceeded quota: small"),
    "invalid": refusal(422, "Invalid", "spec.x: no"),
    "throttled": refusal(429, "TooManyRequests", "later"),
    "stranger": refusal(401, "Unauthorized", "who are you"),
}


class Trouble:
    """Knows every fault of a scene."""

    def __init__(self, sending: Sending) -> None:
        self.sending, self.engine = sending, sending.looks.engine
        self.faults = sending.scene.faults

    def every(self, state: State) -> Iterator[Move]:
        """Yield each fault that there may still be."""
        yield from self.floating(state)
        if not state.left.faults:
            return
        left = evolve(state.left, faults=state.left.faults - 1)
        troubled = evolve(state, left=left)
        deed = state.deed
        if isinstance(deed, Carrying):
            yield from self._crashes(troubled)
            yield from self._refused(troubled, deed)
            if state.floating is None:
                yield from self._unanswered(troubled, deed)
        elif isinstance(deed, Reading):
            if "unreadable" in self.faults:
                after = evolve(troubled, deed=None)
                yield Move(
                    "operator reads live and hears nothing", after, trouble="unreadable"
                )
        elif state.memory.doubt is not None or state.memory.taken:
            yield from self._crashes(troubled)

    def floating(self, state: State) -> Iterator[Move]:
        """Yield what may become of a request that is under way."""
        if state.floating is None:
            return
        call = state.floating
        after, answer = self._landed(evolve(state, floating=None), call)
        yield Move(f"{said(call.action)} lands after all", after, call, answer)
        lost = evolve(state, floating=None)
        yield Move(f"{said(call.action)} never lands", lost)

    def _landed(self, state: State, call: Call) -> tuple[State, Answer]:
        """Return what a request did of which the operator hears nothing."""
        after, answer = self.sending.sent(state, call)
        if answer.code < REFUSED:
            truth = told_of(after.truth, call, state, after)
            after = evolve(after, truth=truth)
        return after, answer

    def _crashes(self, state: State) -> Iterator[Move]:
        if "crash" not in self.faults:
            return
        if state.floating is None or not self.engine.waits_for_lease:
            anew = self._anew(state)
            yield Move("operator crashes and starts anew", anew, trouble="crash")
        deed = state.deed
        if not isinstance(deed, Carrying):
            return
        calls = deed.execution.ready()
        if not self.engine.waits_for_lease:
            fresh = evolve(self._anew(state), floating=calls[0])
            what = f"operator crashes, with {said(calls[0].action)} under way"
            yield Move(what, fresh, trouble="crash")
        elif state.floating is None:
            # Of what was sent side by side a later one alone was done.
            for call in calls[1:]:
                after, answer = self._landed(state, call)
                what = f"operator crashes, {said(call.action)} was done"
                yield Move(what, self._anew(after), call, answer, "crash")

    def _anew(self, state: State) -> State:
        fresh = evolve(state, memory=NEW, deed=None, listed=True)
        if not self.engine.lists_anew:
            return fresh
        return evolve(fresh, caches=listed(state.world, state.kinds))

    def _refused(self, state: State, deed: Carrying) -> Iterator[Move]:
        call, truth = deed.execution.ready()[0], evolve(state.truth, refused=True)
        for fault, answer in REFUSALS.items():
            if fault not in self.faults:
                continue
            after = self.sending.answered(state, deed, call, answer, state)
            after = evolve(after, truth=truth)
            what = f"operator sends {said(call.action)}: {answer.code}, by bad luck"
            yield Move(what, after, call, answer, fault, ((call, answer),))

    def _unanswered(self, state: State, deed: Carrying) -> Iterator[Move]:
        call = deed.execution.ready()[0]
        if isinstance(call.action, mpijob.Confirm):
            return
        what = f"operator sends {said(call.action)} and hears nothing"
        heard = ((call, NO_ANSWER),)
        after, answer = self._landed(state, call)
        if answer.code < REFUSED and "silence" in self.faults:
            done = self.sending.answered(after, deed, call, NO_ANSWER, state)
            yield Move(f"{what}: it was done", done, call, answer, "silence", heard)
        if "delay" not in self.faults:
            return
        none = self.sending.answered(state, deed, call, NO_ANSWER, state)
        after = evolve(none, floating=call)
        yield Move(f"{what}: it is under way", after, trouble="delay", heard=heard)
