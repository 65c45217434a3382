# SPDX-License-Identifier: Apache-2.0
"""Laws of what may be concluded from what was seen, and when to look again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
from attrs import evolve
from hypothesis import strategies as st

from mpijob import Create, Desired, World, names
from mpijob.loose import mapping, mappings
from mpijob.names import Child
from mpijob.stage import Stage
from properties.laws import law, sometimes
from properties.lives import Move, any_view, lives, moments, seen
from properties.sights import POD_STATES
from properties.small_cluster import SmallCluster
from properties.strategies import UID, Edit, Json, Question, evenly, stamp

_ROUNDS: Final = 8
SUSPEND: Final[Move] = ("user_edits", ("spec.runPolicy.suspend", True))
RESUME: Final[Move] = ("user_edits", ("spec.runPolicy.suspend", False))
_BACKOFF: Final[Edit] = ("spec.runPolicy.backoffLimit", 9)
CLEAN: Final[Edit] = ("spec.runPolicy.cleanPodPolicy", "All")

# --- P22: unknown is not empty ------------------------------------------------


@pytest.mark.rule("B8.3")
@law(any_view, st.sampled_from(Child), often=("there was something to do",))
def test_while_a_kind_is_unknown_nothing_is_decided(
    question: Question, child: Child
) -> None:
    """P22: what was not listed yet is not taken for missing: nothing is done."""
    sometimes("there was something to do", when=question.plan != ())
    unsure = evolve(question, unknown=frozenset((child,)))
    assert unsure.plan == ()
    assert unsure.answer.status == question.job.status


# --- P26: Running -------------------------------------------------------------


def runs(pod: Json) -> bool:
    """Tell whether a pod runs or ended well, and stays."""
    phase = mapping(pod.get("status")).get("phase")
    going = pod["metadata"].get("deletionTimestamp") is not None
    return phase in ("Running", "Succeeded") and not going


def owned(question: Question, uid: str) -> Iterator[Json]:
    """Yield the job's namespace's pods that an object of this uid controls."""
    for each in question.objects:
        metadata = each["metadata"]
        if (each["kind"], metadata["namespace"]) != ("Pod", question.job.namespace):
            continue
        owners = mappings(metadata.get("ownerReferences"))
        controllers = [o.get("uid") for o in owners if o.get("controller") is True]
        if controllers[:1] == [uid]:
            yield each


_RUNNING: Final[tuple[Move, ...]] = (
    ("settle", _ROUNDS),
    ("all_pods_run", 0),
    ("settle", _ROUNDS),
)
which = st.integers(0, 4)
unsettled = evenly(
    which.flatmap(lambda n: lives(then=(*_RUNNING, ("pod_is_terminating", n)))),
    st.tuples(which, st.sampled_from(POD_STATES)).flatmap(
        lambda how: lives(then=(*_RUNNING, ("pod_becomes", how)))
    ),
)


@pytest.mark.rule("B4.2")
@law(
    evenly(any_view, seen(unsettled)),
    often=("all of it runs", "it is taken back"),
)
def test_running_is_said_of_what_runs(question: Question) -> None:
    """P26: Running is True only while the launcher and every worker run and stay."""
    job, answer = question.job, question.answer
    active = (Stage.WAITING, Stage.STARTING, Stage.RUNNING)
    if answer.stage not in active or answer.needs:
        return
    old, new = job.status.is_true("Running"), answer.status.is_true("Running")
    sometimes("it is taken back", when=old and not new)
    if not sometimes("all of it runs", when=new):
        return
    workers = {p["metadata"]["name"] for p in owned(question, UID) if runs(p)}
    assert {names.worker(job, i) for i in range(job.workers)} <= workers
    launcher = question.observed.launcher
    assert launcher is not None
    assert any(runs(pod) for pod in owned(question, launcher.uid))


# --- P15: the launcher's own result comes first -------------------------------

_OURS: Final = (
    "DeadlineExceeded",
    "WorkerFailed",
    "WorkerBackoffLimitExceeded",
    "InvalidSpec",
)
_LIMITS: Final[tuple[Edit, ...]] = (
    ("spec.runPolicy.activeDeadlineSeconds", 30),
    ("spec.runPolicy.backoffLimit", 0),
)


@st.composite
def past_limits(draw: st.DrawFn, *says: str) -> SmallCluster:
    """Draw a job that is past every limit, and what its launcher Job says last."""
    life = draw(lives(*_LIMITS, then=_RUNNING))
    workers = [
        index
        for index, pod in enumerate(life.pods)
        if names.worker_index(life.question.job, pod["metadata"]["name"]) is not None
    ]
    if workers:
        life.pod_becomes((draw(st.sampled_from(workers)), POD_STATES[11]))
        life.reconcile(1)  # The failure is numbered.
    if says:
        life.launcher_says(draw(st.sampled_from(says)))
    life.time_passes(draw(st.sampled_from([0, 99])))
    return life


certain_results = past_limits("SuccessCriteriaMet", "FailureTarget")


@pytest.mark.rule("B5.2", "B5.4")
@law(certain_results, often=("the launcher's result is certain",))
def test_a_certain_result_outranks_every_limit(life: SmallCluster) -> None:
    """P15: where the launcher's result is certain, no end of our own is written."""
    question = life.question
    launcher = question.observed.launcher
    ours = launcher is not None and launcher.owner.uid == UID
    if question.job.status.verdict or not (ours and launcher and launcher.ending):
        return
    sometimes("the launcher's result is certain")
    failed = question.answer.status.condition("Failed")
    was = question.job.status.condition("Failed")
    assert failed == was or failed is None or failed.reason not in _OURS


