# SPDX-License-Identifier: Apache-2.0
"""Laws of whole lives: where a job comes to rest, whatever way it came there.

The cluster is the simulated one, which drives the shipped core and executor. Its pods
run until they are stopped, so that a job comes to rest while it runs.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import strategies as st

import mpijob
from mpijob import Settings, names
from mpijob.loose import Manifest, mapping
from mpijob.names import Ref
from mpijob_operator.executor import Answer, Call, Execution
from mpijob_operator.observe import observe
from mpijob_operator.requests import ref_of, request_of
from mpijob_operator.simulation import Script, Surroundings, read, users
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.deeds import placed
from mpijob_operator.simulation.life import START, Life
from mpijob_operator.simulation.nodes import Habits
from mpijob_operator.simulation.operator import decide
from mpijob_operator.simulation.script import Line
from properties.laws import law, sometimes

GANG = Surroundings(Settings(gang_scheduler="volcano"))
HABITS = Habits(start_seconds=(1.0, 1.0), launcher_seconds=None)

_POLICY = ("spec", "runPolicy")
_WORKER = ("spec", "mpiReplicaSpecs", "Worker")


@frozen
class Edit:
    """One field set, so long after the edit before."""

    after: float
    path: tuple[str | int, ...]
    value: object


def container(image: str) -> Manifest:
    return {"name": "mpi", "image": image}


# Fields that may change at any time, each with some values for it.
FOLLOWED: Mapping[tuple[str | int, ...], tuple[object, ...]] = {
    (*_WORKER, "replicas"): (1, 2, 3, 4),
    (*_POLICY, "schedulingPolicy"): ({}, {"queue": "a"}, {"minAvailable": 1}),
}
# Fields that pods follow when they are made anew.
STARTED_WITH: Mapping[tuple[str | int, ...], tuple[object, ...]] = {
    **FOLLOWED,
    (*_WORKER, "template", "spec", "containers"): ([container("a")], [container("b")]),
    (*_POLICY, "suspend"): (True, False),
    (*_POLICY, "backoffLimit"): (0, 3),
    ("spec", "slotsPerWorker"): (1, 4),
    ("spec", "mpiImplementation"): ("Intel", "MPICH", "OpenMPI"),
    ("spec", "runLauncherAsWorker"): (True, False),
}
# What a job cannot run with; it could before and will be able to again.
IMPOSSIBLE: Mapping[tuple[str | int, ...], tuple[object, ...]] = {
    (*_WORKER, "replicas"): (0, -1),
    ("spec", "slotsPerWorker"): (-1,),
    ("spec", "sshAuthMountPath"): ("relative", "/etc/mpi"),
    (*_WORKER, "template", "spec", "containers"): ([],),
}

# From quicker than the operator looks to longer than anything takes.
GAPS = st.sampled_from((0.0, 0.05, 0.3, 1.5, 4.0, 60.0))


def edits(
    fields: Mapping[tuple[str | int, ...], tuple[object, ...]],
) -> st.SearchStrategy[Edit]:
    every = [
        Edit(0.0, path, value) for path, values in fields.items() for value in values
    ]
    return st.tuples(GAPS, st.sampled_from(every)).map(_after)


def _after(drawn: tuple[float, Edit]) -> Edit:
    gap, edit = drawn
    return evolve(edit, after=gap)


def walks(
    fields: Mapping[tuple[str | int, ...], tuple[object, ...]],
) -> st.SearchStrategy[list[Edit]]:
    return st.lists(edits(fields), min_size=1, max_size=5)


def a_job() -> Manifest:
    template = {"spec": {"containers": [container("a")]}}
    roles = {
        "Launcher": {"template": template},
        "Worker": {"replicas": 2, "template": template},
    }
    spec = {
        "mpiReplicaSpecs": roles,
        "slotsPerWorker": 1,
        "sshAuthMountPath": "/root/.ssh",
        "runPolicy": {},
    }
    return {"metadata": {"name": "pi", "namespace": "hpc"}, "spec": spec}


def script_of(walk: list[Edit]) -> Script:
    """Return a walk as a script; times are counted on from the edit before."""
    lines, at = list[Line](), 0.0
    for edit in walk:
        at += edit.after
        deed = partial(users.edit, path=edit.path, value=edit.value)
        lines.append(Line("", at, "", deed))
    return Script(HABITS, tuple(lines))


def played(life: Life) -> Life:
    timeline = life.play()
    assert timeline.end == "Nothing more happens."
    return life


def rest(walk: list[Edit], job: Manifest | None = None) -> Life:
    """Return where a job comes to rest after a walk of edits."""
    life = Life(job or a_job(), script_of(walk), GANG, START)
    life.cluster.has_our_crd = False  # It would refuse what is impossible.
    return played(life)


def edited(walk: list[Edit]) -> Manifest:
    """Return the job as the walk leaves it, before it is in a cluster."""
    life = Life(a_job(), Script(), GANG, START)
    for line in script_of(walk).lines:
        line.deed(life.cluster, life.job)
    return {**a_job(), "spec": life.cluster.objects[life.job]["spec"]}


# --- What two clusters have in common -------------------------------------------------

_OURS = (names.OPERATOR_NAME_LABEL, names.JOB_NAME_LABEL, names.JOB_ROLE_LABEL)


def resting(life: Life) -> dict[str, Any]:
    """Return what a cluster holds, but for what chance and the clock put into it."""
    return dict(_resting(life))


def _resting(life: Life) -> Iterator[tuple[str, Any]]:
    for ref, value in life.cluster.objects.items():
        metadata = value["metadata"]
        # A launcher's pod: which one is chance.
        name = metadata.get("generateName", ref.name)
        annotations = dict(mapping(metadata.get("annotations")))
        labels = {
            key: label
            for key, label in mapping(metadata.get("labels")).items()
            if not key.startswith("batch.kubernetes.io/")
        }
        spec = {k: v for k, v in mapping(value.get("spec")).items() if k != "nodeName"}
        held = {"labels": labels, "annotations": annotations, "spec": spec}
        yield f"{ref.kind} {name}", {**held, "data": value.get("data")}
        if ref.kind == "MPIJob":
            yield "status", _told(value)


def _told(job: Manifest) -> dict[str, Any]:
    status = mapping(job.get("status"))
    true = {c["type"] for c in status.get("conditions", ()) if c["status"] == "True"}
    return {
        "true": true,
        "counts": status.get("replicaStatuses"),
        "started": "startTime" in status,
    }


# --- The laws -------------------------------------------------------------------------


@pytest.mark.rule("B5.7", "B5.9", "B7.5", "B8.3")
@law(walks(FOLLOWED), often=("more than one edit", "an edit in mid-start"))
def test_what_is_followed_at_once_ends_the_same_by_any_way(walk: list[Edit]) -> None:
    """P5: after any walk of edits a job rests where its last spec alone would."""
    sometimes("more than one edit", when=len(walk) > 1)
    sometimes("an edit in mid-start", when=0 < sum(e.after for e in walk) < 2)
    assert resting(rest(walk)) == resting(rest([], edited(walk)))


@pytest.mark.rule("B6.1", "B5.9")
@law(walks(STARTED_WITH), often=("a suspension on the way", "a rest in mid-walk"))
def test_a_suspension_makes_up_for_any_way(walk: list[Edit]) -> None:
    """P30: suspended and resumed, a job is what its spec says, whatever it was."""
    stops = [e for e in walk if e.path[-1] == "suspend" and e.value is True]
    sometimes("a suspension on the way", when=bool(stops))
    sometimes("a rest in mid-walk", when=any(e.after > 10 for e in walk))
    suspend = (*_POLICY, "suspend")
    anew = [Edit(60.0, suspend, True), Edit(60.0, suspend, False)]  # noqa: FBT003 - values.
    whole = [*walk, *anew]
    assert resting(rest(whole)) == resting(rest([], edited(whole)))


@pytest.mark.rule("B1.7")
@law(edits(IMPOSSIBLE), GAPS, often=("a long trouble", "a short one"))
def test_mending_a_spec_recovers(trouble: Edit, gap: float) -> None:
    """P6: a spec made impossible after the start and mended again leaves no trace."""
    sometimes("a long trouble" if gap > 10 else "a short one")
    mended = Edit(gap, trouble.path, _value_at(a_job(), trouble.path))
    walk = [evolve(trouble, after=10.0), mended]
    assert resting(rest(walk)) == resting(rest([]))


def _value_at(value: Any, path: tuple[str | int, ...]) -> object:  # noqa: ANN401 - JSON.
    for key in path:
        value = value.get(key)
    return value


OBSTACLES = {
    "a foreign Service": ("occupy Service pi", "vacate Service pi"),
    "a foreign ConfigMap": ("occupy ConfigMap pi-config", "vacate ConfigMap pi-config"),
    "a foreign worker": ("occupy Pod pi-worker-1", "vacate Pod pi-worker-1"),
    "a foreign launcher": ("occupy Job pi-launcher", "vacate Job pi-launcher"),
    "a quota": ("refuse Pod because exceeded quota: small", "admit Pod"),
    "a policy": ("refuse Service because no", "admit Service"),
}


@pytest.mark.rule("B8.1", "B4.1")
@law(
    st.sampled_from(sorted(OBSTACLES)),
    st.sampled_from((0.3, 4.0, 90.0)),
    often=tuple(OBSTACLES),
)
def test_an_obstacle_that_goes_leaves_no_trace(obstacle: str, gap: float) -> None:
    """P6: once gone, what held the job back from outside leaves no trace."""
    sometimes(obstacle)
    came, went = OBSTACLES[obstacle]
    script, errors = read(f"at 0s: {came}\nat {gap}s: {went}")
    assert not errors
    life = played(Life(a_job(), evolve(script, habits=HABITS), GANG, START))
    assert resting(life) == resting(rest([]))


# --- What is whose, and when to look again --------------------------------------------


def _labels_all(cluster: Cluster, _: Ref) -> str:
    """Put a label of somebody else's on everything that there is."""
    for ref, value in [*cluster.objects.items()]:
        cluster.update(ref, placed(value, "metadata.labels", {**_of(value), **TEAM}))
    return "labels everything"


