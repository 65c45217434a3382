# SPDX-License-Identifier: Apache-2.0
"""Carrying out a plan: what may be sent next, and what follows from each answer."""

import json
from typing import Any

import pytest
from attrs import evolve

from mpijob import HOLDS, Confirm, Create, Event, Observed, WriteStatus, decode
from mpijob.actions import GUARDS, Action, Apply, Delete, Manager, Touch, job_ref
from mpijob.names import Child, Ref
from mpijob.plan import Plan
from mpijob_operator.executor import (
    CONSEQUENCES,
    Answer,
    Consequence,
    End,
    Execution,
    Reply,
    child_of,
    remembered,
    start,
)
from mpijob_operator.observe import observe
from mpijob_operator.requests import request_of
from tests.builders import a_job, a_manifest, a_status, cases

JOB = a_job()
POD = Ref("v1", "Pod", "hpc", "pi-worker-0")


def an_object(kind: str, name: str, version: str = "9") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "hpc", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


STATUS = WriteStatus(job_ref(JOB), "job", "7", a_status("Created"))
CONFIRM = Confirm(job_ref(JOB), "job", 1)
TOLD = Event("Normal", "MPIJobCreated", "it is there")
SERVICE = Apply(Child.SERVICE, an_object("Service", "pi"), "")
CHANGE = Apply(Child.SERVICE, an_object("Service", "pi"), "u")
SECRET = Create(Child.SECRET, an_object("Secret", "pi-ssh"))
WORKERS = tuple(
    Create(Child.WORKER, an_object("Pod", f"pi-worker-{i}")) for i in (0, 1)
)
LAUNCHER = Create(Child.LAUNCHER, an_object("Job", "pi-launcher"))
GONE = Delete(POD, "u", "", "Background", "it failed")
NUMBER = Touch(Manager.FAILURE, POD, "u", "8", {"metadata": {"annotations": {}}})
LABELS = Touch(Manager.LABELS, POD, "u", "", {"metadata": {"labels": {}}})
STOP = Touch(Manager.SUSPEND, POD, "u", "8", {"spec": {"suspend": True}})
FAN_OUT: Plan = ((STATUS,), (TOLD,), (SERVICE, SECRET), WORKERS, (LAUNCHER,))


def failure(code: int, reason: str = "", message: str = "", **details: Any) -> Answer:  # noqa: ANN401 - JSON.
    return Answer(code, {"reason": reason, "message": message, "details": details})


OK = Answer(200, an_object("Pod", "x"))
LOST = Answer(0)
CONFLICT = failure(409, "Conflict")
TAKEN = failure(409, "AlreadyExists")
REFUSED = failure(403, "Forbidden", "no")
INVALID = failure(422, "Invalid", "spec is bad")


def ready(execution: Execution) -> list[Action]:
    return [call.action for call in execution.ready()]


def answered(execution: Execution, *answers: Answer) -> Execution:
    """Answer what is ready, in order, as long as there are answers."""
    for answer in answers:
        execution = execution.answered(execution.ready()[0].number, answer)
    return execution


def sent(plan: Plan, refuse: dict[str, Answer]) -> tuple[list[str], Execution]:
    """Carry out a plan; actions of these names are answered so, all others well."""
    execution, names = start(JOB, plan), list[str]()
    while calls := execution.ready():
        action = calls[0].action
        name = getattr(action, "name", type(action).__name__)
        names.append(name)
        execution = execution.answered(calls[0].number, refuse.get(name, OK))
    return names, execution


def test_steps_are_sent_strictly_in_order() -> None:
    execution = start(JOB, FAN_OUT)
    for step in FAN_OUT:
        assert ready(execution) == list(step)
        execution = answered(execution, *[OK for _ in step])
    assert execution.ready() == ()
    assert execution.end is End.DONE


def test_actions_of_a_step_may_be_answered_in_any_order() -> None:
    execution = start(JOB, (WORKERS, (LAUNCHER,)))
    last = execution.ready()[1].number
    execution = execution.answered(last, OK)
    assert ready(execution) == [WORKERS[0]]
    assert ready(answered(execution, OK)) == [LAUNCHER]


