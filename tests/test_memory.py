# SPDX-License-Identifier: Apache-2.0
"""What is known of a job between two looks, and what the next look waits for."""

import pytest
from attrs import evolve

import mpijob
from mpijob.actions import job_ref
from mpijob.names import JOB_NAME_LABEL, Child, Ref
from mpijob.observed import Owner, Pod
from mpijob.status import JobStatus
from mpijob_operator.controller.memory import (
    NEW,
    Memory,
    Progress,
    after,
    behind,
    broken_off,
    caught_up,
    looked_up,
    unread,
)
from mpijob_operator.executor import Answer, Execution, start

POD = ("v1", "Pod")
JOB = mpijob.MPIJob("pi", namespace="hpc", uid="u", resource_version="7")
MANIFEST = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "pi-worker-0", "namespace": "hpc"},
}
POD_REF = Ref("v1", "Pod", "hpc", "pi-worker-0")
WORKER = mpijob.Create(Child.WORKER, MANIFEST)
STATUS = mpijob.WriteStatus(job_ref(JOB), "u", "7", JobStatus())


def carried_out(*answers: Answer) -> Execution:
    """A plan of the status and one worker, answered as far as there are answers."""
    execution = start(JOB, ((STATUS,), (WORKER,)))
    for answer in answers:
        execution = execution.answered(0, answer)
    return execution


def written(version: str) -> Answer:
    return Answer(201, {"metadata": {"resourceVersion": version}})


DONE = written("8")


@pytest.mark.rule("B8.2")
@pytest.mark.parametrize(
    ("seen", "waits"), [("8", [POD]), ("9", []), ("10", []), ("", [POD])]
)
def test_a_job_waits_until_the_cache_shows_what_was_written(
    seen: str, waits: list[tuple[str, str]]
) -> None:
    known = after(NEW, carried_out(DONE, written("9")), now=0, timeout_s=5)
    assert list(behind(known, {POD: Progress(seen, 0)})) == waits


@pytest.mark.rule("B8.2")
def test_a_list_that_was_asked_for_since_shows_it_whatever_its_version() -> None:
    """An etcd that was restored from a copy counts on from an older version."""
    known = after(NEW, carried_out(DONE, written("9")), now=100, timeout_s=5)
    assert list(behind(known, {POD: Progress("2", 100)})) == [POD]
    assert list(behind(known, {POD: Progress("2", 100.1)})) == []


def test_versions_are_numbers_and_no_words() -> None:
    known = Memory(written={POD: "9"})
    assert list(behind(known, {POD: Progress("10", 0)})) == []


def test_a_kind_that_nobody_watches_is_not_waited_for() -> None:
    known = Memory(written={("x/v1", "PodGroup"): "9"})
    assert list(behind(known, {POD: Progress("1", 0)})) == []


@pytest.mark.rule("B8.8")
def test_after_an_unknown_outcome_every_cache_is_listed_anew() -> None:
    known = after(NEW, carried_out(DONE, Answer(0)), now=100, timeout_s=5)
    assert known.doubt == 105
    old, new = Progress("99", 104.9), Progress("1", 105)
    jobs = ("kubeflow.org/v2beta1", "MPIJob")
    caught = evolve(known, written={})
    assert list(behind(caught, {POD: old, jobs: new})) == [POD]
    assert list(behind(caught, {POD: new, jobs: new})) == []


def test_once_no_cache_is_behind_there_is_nothing_to_wait_for() -> None:
    known = after(NEW, carried_out(DONE, Answer(0)), now=100, timeout_s=5)
    rest = caught_up(known)
    assert list(behind(rest, {POD: Progress()})) == []
    assert rest.fruitless == 1


def test_a_plan_that_was_carried_out_is_forgotten_but_for_what_it_wrote() -> None:
    known = after(Memory(fruitless=3), carried_out(DONE, written("9")), 0, 5)
    assert caught_up(known) == NEW


def test_after_a_refusal_each_wait_is_longer_up_to_five_minutes() -> None:
    refused = carried_out(DONE, Answer(403, {"message": "no"}))
    pauses, known = list[float](), NEW
    for _ in range(12):
        known = after(known, refused, 0, 5)
        pauses.append(known.pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert [r.message for r in known.refusals] == ["no"]


def test_where_no_answer_ever_comes_each_wait_is_longer() -> None:
    """One that is lost is waited for as long as it may land, and no longer."""
    lost = carried_out(DONE, Answer(500, {"reason": "InternalError"}))
    pauses, known = list[float](), NEW
    for _ in range(10):
        known = after(known, lost, 0, 5)
        pauses.append(known.pause)
    assert pauses == [0, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert [r.reason for r in known.refusals] == ["InternalError"]


def test_what_the_server_asks_for_is_waited_within_reason() -> None:
    known = after(NEW, carried_out(Answer(429, retry_after=1e12)), 100, 5)
    assert (known.pause, known.rest) == (300, 400)


def test_a_plan_that_broke_off_is_of_unknown_outcome() -> None:
    known = broken_off(Memory(taken=frozenset((POD_REF,))), 100, 5)
    assert (known.doubt, known.fruitless) == (105, 1)
    assert known.taken == {POD_REF}


def test_after_an_old_view_the_next_look_is_soon() -> None:
    known = after(NEW, carried_out(Answer(409)), 0, 5)
    assert known.pause == 0.05


def test_what_the_server_asks_for_is_waited() -> None:
    known = after(NEW, carried_out(Answer(429, retry_after=7.0)), 0, 5)
    assert known.pause == 7


@pytest.mark.rule("B8.1")
def test_a_name_that_was_not_free_is_read_at_each_look() -> None:
    exists = Answer(409, {"reason": "AlreadyExists"})
    known = after(NEW, carried_out(DONE, exists), 0, 5)
    ref = Ref("v1", "Pod", "hpc", "pi-worker-0")
    assert known.taken == {ref}
    assert after(known, carried_out(DONE, written("9")), 0, 5).taken == {ref}


@pytest.mark.rule("B8.1")
def test_a_name_is_read_until_it_is_free_or_its_cache_shows_it() -> None:
    free, foreign, ours, bare = (
        Ref("v1", "Pod", "hpc", f"pi-worker-{index}") for index in range(4)
    )
    owner = Owner("MPIJob", "pi", "u")
    labels = {JOB_NAME_LABEL: "pi"}
    found = {
        foreign: Pod(foreign.name, labels=labels),
        ours: Pod(ours.name, owner=owner, labels=labels),
        bare: Pod(bare.name, owner=owner),
    }
    known = Memory(taken=frozenset((free, *found)))
    assert looked_up(known, found, JOB).taken == {foreign, bare}


def test_what_could_not_be_read_is_read_again_later() -> None:
    first = unread(NEW)
    assert (first.pause, unread(first).pause) == (1, 2)
