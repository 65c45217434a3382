# SPDX-License-Identifier: Apache-2.0
"""Laws of a plan: what may be asked of a cluster, in which order, with which guard."""

from collections.abc import Iterator

import pytest

from mpijob import (
    Action,
    Apply,
    Confirm,
    Create,
    Delete,
    Event,
    Touch,
    WriteStatus,
    names,
)
from mpijob.loose import NOTHING, Manifest, mapping, mappings
from mpijob.names import Child
from mpijob.status import JobStatus
from mpijob_operator.requests import ref_of
from mpijob_operator.simulation.deeds import is_true
from properties.laws import law, sometimes
from properties.lives import (
    WAITS,
    any_view,
    drifting,
    edited,
    ended,
    ending,
    expired,
    failed,
    failing,
    losing,
    missing,
    moments,
    seen,
    stopped,
    stopping,
    trespassed,
    waiting,
)
from properties.sights import questions
from properties.small_cluster import SmallCluster
from properties.strategies import DELETED, UID, Json, Question, evenly


def actions(question: Question) -> list[Action]:
    """Return the actions of the plan, in order."""
    return [action for step in question.plan for action in step]


def makes(action: Action) -> bool:
    """Tell whether an action makes something that was not there."""
    return isinstance(action, Create) or (isinstance(action, Apply) and not action.uid)


def in_cluster(question: Question) -> dict[tuple[str, str, str], Json]:
    """Return the objects of the job's namespace, by what a request names them by."""
    return {
        (each["apiVersion"], each["kind"], each["metadata"]["name"]): each
        for each in question.objects
        if each["metadata"]["namespace"] == question.job.namespace
    }


def controller(manifest: Manifest) -> Manifest:
    """Return the controller reference of an object as JSON, empty for none."""
    found = mappings(manifest["metadata"].get("ownerReferences"))
    return next((each for each in found if each.get("controller") is True), NOTHING)


# --- P9, P13, P13b, B8.2: whose object, and which guard -----------------------


@pytest.mark.rule("B8.1", "B8.2", "B6.1")
@law(
    evenly(any_view, seen(expired), seen(stopped)),
    often=("a pod is deleted", "a Job is deleted", "the MPIJob is deleted"),
)
def test_only_what_is_ours_is_deleted(question: Question) -> None:
    """Each deletion names an object that this very job controls, by uid."""
    there = in_cluster(question)
    for action in actions(question):
        if not isinstance(action, Delete):
            continue
        assert action.uid
        if action.ref.kind == "MPIJob":
            sometimes("the MPIJob is deleted")
            assert action.uid == UID
            assert action.resource_version == question.job.resource_version
            continue
        found = there[action.ref.api_version, action.ref.kind, action.ref.name]
        assert found["metadata"]["uid"] == action.uid
        assert controller(found)["uid"] == UID
        sometimes("a pod is deleted", when=action.ref.kind == "Pod")
        if sometimes("a Job is deleted", when=action.ref.kind == "Job"):
            assert action.resource_version == found["metadata"]["resourceVersion"]
            assert action.propagation == "Foreground"


@pytest.mark.rule("B8.1")
@law(
    evenly(any_view, seen(trespassed)),
    often=("somebody else's object is in the way",),
)
def test_nothing_of_somebody_elses_is_written(question: Question) -> None:
    """An object that the job does not control is not made over, changed or labelled."""
    there = in_cluster(question)
    theirs = {key for key, each in there.items() if controller(each).get("uid") != UID}
    for action in actions(question):
        if isinstance(action, Create | Apply):
            made = action.manifest
            key = (made["apiVersion"], made["kind"], action.name)
        elif isinstance(action, Touch):
            key = (action.ref.api_version, action.ref.kind, action.ref.name)
        else:
            continue
        assert key not in theirs
    names_of_ours = {names.service(question.job), names.launcher(question.job)}
    sometimes(
        "somebody else's object is in the way",
        when=any(name in names_of_ours for _, _, name in theirs),
    )


@pytest.mark.rule("B8.2")
@law(
    evenly(any_view, seen(stopping), seen(drifting)),
    often=("an apply", "a touch"),
)
def test_what_is_changed_is_named_by_uid(question: Question) -> None:
    """Each change of what exists carries the uid seen, and each create a free name."""
    there = in_cluster(question)
    for action in actions(question):
        if isinstance(action, Create | Apply):
            made = action.manifest
            found = there.get((made["apiVersion"], made["kind"], action.name))
            uid = action.uid if isinstance(action, Apply) else ""
            assert uid == (found["metadata"]["uid"] if found else "")
            sometimes("an apply", when=uid != "")
        elif isinstance(action, Touch):
            key = (action.ref.api_version, action.ref.kind, action.ref.name)
            metadata = there[key]["metadata"]
            versions = (metadata["resourceVersion"], "")
            assert action.uid == metadata["uid"]
            assert action.resource_version in versions
            labels = "labels" in mapping(action.fields.get("metadata"))
            assert labels or action.resource_version
            sometimes("a touch")