def test_a_call_says_what_to_send() -> None:
    call = start(JOB, FAN_OUT).ready()[0]
    assert call.request == request_of(JOB, STATUS)


def test_an_empty_plan_is_done() -> None:
    assert start(JOB, ()).end is End.DONE


def test_an_execution_under_way_has_no_end() -> None:
    assert start(JOB, FAN_OUT).end is None


@pytest.mark.rule("B8.3")
def test_a_copy_goes_its_own_way() -> None:
    before = start(JOB, FAN_OUT)
    after = answered(before, CONFLICT)
    assert (before.end, after.end) == (None, End.LOOK_AGAIN)
    assert ready(before) == [STATUS]


# --- Consequences ---------------------------------------------------------------


def test_every_action_has_a_row_and_every_reply_a_column() -> None:
    rows = {*GUARDS, *Manager} - {Touch, Manager.CHILDREN}
    assert CONSEQUENCES.keys() == rows
    assert {len(row) for row in CONSEQUENCES.values()} == {len(Reply)}


@pytest.mark.rule("B4.5", "B8.2")
@cases(
    "answer",
    {"stale": CONFLICT, "refused": REFUSED, "lost": LOST, "no such": failure(404)},
)
def test_nothing_is_made_after_a_status_that_was_not_written(answer: Answer) -> None:
    names, execution = sent(FAN_OUT, {"WriteStatus": answer})
    assert names == ["WriteStatus"]
    assert execution.end is not End.DONE


@pytest.mark.rule("B8.2")
@cases(
    "change, same",
    {
        "as it was": ({}, True),
        "another uid": ({"metadata": {"uid": "other"}}, False),
        "edited": ({"metadata": {"generation": 2}}, False),
        "going": ({"metadata": {"deletionTimestamp": "2030-01-01T12:00:00Z"}}, False),
    },
)
def test_a_confirmation_holds_only_for_the_job_decided_on(
    change: dict[str, Any], same: bool
) -> None:
    execution = start(JOB, ((CONFIRM,), WORKERS))
    execution = answered(execution, Answer(200, a_manifest(**change)))
    assert bool(execution.ready()) is same
    assert execution.end is (None if same else End.LOOK_AGAIN)


@pytest.mark.rule("B4.3", "B8.2")
def test_a_confirmation_fails_where_a_verdict_was_written() -> None:
    conditions = [{"type": "Succeeded", "status": "True"}]
    body = {**a_manifest(), "status": {"conditions": conditions}}
    assert decode(body).status.verdict is not None
    execution = answered(start(JOB, ((CONFIRM,), WORKERS)), Answer(200, body))
    assert execution.end is End.LOOK_AGAIN


@pytest.mark.rule("B4.7")
@cases(
    "answer", {"refused": REFUSED, "lost": LOST, "busy": failure(429), "odd": CONFLICT}
)
def test_an_event_stops_nothing(answer: Answer) -> None:
    names, execution = sent(FAN_OUT, {"Event": answer})
    assert "pi-launcher" in names
    assert (execution.end, execution.troubles) == (End.DONE, ())


@pytest.mark.rule("B8.1")
@cases(
    "name, held",
    {
        "Service": ("pi", True),
        "Secret": ("pi-ssh", True),
        "worker": ("pi-worker-0", False),
    },
)
@cases("answer", {"refused": REFUSED, "taken": TAKEN, "invalid": INVALID})
def test_a_refused_child_holds_back_what_would_use_it(
    name: str, held: bool, answer: Answer
) -> None:
    names, execution = sent(FAN_OUT, {name: answer})
    assert {"pi", "pi-ssh"} <= set(names)
    assert ("pi-launcher" in names) is not held
    assert execution.end in (End.BACK_OFF, End.LOOK_AGAIN)


@pytest.mark.rule("B8.1")
def test_what_is_held_back_is_the_table_of_the_core() -> None:
    names, _ = sent(FAN_OUT, {"pi-worker-1": REFUSED})
    assert HOLDS[Child.WORKER] == frozenset()
    assert names[-1] == "pi-launcher"


