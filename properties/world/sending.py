# SPDX-License-Identifier: Apache-2.0
"""One request of the operator: it is sent, it is answered, and what follows is known.

The executor is the shipped one, and so is what is remembered; an Event is told with
what it tells of, and things that only wait by name are written together.
"""

from typing import Final

from attrs import evolve

import mpijob
from mpijob.names import Child
from mpijob_operator.executor import Answer, Call, Execution
from mpijob_operator.requests import ref_of
from mpijob_operator.simulation.operator import send
from properties.world.operator import WRITE_S, Looks
from properties.world.programs import Move
from properties.world.sandbox import Sandbox
from properties.world.scene import Scene
from properties.world.state import Carrying, State
from properties.world.truth import told_of, vouches

# From here on a code says no.
REFUSED: Final = 400
DONE: Final = Answer(201)


class Sending:
    """Sends what a plan asks for, one by one."""

    def __init__(self, scene: Scene, looks: Looks, sandbox: Sandbox) -> None:
        self.scene, self.looks, self.sandbox = scene, looks, sandbox

    def next(self, state: State, deed: Carrying) -> Move:
        """Return what comes of the next request of a plan."""
        call = deed.execution.ready()[0]
        after, answer = self.sent(state, call)
        came = answer.code if answer.code >= REFUSED else "done"
        what = f"operator sends {said(call.action)}: {came}"
        after = self.answered(after, deed, call, answer, state)
        if not self.scene.each_thing and _is_thing(call.action):
            following = after.deed
            if isinstance(following, Carrying):
                following_call = following.execution.ready()[0]
                if _is_thing(following_call.action):
                    rest = self.next(after, following)
                    heard = ((call, answer), *rest.heard)
                    return evolve(rest, what=f"{what}; {rest.what}", heard=heard)
        return Move(what, after, call, answer, heard=((call, answer),))

    def sent(self, state: State, call: Call) -> tuple[State, Answer]:
        """Have the API server do what is asked, or refuse it."""
        action = call.action
        if isinstance(action, mpijob.Create | mpijob.Apply):
            state = self.sandbox.restore(state, ref_of(action.manifest), call.job.uid)
        else:
            self.sandbox.restore(state)
        if self.looks.engine.overwrites:
            call = _over_what_there_is(state, call)
        answer = send(self.sandbox.cluster, call)
        return self.sandbox.moved(state), answer

    def answered(
        self, after: State, deed: Carrying, call: Call, answer: Answer, before: State
    ) -> State:
        """Return the state in which the operator has heard an answer."""
        execution = deed.execution.answered(call.number, answer)
        action, done = call.action, 200 <= answer.code < 300
        vouched = deed.vouched
        if done and isinstance(action, mpijob.WriteStatus | mpijob.Confirm):
            vouched = vouches(before.job, execution.job)
        truth = told_of(after.truth, call, before, after) if done else after.truth
        deed = evolve(deed, execution=execution, vouched=vouched)
        after = evolve(after, truth=truth, deed=deed)
        return self.with_events(after)

    def with_events(self, state: State) -> State:
        """Return it when Events were told and what is over was remembered."""
        deed = state.deed
        if not isinstance(deed, Carrying):
            return state
        execution, _ = told(deed.execution)
        if execution.end is None:
            if execution is deed.execution:
                return state
            return evolve(state, deed=evolve(deed, execution=execution))
        known = self.looks.engine.after(deed.known, execution, 0.0, WRITE_S)
        known = evolve(known, fruitless=0, pause=0.0)
        return evolve(state, deed=None, memory=known, listed=known.doubt is None)


def told(execution: Execution) -> tuple[Execution, list[mpijob.Action]]:
    """Tell the Events that are next; return how far the plan is then, and them."""
    events: list[mpijob.Action] = []
    while (calls := execution.ready()) and isinstance(calls[0].action, mpijob.Event):
        execution = execution.answered(calls[0].number, DONE)
        events.append(calls[0].action)
    return execution, events


def _over_what_there_is(state: State, call: Call) -> Call:
    """Return a status write that is not refused, whatever it was decided on."""
    action, job = call.action, state.job
    if not isinstance(action, mpijob.WriteStatus) or action.resource_version or not job:
        return call
    version = job["metadata"]["resourceVersion"]
    return evolve(call, action=action._replace(resource_version=version))


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
