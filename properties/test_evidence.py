# SPDX-License-Identifier: Apache-2.0
"""Laws of what may be concluded from what was seen, and when to look again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
from attrs import evolve
from hypothesis import strategies as st

from mpijob import World, names
from mpijob.loose import mapping, mappings
from mpijob.names import Child
from mpijob.stage import Stage
from properties.laws import law, sometimes
from properties.lives import Move, any_view, lives, moments, seen
from properties.sights import POD_STATES
from properties.small_cluster import SmallCluster
from properties.strategies import UID, Edit, Json, Question, evenly

_ROUNDS: Final = 8

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
    ("spec.mpiReplicaSpecs.Worker.restartPolicy", "ExitCode"),
)


@st.composite
def certain_results(draw: st.DrawFn) -> SmallCluster:
    """Draw a job whose launcher's result is certain, and past every limit."""
    life = draw(lives(*_LIMITS, then=_RUNNING))
    workers = [
        index
        for index, pod in enumerate(life.pods)
        if names.worker_index(life.question.job, pod["metadata"]["name"]) is not None
    ]
    if workers:
        life.pod_becomes((draw(st.sampled_from(workers)), POD_STATES[11]))
        life.reconcile(1)  # The failure is numbered.
    life.launcher_says(draw(st.sampled_from(["SuccessCriteriaMet", "FailureTarget"])))
    life.time_passes(draw(st.sampled_from([0, 99])))
    return life


@pytest.mark.rule("B5.2", "B5.4")
@law(certain_results(), often=("the launcher's result is certain",))
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
    evenly(any_view, seen(certain_results()), seen(moments)),
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
quiet_lives = evenly(
    moments,
    lives(*_TIMED, then=_RUNNING),
    lives(*_TIMED, then=(*_RUNNING, *_ENDS)),
    which.flatmap(
        lambda n: lives(then=(*_RUNNING, ("pod_becomes", (n, POD_STATES[14]))))
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