@pytest.mark.rule("B8.8")
@cases(
    "answer",
    {"lost": LOST, "broken": failure(500), "gateway": failure(504), "odd": Answer(302)},
)
def test_an_answer_that_says_nothing_stops_all_and_is_uncertain(answer: Answer) -> None:
    names, execution = sent(FAN_OUT, {"pi-worker-0": answer})
    assert names[-1] == "pi-worker-0"
    assert execution.end is End.UNCERTAIN
    assert execution.refusals == ()


@cases("answer", {"too many": failure(429), "stale token": failure(401)})
def test_what_was_not_looked_at_is_tried_later(answer: Answer) -> None:
    _, execution = sent(FAN_OUT, {"pi-ssh": answer})
    assert execution.end is End.BACK_OFF
    assert execution.refusals == ()


def test_what_is_gone_already_needs_no_deletion() -> None:
    execution = answered(start(JOB, ((GONE,), (TOLD,))), failure(404))
    assert ready(execution) == [TOLD]
    assert answered(execution, OK).end is End.DONE


@pytest.mark.rule("B8.2")
def test_a_deletion_that_met_another_object_is_looked_at_again() -> None:
    execution = answered(start(JOB, ((GONE,), (TOLD,))), CONFLICT)
    assert execution.end is End.LOOK_AGAIN


def test_a_refused_deletion_lets_the_rest_go_on() -> None:
    execution = answered(start(JOB, ((GONE,), (LAUNCHER,))), REFUSED)
    assert ready(execution) == [LAUNCHER]
    execution = answered(execution, OK)
    assert (execution.end, execution.refusals) == (End.BACK_OFF, ())


@pytest.mark.rule("B4.9")
@cases(
    "touch, goes_on",
    {"a number": (NUMBER, False), "suspend": (STOP, False), "labels": (LABELS, True)},
)
def test_a_refused_touch_stops_what_rests_on_it(touch: Touch, goes_on: bool) -> None:
    execution = answered(start(JOB, ((touch,), (STATUS,))), REFUSED)
    assert bool(execution.ready()) is goes_on


@pytest.mark.rule("B8.2")
def test_an_apply_by_uid_that_met_another_object_is_looked_at_again() -> None:
    answer = failure(422, "Invalid", causes=[{"field": "metadata.uid"}])
    execution = answered(start(JOB, ((CHANGE,),)), answer)
    assert (execution.end, execution.refusals) == (End.LOOK_AGAIN, ())


def test_an_apply_by_uid_of_what_is_gone_is_looked_at_again() -> None:
    execution = answered(start(JOB, ((CHANGE,),)), CONFLICT)
    assert (execution.end, execution.taken) == (End.LOOK_AGAIN, ())


@pytest.mark.rule("B8.1")
@cases("action, answer", {"a create": (SECRET, TAKEN), "an apply": (SERVICE, CONFLICT)})
def test_a_name_that_is_taken_is_to_be_read_live(
    action: Create | Apply, answer: Answer
) -> None:
    execution = answered(start(JOB, ((action,),)), answer)
    ref = Ref("v1", action.manifest["kind"], "hpc", action.name)
    assert (execution.taken, execution.end) == ((ref,), End.LOOK_AGAIN)


def test_a_create_may_conflict_without_its_name_being_taken() -> None:
    execution = answered(start(JOB, (WORKERS,)), CONFLICT)
    assert (execution.taken, execution.end) == ((), End.LOOK_AGAIN)


def test_answers_under_way_are_noted_after_a_stop() -> None:
    execution = start(JOB, (WORKERS, (LAUNCHER,)))
    first, second = (call.number for call in execution.ready())
    execution = execution.answered(first, LOST)
    assert execution.ready() == ()
    execution = execution.answered(second, Answer(201, an_object("Pod", "b", "12")))
    assert execution.written == {("v1", "Pod"): "12"}
    assert execution.ready() == ()
    assert execution.end is End.UNCERTAIN


def test_the_newest_version_of_each_kind_is_kept() -> None:
    answers = [Answer(201, an_object("Pod", "a", version)) for version in ("9", "10")]
    execution = answered(start(JOB, (WORKERS, (TOLD,))), *answers)
    assert execution.written == {("v1", "Pod"): "10"}
    assert answered(execution, OK).written == {("v1", "Pod"): "10"}