def _of(value: Manifest) -> Manifest:
    return mapping(value["metadata"].get("labels"))


TEAM: Mapping[str, str] = {"team": "a"}


@pytest.mark.rule("B8.7", "B6.2")
@law(walks(FOLLOWED), often=("an apply", "a label of somebody else's"))
def test_at_rest_we_own_what_we_apply(walk: list[Edit]) -> None:
    """P32: at rest we own what we apply and no more; what others put there stays."""
    script = script_of(walk)
    lines = _in_order(Line("", 6.0, "", _labels_all), *script.lines)
    life = played(Life(a_job(), evolve(script, lines=lines), GANG, START))
    cluster, job = life.cluster, mpijob.decode(life.cluster.objects[life.job])
    world = GANG.world(cluster.time)
    seen = observe(cluster.objects.values(), job)
    for wanted in mpijob.reconcile(job, seen, world).desired:
        if isinstance(wanted, mpijob.Apply):
            ref = ref_of(wanted.manifest)
            before, owners = cluster.objects[ref], cluster.owners[ref]
            assert cluster.answer(request_of(job, wanted)).code == 200
            assert (cluster.objects[ref], cluster.owners[ref]) == (before, owners)
            sometimes("an apply")
            if sometimes("a label of somebody else's", when=sum(_gaps(walk)) > 6):
                assert TEAM.items() <= _of(before).items()


