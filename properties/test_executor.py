# SPDX-License-Identifier: Apache-2.0
"""Laws of carrying out: any plan, any answers, in any order.

The plans are those of lives in mid-course; the answers are whatever an API server may
say, to whichever of the requests under way.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest
from attrs import frozen
from hypothesis import strategies as st

import mpijob
from mpijob import HOLDS, Apply, Confirm, Create, Delete, Event, Touch, WriteStatus
from mpijob.actions import job_ref
from mpijob.loose import mapping
from mpijob_operator.executor import Answer, Call, End, Execution, start
from mpijob_operator.requests import Verb, ref_of
from properties.laws import law, sometimes
from properties.lives import losing, missing, moments, seen, stopped, stopping
from properties.sights import beginnings
from properties.strategies import Question, evenly

if TYPE_CHECKING:
    from mpijob.names import Child

plans = evenly(
    beginnings(),
    beginnings(),
    *(seen(each) for each in (losing, missing, moments, stopping, stopped)),
)

OK, LOST, STALE, THROTTLED = 200, 0, 409, 429
STOPS: Final = (LOST, STALE, THROTTLED, 500)
# Most answers are good: plans are to get somewhere.
CODES: Final = st.sampled_from([OK] * 16 + [LOST, STALE, 403, 422, 422, THROTTLED, 500])


@frozen
class Sent:
    """A request that was answered, and what was known after."""

    call: Call
    answer: Answer
    after: Execution
    change: str  # Of the MPIJob, where it was looked at.


class Course:
    """A plan, and how far it was carried out."""

    def __init__(self, sent: tuple[Sent, ...]) -> None:
        self.sent = sent

    def __repr__(self) -> str:
        """Return what a failing law should show."""
        told = (f"{type(s.call.action).__name__}: {s.answer.code}" for s in self.sent)
        return f"Course({', '.join(told)})"


def answered(code: int, version: int) -> Answer:
    """Return what an API server says with this code."""
    if code != OK:
        return Answer(code, {"reason": "No", "message": "no"})
    return Answer(OK, {"metadata": {"resourceVersion": str(version)}})


SUCCEEDED: Final = {"conditions": [{"type": "Succeeded", "status": "True"}]}


def confirmed(action: Confirm, change: str) -> Answer:
    """Return the MPIJob, as it was decided on or changed since."""
    metadata = {"uid": action.uid, "generation": action.generation}
    other: dict[str, dict[str, object]] = {
        "edited": {"generation": action.generation + 1},
        "made anew": {"uid": "u-other"},
        "going": {"deletionTimestamp": "2030-01-01T12:00:00Z"},
    }
    status = SUCCEEDED if change == "ended" else {}
    return Answer(OK, {"metadata": metadata | other.get(change, {}), "status": status})


SAME: Final = "the same"
CHANGES: Final = st.sampled_from([SAME, SAME, "edited", "made anew", "going", "ended"])


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Draw a plan and its answers, those of a step in any order."""
    question: Question = draw(plans)
    execution = start(question.job, question.plan)
    sent: list[Sent] = []
    while execution.end is None:
        calls = execution.ready()
        call = calls[draw(st.integers(0, len(calls) - 1))]
        answer, change = answered(draw(CODES), 90 + len(sent)), SAME
        if isinstance(call.action, Confirm) and answer.code == OK:
            change = draw(CHANGES)
            answer = confirmed(call.action, change)
        execution = execution.answered(call.number, answer)
        sent.append(Sent(call, answer, execution, change))
    return Course(tuple(sent))


def is_taken(sent: Sent) -> bool:
    """Tell whether a name that was to be free was not."""
    action = sent.call.action
    makes = isinstance(action, Apply) and not action.uid
    return makes and sent.answer.code == STALE


@pytest.mark.rule("B8.3")
@law(courses(), often=("a plan of many steps",))
def test_each_action_is_sent_once_in_its_turn(course: Course) -> None:
    """P21: no action is sent twice, nor before all of the steps before it."""
    sent = course.sent
    plan = sent[0].after.plan if sent else ()
    turns = {id(action): turn for turn, step in enumerate(plan) for action in step}
    steps = [turns[id(each.call.action)] for each in sent]
    sometimes("a plan of many steps", when=len(set(steps)) > 3)
    assert steps == sorted(steps)
    assert len({id(each.call.action) for each in sent}) == len(sent)