# --- What is said of refusals -----------------------------------------------------


@pytest.mark.rule("B1.7", "B4.1")
@cases(
    "answer, reason",
    {
        "invalid": (INVALID, "Invalid"),
        "a policy, by 422": (failure(422, "Invalid", "x denied request: y"), "Invalid"),
        "quota": (failure(403, "Forbidden", "exceeded quota: small"), "QuotaExceeded"),
        "a webhook": (
            failure(400, "", 'admission webhook "w" denied the request: no'),
            "AdmissionDenied",
        ),
        "rights": (failure(403, "Forbidden", "cannot create"), "Forbidden"),
        "the cluster's own word": (
            failure(413, "RequestEntityTooLarge"),
            "RequestEntityTooLarge",
        ),
        "a word for nothing": (failure(418), "Forbidden"),
        "no such kind": (failure(404, "NotFound", "no such"), "NotFound"),
    },
)
def test_a_refusal_has_a_reason(answer: Answer, reason: str) -> None:
    _, execution = sent(FAN_OUT, {"pi-worker-0": answer})
    (refusal,) = execution.refusals
    assert (refusal.child, refusal.name) == (Child.WORKER, "pi-worker-0")
    assert refusal.reason == reason


def test_a_refusal_keeps_the_cluster_words() -> None:
    _, execution = sent(FAN_OUT, {"pi-worker-0": REFUSED})
    assert execution.refusals[0].message == "no"


def test_an_answer_without_words_is_told_by_its_code() -> None:
    _, execution = sent(FAN_OUT, {"pi-worker-0": Answer(403)})
    assert execution.refusals[0].message == "the API server answered 403"


def refused(*names: str, plan: Plan = FAN_OUT) -> Execution:
    return sent(plan, dict.fromkeys(names, REFUSED))[1]


def names_of(execution: Execution, before: Execution) -> list[str]:
    return sorted(r.name for r in remembered(before.refusals, execution))


@cases(
    "before, now, expected",
    {
        "a new one": ((), ("pi-worker-0",), ["pi-worker-0"]),
        "again": (("pi-worker-0",), ("pi-worker-0",), ["pi-worker-0"]),
        "taken at last": (("pi-worker-0",), (), []),
        "held back by another": (("pi-worker-0",), ("pi",), ["pi", "pi-worker-0"]),
    },
)
def test_a_refusal_stands_until_its_child_is_sent_again(
    before: tuple[str, ...], now: tuple[str, ...], expected: list[str]
) -> None:
    assert names_of(refused(*now), refused(*before)) == expected


def test_a_refusal_of_a_child_that_is_not_planned_any_more_is_forgotten() -> None:
    assert names_of(refused(plan=((STATUS,),)), refused("pi-worker-0")) == []


def test_a_refusal_stands_where_the_plan_was_stopped_before_its_child() -> None:
    stopped = answered(start(JOB, FAN_OUT), CONFLICT)
    assert names_of(stopped, refused("pi-worker-0")) == ["pi-worker-0"]


def test_a_refusal_stands_where_its_step_was_stopped_before_it() -> None:
    stopped = answered(start(JOB, (WORKERS,)), LOST)
    assert names_of(stopped, refused("pi-worker-1")) == ["pi-worker-1"]


@pytest.mark.rule("B4.1")
def test_refusals_are_observed_by_the_next_look() -> None:
    refusals = refused("pi-worker-0").refusals
    seen = observe([], JOB, refusals=refusals)
    assert seen == evolve(Observed(), refusals=refusals)


def test_only_children_hold_and_are_held() -> None:
    assert child_of(GONE) is None
    assert Consequence.HOLD in CONSEQUENCES[Delete]


def test_an_execution_shows_what_it_is_at_and_no_secrets() -> None:
    text = repr(start(JOB, FAN_OUT))
    assert "step=0" in text
    assert "pi-ssh" not in text
    assert json.dumps(start(JOB, FAN_OUT).ready()[0].request.as_json())