@pytest.mark.rule("B5.9", "B8.2")
@law(
    evenly(any_view, *map(seen, (edited, drifting, stopping, failed))),
    often=("an apply of what is there", "a Pod is touched", "a Job is touched"),
)
def test_what_cannot_be_changed_is_not_changed(question: Question) -> None:
    """P33: no plan applies a pod or a Job anew, nor changes more than its `suspend`."""
    for action in actions(question):
        if isinstance(action, Apply) and action.uid:
            sometimes("an apply of what is there")
            assert action.manifest["kind"] not in ("Pod", "Job")
        elif isinstance(action, Touch) and action.ref.kind in ("Pod", "Job"):
            sometimes(f"a {action.ref.kind} is touched")
            assert action.ref.kind == "Job" or action.fields.keys() <= {"metadata"}
            assert action.fields.keys() <= {"metadata", "spec"}
            assert mapping(action.fields.get("spec")).keys() <= {"suspend"}


# --- B4.5, P10, P16, P29: the order ---------------------------------------------


@pytest.mark.rule("B4.5", "B8.2", "B8.3")
@law(
    evenly(any_view, seen(missing)),
    often=("a write comes first", "a look comes first"),
)
def test_intent_comes_before_effect(question: Question) -> None:
    """Before anything is made, the status is written or the MPIJob is looked at."""
    plan = actions(question)
    made = [index for index, action in enumerate(plan) if makes(action)]
    guards = [
        i for i, each in enumerate(plan) if isinstance(each, WriteStatus | Confirm)
    ]
    assert len(guards) <= 1
    assert not made or guards[0] < made[0]
    if made:
        sometimes("a write comes first", when=isinstance(plan[guards[0]], WriteStatus))
        sometimes("a look comes first", when=isinstance(plan[guards[0]], Confirm))


@pytest.mark.rule("B4.3", "B5.5")
@law(
    evenly(any_view, seen(ending)),
    often=("a verdict is written", "something goes with it"),
)
def test_the_verdict_comes_before_the_cleanup(question: Question) -> None:
    """Where a write and deletions are in one plan, the write comes first."""
    plan = actions(question)
    kinds = [type(action) for action in plan]
    if WriteStatus in kinds and Delete in kinds:
        assert kinds.index(WriteStatus) < kinds.index(Delete)
        new = question.answer.status.verdict != question.job.status.verdict
        sometimes("something goes with it", when=new)
    new = question.answer.status.verdict != question.job.status.verdict
    sometimes("a verdict is written", when=new)


@pytest.mark.rule("B4.3", "B5.8")
@law(
    evenly(any_view, seen(ended), questions(DELETED)),
    often=("it has ended", "it is being deleted"),
)
def test_nothing_is_made_for_a_job_that_is_over(question: Question) -> None:
    """For a job that has ended or is being deleted nothing is made."""
    over = question.answer.status.verdict is not None or question.job.terminating
    if over:
        assert not any(makes(action) for action in actions(question))
        sometimes("it has ended", when=question.job.status.verdict is not None)
        sometimes("it is being deleted", when=question.job.terminating)


@pytest.mark.rule("B5.3", "B8.2")
@law(
    evenly(any_view, seen(losing), seen(failing)),
    often=("a pod is made", "a pod goes that is wanted again"),
)
def test_no_name_goes_and_comes_in_one_plan(question: Question) -> None:
    """P29: no plan deletes an object and makes one of its name; a later look does."""
    gone = {action.ref for action in actions(question) if isinstance(action, Delete)}
    makers = [a for a in actions(question) if isinstance(a, Create | Apply) if makes(a)]
    made = {ref_of(action.manifest) for action in makers}
    job, status = question.job, question.answer.status
    indices = [names.worker_index(job, ref.name) for ref in gone if ref.kind == "Pod"]
    wanted = any(index is not None and index < job.workers for index in indices)
    over = job.run_policy.suspend or status.is_true("Suspended") or status.verdict
    sometimes("a pod is made", when=any(ref.kind == "Pod" for ref in made))
    sometimes("a pod goes that is wanted again", when=wanted and not over)
    assert gone.isdisjoint(made)


@pytest.mark.rule("B4.7")
@law(any_view, often=("an event",))
def test_events_tell_of_what_was_written(question: Question) -> None:
    """An event comes after the write that it tells of, and stays within its bounds."""
    written = False
    for action in actions(question):
        written = written or isinstance(action, WriteStatus | Delete)
        if isinstance(action, Event):
            sometimes("an event")
            assert written
            assert len(action.message.encode()) <= 1024
            assert action.type in ("Normal", "Warning")


# --- P26: what is counted -----------------------------------------------------