@pytest.mark.rule("B5.2")
@law(
    evenly(any_view, seen(past_limits()), seen(past_limits())),
    often=("it ends of our own making",),
)
def test_an_end_of_our_making_needs_a_live_look(question: Question) -> None:
    """P15: no job is ended by the operator unless the launcher Job was read live."""
    new = question.answer.status.condition("Failed")
    ours = new is not None and new.status == "True" and new.reason in _OURS
    ends = question.job.status.verdict is None and ours
    if not sometimes("it ends of our own making", when=ends):
        return
    blind = evolve(question, live=frozenset())
    assert blind.answer.status.verdict is None
    assert blind.plan == ()


_GOING: Final[Move] = ("launcher_is_terminating", 0)
going = evenly(
    *(
        lives(then=(*_RUNNING, *suspends, _GOING, ("launcher_says", says)))
        for says in ("SuccessCriteriaMet", "Failed")
        for suspends in ((), (SUSPEND,))
    )
)


@pytest.mark.rule("B5.2", "B6.1")
@law(going, often=("it had succeeded", "it fails because it goes"))
def test_what_goes_ends_as_it_would_have(life: SmallCluster) -> None:
    """P16: a success is read off a launcher on its way out; that it is stopped is none.

    What fails after its deletion was asked for fails because of that.
    """
    question = life.question
    launcher, new = question.observed.launcher, question.answer.status
    ours = launcher is not None and launcher.owner.uid == UID
    if question.job.status.verdict or not (ours and launcher and launcher.terminating):
        return
    left_alone = (Stage.NOT_OURS, Stage.DELETED, Stage.UNSEEN)
    if question.answer.stage in left_alone or question.answer.needs:
        return
    said = launcher.conditions.keys()
    if sometimes("it had succeeded", when="SuccessCriteriaMet" in said):
        assert new.is_true("Succeeded")
    elif question.job.run_policy.suspend and "Complete" not in said:
        sometimes("it fails because it goes", when="Failed" in said)
        assert new.verdict is None


# --- P14, P15: what has ended stays so ----------------------------------------

_ENDED: Final = ("Complete", "Failed")
cleaned_up = evenly(
    *(
        lives(CLEAN, then=(*_RUNNING, ("launcher_says", says), ("settle", _ROUNDS)))
        for says in _ENDED
    )
)


@pytest.mark.rule("B4.3", "B5.5")
@law(cleaned_up, often=("nothing is left",))
def test_what_has_ended_stays_so_with_nothing_left(life: SmallCluster) -> None:
    """P15: a job that has ended is not run again, whatever is left to tell of it."""
    question = life.question
    if life.gone or question.job.status.verdict is None:
        return
    sometimes("nothing is left", when=not life.objects_that_run)
    assert question.plan == ()
    pods = [pod["metadata"] for pod in owned(question, UID)]
    assert all("deletionTimestamp" in metadata for metadata in pods)
    launcher = question.observed.launcher
    ours = launcher is not None and launcher.owner.uid == UID
    assert not ours or launcher is None or launcher.terminating


@st.composite
def strange_clocks(draw: st.DrawFn) -> SmallCluster:
    """Draw a job that ends by another clock than it started by."""
    life = draw(lives(then=(*_RUNNING, ("launcher_says", "Complete"))))
    if (job := life.launcher) is not None:
        job["status"]["completionTime"] = stamp(draw(st.sampled_from([-9000, 0, 900])))
    return life


@pytest.mark.rule("B4.6")
@law(strange_clocks(), often=("it ends",))
def test_no_end_comes_before_its_start(life: SmallCluster) -> None:
    """P27: completionTime is never before startTime, whatever clocks they are from."""
    old, new = life.question.job.status, life.question.answer.status
    if old.verdict is None and sometimes("it ends", when=new.verdict is not None):
        assert new.completion_time is not None
        assert new.start_time is None or new.start_time <= new.completion_time


# --- P26: what is counted -----------------------------------------------------


@st.composite
def counted(draw: st.DrawFn) -> SmallCluster:
    """Draw a job of which a pod has just ended."""
    life = draw(lives(_BACKOFF, then=_RUNNING))
    state = draw(st.sampled_from([{"phase": "Succeeded"}, POD_STATES[11]]))
    life.pod_becomes((draw(which), state))
    return life