@pytest.mark.rule("B8.2", "B8.3")
@law(
    courses(),
    often=("nobody knows", "the view was old", "all was done"),
)
def test_nothing_is_sent_after_what_nobody_knows(course: Course) -> None:
    """P25: after an outcome that is unknown, and a guard that held, nothing is sent.

    How the plan ends says so: the next look waits, or looks at once.
    """
    sent = course.sent
    weighty = [s for s in sent if not isinstance(s.call.action, Event)]
    for each in weighty:
        stops = each.answer.code in STOPS and not is_taken(each)
        guards = isinstance(each.call.action, WriteStatus | Confirm)
        if stops or (guards and each.answer.code != OK):
            assert each is sent[-1]
        if sometimes("the job is another", when=each.change != SAME):
            assert each is sent[-1]
            assert each.after.end is End.LOOK_AGAIN
    if not weighty:
        return
    last, end = weighty[-1].answer.code, sent[-1].after.end
    if sometimes("nobody knows", when=last in (LOST, 500)):
        assert end is End.UNCERTAIN
    elif last == STALE:
        sometimes("the view was old")
        assert end is End.LOOK_AGAIN
    elif all((s.answer.code, s.change) == (OK, SAME) for s in weighty):
        sometimes("all was done")
        assert end is End.DONE


@pytest.mark.rule("B8.2")
@law(beginnings(), CHANGES, often=("the job is another", "it is the same"))
def test_nothing_is_made_for_a_job_that_is_another(
    question: Question, change: str
) -> None:
    """P10: once a look at the MPIJob shows that it is another, nothing is made."""
    job = question.job
    confirm = Confirm(job_ref(job), job.uid, job.generation)
    made = (tuple(a for a in step if isinstance(a, Create)) for step in question.plan)
    execution = start(job, ((confirm,), *filter(None, made)))
    after = execution.answered(0, confirmed(confirm, change))
    if sometimes("the job is another", when=change != SAME):
        assert after.ready() == ()
        assert after.end is End.LOOK_AGAIN
    else:
        sometimes("it is the same")
        assert after.ready() or after.end is End.DONE


@pytest.mark.rule("B8.1")
@law(courses(), often=("something was refused",))
def test_what_needs_a_refused_child_is_held_back(course: Course) -> None:
    """P13: what needs a child that was refused is not made; all else is."""
    sent = course.sent
    held: set[Child] = set()
    for each in sent:
        action = each.call.action
        if isinstance(action, Create | Apply):
            assert action.child not in held
            sometimes("the rest goes on", when=bool(held))
            if is_taken(each):
                held |= HOLDS[action.child]
            if each.answer.code in (403, 422):
                sometimes("something was refused")
                held |= HOLDS[action.child]
                told = {(r.child, r.name) for r in sent[-1].after.refusals}
                assert (action.child, action.name) in told


@pytest.mark.rule("B8.2")
@law(courses(), often=("something was written",))
def test_what_was_written_is_remembered(course: Course) -> None:
    """P22: of each kind the newest version that a write returned is known."""
    sent = course.sent
    newest: dict[tuple[str, str], int] = {}
    for each in sent:
        action, version = each.call.action, each.answer.resource_version
        if isinstance(action, Event | Confirm) or not version:
            continue
        if isinstance(action, Create | Apply):
            kind = ref_of(action.manifest)[:2]
        else:
            kind = action.ref[:2]
        newest[kind] = max(newest.get(kind, 0), int(version))
    sometimes("something was written", when=bool(newest))
    if sent:
        written = sent[-1].after.written
        assert {kind: int(version) for kind, version in written.items()} == newest


# --- The requests -------------------------------------------------------------


def guards_of(action: mpijob.Action) -> Iterator[tuple[str, str]]:
    """Yield the metadata that a request of an action must carry."""
    match action:
        case Apply(_, _, ""):
            yield "resourceVersion", "1"  # No object has it: it creates, or not.
        case Apply(_, _, uid):
            yield "uid", uid
        case Touch() | Delete():
            yield "uid", action.uid
            if action.resource_version:
                yield "resourceVersion", action.resource_version
        case WriteStatus():
            yield "resourceVersion", action.resource_version
        case _:
            return


@pytest.mark.rule("B8.2", "B7.5")
@law(plans, often=("Apply", "Create", "Delete", "Touch", "WriteStatus"))
def test_each_request_carries_its_guard(question: Question) -> None:
    """P9, P32: what is sent is guarded as it was planned, and in our own name."""
    for step in question.plan:
        for number, action in enumerate(step):
            sometimes(type(action).__name__)
            request = Call(number, action, question.job).request
            body = request.body
            part = "preconditions" if isinstance(action, Delete) else "metadata"
            assert dict(guards_of(action)).items() <= mapping(body.get(part)).items()
            if request.verb is Verb.APPLY:
                assert request.query["force"] == "true"
                assert request.query["fieldManager"]
            if isinstance(action, Delete):
                assert body["propagationPolicy"] == action.propagation
            if isinstance(action, Create):
                assert request.verb is Verb.CREATE