@pytest.mark.rule("B4.5")
@law(
    evenly(any_view, seen(losing)),
    often=("pods are made", "pods are there", "both"),
)
def test_the_status_counts_each_pod_that_is_or_will_be(question: Question) -> None:
    """After each action, the status last written counts every pod that may run."""
    status, job = question.job.status, question.job
    if job.terminating or job.run_policy.managed_by == names.MULTI_KUEUE:
        return
    pods = {p.name for p in question.observed.pods if p.live and p.owner.uid == UID}
    sometimes("pods are there", when=bool(pods))
    launcher = False
    for action in actions(question):
        if isinstance(action, WriteStatus):
            status = action.status
            covers(status, pods, launcher=False)
        elif isinstance(action, Create) and action.child is Child.WORKER:
            sometimes("both", when=bool(pods))
            pods.add(action.name)
            sometimes("pods are made")
        elif isinstance(action, Create) and action.child is Child.LAUNCHER:
            launcher = True
        else:
            continue
        covers(status, pods, launcher=launcher)


def covers(status: JobStatus, workers: set[str], *, launcher: bool) -> None:
    """Check that the status counts these pods."""
    counts = (status.worker, status.launcher)
    active = [each.active if each else 0 for each in counts]
    assert active[0] >= len(workers)
    assert active[1] >= launcher


@pytest.mark.rule("B4.5")
@law(moments, often=("it is suspended", "it has ended", "nothing is left"))
def test_nothing_is_counted_that_is_not_there(life: SmallCluster) -> None:
    """Once suspended or ended, the counts are those of the pods that are there."""
    question = life.question
    answer, there = question.answer, question.observed
    suspended = answer.status.is_true("Suspended") and answer.status.start_time is None
    sometimes("it is suspended", when=suspended)
    sometimes("it has ended", when=answer.status.verdict is not None)
    if answer.needs or not (suspended or answer.status.verdict):
        return
    if answer.stage.value in ("NotOurs", "Deleted", "Expired"):
        return
    job = there.launcher
    ours = {UID, job.uid} if job else {UID}
    live = sum(pod.live for pod in there.pods if pod.owner.uid in ours)
    unfinished = job is not None and not job.finished
    sometimes("nothing is left", when=not live and not unfinished)
    assert live <= answer.status.active <= live + unfinished


# --- P19: the launcher's gate -------------------------------------------------


@pytest.mark.rule("B5.1")
@law(
    evenly(questions(WAITS), seen(waiting())),
    often=("a launcher is made", "it waits", "it goes on"),
)
def test_the_launcher_waits_for_every_worker(question: Question) -> None:
    """With WaitForWorkersReady no launcher begins or goes on without each worker Ready.

    One whose result is certain may go on: it makes no pod.
    """
    job = question.job
    if not job.waits_for_workers:
        return
    ready = [
        names.worker(job, i) in set(ready_pods(question)) for i in range(job.workers)
    ]
    sometimes("it waits", when=not all(ready))
    for action in actions(question):
        if isinstance(action, Create) and action.child is Child.LAUNCHER:
            sometimes("a launcher is made")
            assert all(ready)
            assert not job.run_policy.suspend
        if isinstance(action, Touch) and action.fields == {"spec": {"suspend": False}}:
            sometimes("it goes on")
            value = in_cluster(question)[action.ref[0], "Job", action.ref.name]
            certain = ("SuccessCriteriaMet", "FailureTarget")
            assert all(ready) or any(is_true(value, type_) for type_ in certain)


def ready_pods(question: Question) -> Iterator[str]:
    """Yield the pods that are ours, Ready and there to stay, as the JSON has it."""
    for (_, kind, name), each in in_cluster(question).items():
        said = mappings(mapping(each.get("status")).get("conditions"))
        is_ready = any(
            c.get("type") == "Ready" and c.get("status") == "True" for c in said
        )
        ours = controller(each).get("uid") == UID
        going = "deletionTimestamp" in each["metadata"]
        if kind == "Pod" and is_ready and ours and not going:
            yield name


# --- P20, P21: half a plan is safe --------------------------------------------


@pytest.mark.rule("B8.3")
@law(moments, often=("a plan is cut",))
def test_half_a_plan_is_safe(life: SmallCluster) -> None:
    """Cut a plan anywhere, look again, and the same end is reached."""
    question = life.question
    whole = SmallCluster(question)
    work = whole.reconcile()
    whole.settle(_ROUNDS)
    for cut in range(work):
        sometimes("a plan is cut")
        half = SmallCluster(question)
        half.reconcile(cut)
        half.settle(_ROUNDS)
        assert gist(half) == gist(whole)


_ROUNDS = 8


def gist(life: SmallCluster) -> object:
    """Return what matters of where a job got to: no uid, no version, no time.

    What was in its way for a while is told by a look that met it, and by no other.
    """
    status = life.question.job.status
    unblocked = ("Blocked", "False", "Unblocked")
    told = [(c.type, c.status, c.reason) for c in status.conditions]
    return (
        life.gone,
        sorted(life.objects),
        sorted(each for each in told if each != unblocked),
        status.launcher,
        status.worker,
        status.start_time is None,
    )