@pytest.mark.rule("B4.9")
@law(counted(), which, often=("something was counted",))
def test_what_was_counted_stays_counted(life: SmallCluster, goes: int) -> None:
    """P26: within one start the counts of workers never fall, whatever pods go."""
    for turn in range(_ROUNDS):
        if life.gone:
            return
        old, new = life.question.job.status, life.question.answer.status
        if old.worker and new.worker and old.start_time == new.start_time:
            ended = old.worker.succeeded + old.worker.failed
            sometimes("something was counted", when=ended > 0)
            assert new.worker.succeeded >= old.worker.succeeded
            assert new.worker.failed >= old.worker.failed
        life.reconcile()
        if turn == _ROUNDS // 2:
            life.pod_goes(goes)


@pytest.mark.rule("B4.9", "B6.1")
@law(counted(), often=("it had failed before",))
def test_each_start_counts_its_own_failures(life: SmallCluster) -> None:
    """P30: a job that is resumed starts from no failures, as its startTime says."""
    life.settle(_ROUNDS)
    life.user_edits(SUSPEND[1])
    life.settle(_ROUNDS)
    life.launcher_says("Suspended")
    life.settle(_ROUNDS)
    before = life.question.job.status
    life.user_edits(RESUME[1])
    new = life.question.answer.status
    if before.start_time is not None or new.start_time is None or not new.worker:
        return
    failed = before.worker is not None and before.worker.failed > 0
    sometimes("it had failed before", when=failed)
    assert new.worker.failed == 0


@pytest.mark.rule("B6.1", "B4.9")
@law(
    lives(then=(*_RUNNING, SUSPEND)),
    st.integers(1, 3),
    often=("something is left of it",),
)
def test_a_suspension_runs_to_its_end(life: SmallCluster, turns: int) -> None:
    """P30: a suspension that was written down runs to its end, whatever is asked."""
    for _ in range(turns):
        life.reconcile()
    if life.gone or not life.question.job.status.is_true("Suspended"):
        return
    life.user_edits(RESUME[1])
    question = life.question
    left = question.job.status.start_time is not None and question.answer.stage
    if left in (False, Stage.SUCCEEDED, Stage.FAILED, Stage.NOT_OURS, Stage.DELETED):
        return
    sometimes("something is left of it")
    assert question.answer.status.is_true("Suspended")
    assert not [each for each in question.answer.desired if is_pod(each)]


def is_pod(each: Desired) -> bool:
    """Tell whether pods are to be made by this."""
    return isinstance(each, Create) and each.child in (Child.WORKER, Child.LAUNCHER)


@pytest.mark.rule("B1.7", "B4.9")
@law(lives(then=_RUNNING), often=("pods run",))
def test_losing_the_status_ends_no_job(life: SmallCluster) -> None:
    """Who loses the status of a job with a bad spec loses nothing that runs."""
    life.user_edits(("spec.slotsPerWorker", -1))
    life.manifest["status"] = {}
    question = life.question
    ours = [pod for pod in owned(question, UID) if runs(pod)]
    launcher = question.observed.launcher
    if not ours or (launcher is not None and launcher.conditions):
        return
    if question.answer.stage in (Stage.NOT_OURS, Stage.DELETED):
        return
    sometimes("pods run")
    assert question.answer.status.verdict is None
    assert question.job.run_policy.suspend or question.answer.unwanted == ()


# --- P38: what time alone changes ---------------------------------------------

_AHEAD: Final = (1, 6, 11, 31, 61, 601, 10_000)


def after(question: Question, seconds: float) -> Question:
    """Return the same question, so much later."""
    world = question.world
    now = world.now + timedelta(seconds=seconds)
    return evolve(question, world=World(now, world.settings, world.priority_classes))


_TIMED: Final[tuple[Edit, ...]] = (
    ("spec.runPolicy.activeDeadlineSeconds", 600),
    ("spec.runPolicy.ttlSecondsAfterFinished", 60),
)
_ENDS: Final[tuple[Move, ...]] = (("launcher_says", "Complete"),)
_TERMINATED: Final = {"exitCode": 2, "startedAt": stamp(-2), "finishedAt": stamp(-1)}
_DIED_AT_ONCE: Final[Json] = {
    "phase": "Failed",
    "containerStatuses": [{"name": "mpi", "state": {"terminated": _TERMINATED}}],
}
quiet_lives = evenly(
    moments,
    lives(*_TIMED, then=_RUNNING),
    lives(*_TIMED, then=(*_RUNNING, *_ENDS)),
    which.flatmap(
        lambda n: lives(_BACKOFF, then=(*_RUNNING, ("pod_becomes", (n, _DIED_AT_ONCE))))
    ),
)


@pytest.mark.rule("B8.3", "B5.3", "B5.4", "B5.6")
@law(quiet_lives, often=("time alone changes it", "it never does"))
def test_what_time_alone_changes_is_looked_at_in_time(life: SmallCluster) -> None:
    """P38: at rest, whatever time alone will change is looked at when it does."""
    life.settle(_ROUNDS)
    question = life.question
    if life.gone or question.plan:
        return
    again = question.answer.requeue_after
    due = [s for s in _AHEAD if after(question, s).plan]
    if sometimes("time alone changes it", when=bool(due)):
        assert again is not None
        assert again.total_seconds() <= due[0]
    else:
        sometimes("it never does")
