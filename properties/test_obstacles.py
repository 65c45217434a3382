# SPDX-License-Identifier: Apache-2.0
"""What never gets better: a quota that stays full, a node that stays lost.

Nothing that the operator could do would help. It must come to rest all the same, and
say what is: try again now and then, change nothing, and hide nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

import pytest
from attrs import evolve

import mpijob
from mpijob import Create, Delete, names
from mpijob.job import MPIJob
from mpijob.loose import Manifest
from mpijob.names import Child, Ref
from mpijob.report import UNREPORTED
from mpijob.roster import Roster, roster_of
from mpijob.status import ConditionType
from mpijob_operator.simulation import read
from mpijob_operator.simulation.cluster import (
    Cluster,
    is_over,
    is_terminating,
    owner_uids,
)
from mpijob_operator.simulation.deeds import Deed, placed, status_of
from mpijob_operator.simulation.life import START, Life
from properties import tally
from properties.laws import law, sometimes
from properties.lives import Move, lives
from properties.small_cluster import SmallCluster
from properties.strategies import Question, evenly
from properties.test_simulated_cluster import GANG, HABITS, OBSTACLES, a_job

LOST: Final = "a node that is lost"
UNSCHEDULED: Final = "no node for any worker"
REFUSED: Final = "a policy on Jobs"
# What comes and stays, as a script has it.
LASTING: Final[Mapping[str, str]] = {
    **{obstacle: came for obstacle, (came, _) in OBSTACLES.items()},
    REFUSED: "refuse Job because no",
    LOST: "",
    UNSCHEDULED: "",
}
# From the start on, or when everything runs.
WHEN: Final = ("0s", "8s")
# What else happens, a while later.
THEN: Final = (
    "",
    "at 20s: suspend",
    "at 20s: suspend\nat 40s: resume",
    "at 20s: scale 4",
    "at 20s: scale 1",
    "at 20s: evict worker 1",
    "at 20s: preempt worker 1",
    "at 20s: launcher exits 0",
)
# What must have been so in some case.
STAKES: Final = (
    *("Blocked", "Suspended", "Running", "Succeeded"),
    *("a suspension hangs", "it is refused again"),
)
# By then all has happened; the operator looks again every 300 s at the latest.
SETTLED: Final = 600.0
LATER: Final = 3_600.0


def _where_a_node_is_lost(life: Life) -> None:
    """Let the pod of worker 1 stay for ever once it is asked to go."""
    kubelets, *others = life.programs

    def some(cluster: Cluster) -> list[Deed]:
        return [deed for deed in kubelets(cluster) if not _is_lost(cluster, deed.ref)]

    life.programs = (some, *others)


def _is_lost(cluster: Cluster, ref: Ref) -> bool:
    return ref.name == "pi-worker-1" and is_terminating(cluster.objects[ref])


def life_with(obstacle: str, when: str, then: str) -> Life:
    """Return a life with an obstacle, when it has long been so."""
    came = f"at {when}: {LASTING[obstacle]}\n" if LASTING[obstacle] else ""
    script, errors = read(f"{came}{then}")
    assert not errors
    job = a_job()
    if obstacle == UNSCHEDULED:
        path = "spec.mpiReplicaSpecs.Worker.template.spec.schedulingGates"
        job = placed(job, path, [{"name": "example.com/never"}])
    life = Life(job, evolve(script, habits=HABITS, until=SETTLED), GANG, START)
    if obstacle == LOST:
        _where_a_node_is_lost(life)
    life.play()
    return life


def goes_on(life: Life) -> None:
    """Let an hour pass, in which what is refused is tried again."""
    life.script = evolve(life.script, until=LATER)
    life.memory = evolve(life.memory, fruitless=0)
    life.play()


# --- What is true ---------------------------------------------------------------------


def pods_of(cluster: Cluster, job: MPIJob) -> dict[str, Manifest]:
    """Return the pods of a job that may hold a node, by name."""
    mine = {job.uid, *(v["metadata"]["uid"] for v in ours(cluster, job, "Job"))}
    return {
        ref.name: pod
        for ref, pod in cluster.all("Pod")
        if not is_over(pod) and not mine.isdisjoint(owner_uids(pod))
    }


def ours(cluster: Cluster, job: MPIJob, kind: str) -> list[Manifest]:
    return [v for _, v in cluster.all(kind) if job.uid in owner_uids(v)]


def missing(cluster: Cluster, job: MPIJob) -> set[str]:
    """Return the kinds of which something is wanted that is not there, or not ours."""
    status, there = job.status, set(pods_of(cluster, job))
    if status.verdict is not None:
        return set()
    wanted = ["Service", "ConfigMap", "Secret"]
    if not status.is_true(ConditionType.SUSPENDED):
        wanted += ["PodGroup", "Job"]
        if {names.worker(job, index) for index in range(job.workers)} - there:
            return {"Pod", *(k for k in wanted if not ours(cluster, job, k))}
    return {kind for kind in wanted if not ours(cluster, job, kind)}


def hangs(cluster: Cluster) -> bool:
    """Tell whether a pod is on its way out that never goes."""
    return any(is_terminating(pod) for _, pod in cluster.all("Pod"))


def runs(pod: Manifest) -> bool:
    return status_of(pod).get("phase") == "Running" and not is_terminating(pod)


# --- The law --------------------------------------------------------------------------


def wrongs(cluster: Cluster, job: MPIJob) -> Iterator[str]:
    """Yield what the status says that is not so, or does not say."""
    status, pods = job.status, pods_of(cluster, job)
    launchers = {name for name in pods if "-launcher-" in name}
    told = [r.active if r else 0 for r in (status.launcher, status.worker)]
    real = [len(launchers), len(pods.keys() - launchers)]
    suspended = status.is_true(ConditionType.SUSPENDED)
    over = suspended or status.verdict is not None
    short = any(t < r for t, r in zip(told, real, strict=True))
    if short or (over and told != real):
        yield f"active is {told}, and there are {real}"
    if suspended != job.run_policy.suspend and not (suspended and hangs(cluster)):
        yield f"Suspended is {suspended}"
    blocked = status.is_true(ConditionType.BLOCKED)
    if blocked != bool(missing(cluster, job)):
        yield f"Blocked is {blocked}, missing is {missing(cluster, job)}"
    workers = [pods.get(names.worker(job, index)) for index in range(job.workers)]
    whole = bool(launchers) and all(pod is not None and runs(pod) for pod in workers)
    if (running := status.is_true(ConditionType.RUNNING)) != (whole and not over):
        yield f"Running is {running}"


@pytest.mark.rule("B8.1", "B4.1", "B4.2", "B4.5", "B6.1")
def test_an_obstacle_that_stays_is_told_and_borne() -> None:
    """P28: where something stays broken for ever, it rests, and the status is true."""
    said = Counter[str]()
    cases = [*product(LASTING, WHEN, THEN)]
    for case in cases:
        life = life_with(*case)
        cluster, revision = life.cluster, life.cluster.revision
        job, tried = mpijob.decode(cluster.objects[life.job]), len(life.entries)
        assert not [*wrongs(cluster, job)], case
        goes_on(life)
        assert cluster.revision == revision, f"it changes something for ever: {case}"
        said.update(c.type for c in job.status.conditions if c.status == "True")
        said["a suspension hangs"] += hangs(cluster) and job.status.verdict is None
        said["it is refused again"] += len(life.entries) > tried
    tally.keep(examples=len(cases), stakes=said)
    assert all(said[stake] for stake in STAKES), said


# --- A launcher that was left -------------------------------------------------

_LEFT: Final[tuple[Move, ...]] = (
    ("settle", 8),
    ("all_pods_run", 0),
    ("settle", 8),
    ("launcher_is_orphaned", 0),
)
_SUSPENDS: Final[Move] = ("user_edits", ("spec.runPolicy.suspend", True))
left = evenly(*(lives(then=(*_LEFT, *more)) for more in ((), (_SUSPENDS,))))


@pytest.mark.rule("B5.2", "B8.1")
@law(left, often=("it is told of", "it is suspended"))
def test_a_launcher_whose_job_is_gone_has_no_other_beside_it(
    life: SmallCluster,
) -> None:
    """P26: a launcher that was left counts, is told of, and is nobody's to delete."""
    question, roster = life.question, _roster(life.question)
    if not roster.orphans or question.answer.stage in UNREPORTED:
        return
    names_left = {pod.name for pod in roster.orphans}
    for step in question.plan:
        for action in step:
            made = isinstance(action, Create) and action.child is Child.LAUNCHER
            gone = isinstance(action, Delete) and action.ref.name in names_left
            assert not made
            assert not gone
    status = question.answer.status
    launcher = status.launcher
    assert launcher is not None
    assert launcher.active >= len(names_left)
    sometimes("it is suspended", when=question.job.run_policy.suspend)
    if sometimes("it is told of", when=status.verdict is None):
        assert status.is_true("Blocked")


def _roster(question: Question) -> Roster:
    return roster_of(question.job, question.observed)