def _in_order(*lines: Line) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: line.after))


def _gaps(walk: list[Edit]) -> list[float]:
    return [edit.after for edit in walk]


@pytest.mark.rule("B4.4", "B5.4", "B5.6")
@law(
    walks(STARTED_WITH),
    st.sampled_from(("exits 0", "exits 3", "runs forever")),
    st.sampled_from(
        ({}, {"activeDeadlineSeconds": 90}, {"ttlSecondsAfterFinished": 9})
    ),
    often=("a job that is there", "a job that is gone"),
)
def test_at_rest_no_look_is_due(walk: list[Edit], end: str, policy: Manifest) -> None:
    """P38: at rest, which only a change or a timer of our own ends, nothing is due."""
    ending = "" if "runs" in end else f"at 80s: launcher {end}"
    script, errors = read(ending)
    assert not errors
    lines = _in_order(*script_of(walk).lines, *script.lines)
    manifest = {**a_job(), "spec": {**a_job()["spec"], "runPolicy": policy}}
    whole = evolve(script, habits=HABITS, lines=lines)
    life = played(Life(manifest, whole, GANG, START))
    if sometimes("a job that is gone", when=life.job not in life.cluster.objects):
        return
    sometimes("a job that is there")
    for years in (0, 10):
        life.cluster.now += years * 365 * 86_400
        decision = decide(life.cluster, life.job, GANG)
        assert not decision.execution.ready(), decision.answer


# --- A crash anywhere -----------------------------------------------------------------


class CrashingLife(Life):
    """A life in which the operator dies once, so many requests after the start."""

    requests = 0
    crash_after = -1

    def carried_out(
        self, execution: Execution
    ) -> Iterator[tuple[Call, Answer, Execution]]:
        if self.requests == self.crash_after:
            self._restart()
            return
        for call, answer, reached in super().carried_out(execution):
            self.requests += 1
            yield call, answer, reached
            if self.requests == self.crash_after:
                self._restart()
                return

    def _restart(self) -> None:
        """Forget all that a process remembers, and look again in a moment."""
        self.crash_after, self.refusals = -1, ()
        self.cluster.revision += 1  # A new process looks at everything.


STORIES = {
    "a usual life": "launcher runs 10s",
    "a failed worker": "at 8s: fail worker 0 with 3\nat 40s: launcher exits 0",
    "an eviction": "at 8s: evict worker 1\nat 40s: launcher exits 0",
    "suspend and resume": "at 8s: suspend\nat 30s: resume\nat 60s: launcher exits 0",
    "up and down": "at 8s: scale 4\nat 20s: scale 1\nat 60s: launcher exits 0",
    "a failure": "at 8s: launcher exits 3",
}
POLICY = {"backoffLimit": 0, "cleanPodPolicy": "All", "ttlSecondsAfterFinished": 300}


def crashing(story: str, crash_after: int) -> CrashingLife:
    forever = "" if "launcher runs" in story else "launcher runs forever\n"
    script, errors = read(f"pods start in 1s\nuntil 200s\n{forever}{story}")
    assert not errors
    job = a_job()
    spec = {**job["spec"], "runPolicy": {**POLICY, "backoffLimit": 3}}
    life = CrashingLife({**job, "spec": spec}, script, GANG, START)
    life.crash_after = crash_after
    life.play()
    return life


@pytest.mark.rule("B8.3")
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_crash_after_any_request_changes_nothing(story: str) -> None:
    """P20, P37: the same end, and no object made twice, wherever the operator dies."""
    whole = crashing(story, -1)
    assert whole.requests > 10
    for crash_after in range(whole.requests):
        life = crashing(story, crash_after)
        assert resting(life) == resting(whole), crash_after
        assert life.cluster.serial == whole.cluster.serial, crash_after
