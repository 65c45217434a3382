# SPDX-License-Identifier: Apache-2.0
"""Laws of the cluster in memory: what Kubernetes promises of any object and any Job.

That the model does what a real one does is for `make lockstep` and `make traces` to
show; what both promise is shown here, of courses in which a Job and its pods are made,
edited, deleted and requested in any way and in any order.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest
from attrs import frozen
from hypothesis import strategies as st

from mpijob.loose import Manifest, mappings
from mpijob.names import Ref
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb
from mpijob_operator.simulation import nodes
from mpijob_operator.simulation.cluster import (
    Cluster,
    Snapshot,
    is_over,
    is_terminating,
    owner_uids,
)
from mpijob_operator.simulation.deeds import finalizers_of, is_true, placed, spec_of
from mpijob_operator.simulation.deletion import FOREGROUND, ORPHAN
from mpijob_operator.simulation.garbage_collector import collector
from mpijob_operator.simulation.job_controller import job_controller
from mpijob_operator.simulation.life import START
from properties.laws import law, sometimes

JOB: Final = Ref("batch/v1", "Job", "hpc", "pi-launcher")
HABITS: Final = nodes.Habits(start_seconds=(1.0, 1.0), launcher_seconds=None)
# Longer than anything waits.
LATER_S: Final = 1000.0
POLICIES: Final = ("Foreground", "Background", "Orphan")
DONE: Final = 300


def a_job() -> Manifest:
    spec = {"containers": [{"name": "mpi", "image": "a"}], "restartPolicy": "Never"}
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {"name": JOB.name, "namespace": JOB.namespace},
        "spec": {
            "backoffLimit": 1,
            "activeDeadlineSeconds": 100,
            "template": {"spec": spec},
        },
    }


@frozen
class Step:
    """What happened, and the cluster before and after."""

    what: str
    before: Snapshot
    after: Snapshot
    answer: Answer | None = None


class Course:
    """A cluster with one Job, and all that happened in it."""

    def __init__(self) -> None:
        self.cluster = Cluster(START)
        self.cluster.create(a_job())
        self.steps: list[Step] = []

    def __repr__(self) -> str:
        """Return what a failing law should show."""
        return f"Course({', '.join(step.what for step in self.steps)})"

    def goes_on(self, which: int) -> None:
        """Let one of the programs do what it can do, now or later."""
        cluster = self.cluster
        deeds = job_controller(cluster) + collector(cluster)
        deeds += nodes.nodes(HABITS, cluster)
        if deeds:
            deed = deeds[which % len(deeds)]
            cluster.now = max(cluster.now, deed.at)
            what = deed.what or f"{deed.who} sees to {deed.ref.name}"
            self._step(what, lambda: deed.perform(cluster))

    def is_edited(self, which: int) -> None:
        """Let a user change the Job."""
        if (job := self.cluster.objects.get(JOB)) is not None:
            after = placed(job, "spec.suspend", which % 2 > 0)
            self._step("an edit", lambda: self.cluster.update(JOB, after))

    def ends(self, which: int) -> None:
        """Let the program of a pod end."""
        pods = [
            r
            for r, pod in self.cluster.all("Pod")
            if not is_over(pod) and spec_of(pod).get("nodeName")
        ]
        if pods:
            ref, code = pods[which % len(pods)], which % 2
            exits = partial(nodes.exit_with, self.cluster, ref=ref, code=code)
            self._step(f"a pod exits with {code}", exits)

    def is_deleted(self, which: int) -> None:
        """Let somebody delete the Job or a pod."""
        refs = sorted(self.cluster.objects)
        if refs:
            ref = refs[which % len(refs)]
            policy = POLICIES[which % len(POLICIES)] if ref == JOB else ""
            what = f"{ref.kind} is deleted, {policy}"
            self._step(what, lambda: self.cluster.delete(ref, policy))

    def is_asked(self, which: int) -> None:
        """Let a client ask for something, with a guard that may be wrong."""
        request = self._request(which)
        before = self.cluster.snapshot()
        answer = self.cluster.answer(request)
        what = f"{request.verb} of {request.ref.kind}: {answer.code}"
        self.steps.append(Step(what, before, self.cluster.snapshot(), answer))

    def _request(self, which: int) -> Request:
        job = self.cluster.objects.get(JOB)
        uid = "u" if job is None else job["metadata"]["uid"]
        guard = ({"uid": "u"}, {"uid": uid}, {"resourceVersion": "1"})[which % 3]
        verb = (Verb.CREATE, Verb.APPLY, Verb.DELETE)[which // 3]
        body: dict[str, Any] = {**a_job()}
        force = "true" if which % 2 else "false"
        query = {"fieldManager": f"m{which % 2}", "force": force}
        if verb is Verb.APPLY:
            body["metadata"] = {**body["metadata"], **guard}
            body["spec"] = {**body["spec"], "backoffLimit": which}
        elif verb is Verb.DELETE:
            body = {"preconditions": guard, "propagationPolicy": "Foreground"}
        return Request(verb, JOB, body, query=query)

    def _step(self, what: str, happens: Callable[[], None]) -> None:
        before = self.cluster.snapshot()
        self.cluster.now += 0.5
        happens()
        self.steps.append(Step(what, before, self.cluster.snapshot()))


_MOVES: Final = st.tuples(
    st.sampled_from(
        ["goes_on"] * 14 + ["is_edited", "ends", "is_deleted", "is_asked", "is_asked"]
    ),
    st.integers(0, 8),
)


def _played(moves: list[tuple[str, int]]) -> Course:
    course = Course()
    for name, which in moves:
        getattr(course, name)(which)
    return course


courses = st.lists(_MOVES, min_size=30, max_size=60).map(_played)


@pytest.mark.rule("B8.2")
@law(courses, often=("409", "422"))
def test_what_is_refused_changes_nothing(course: Course) -> None:
    """A request that the API server in memory refuses leaves all as it was."""
    for step in course.steps:
        if step.answer is not None and step.answer.code >= DONE:
            sometimes(str(step.answer.code))
            assert step.after.objects == step.before.objects
            assert step.after.owners == step.before.owners


@law(courses, often=("a taken name",))
def test_a_name_is_given_once(course: Course) -> None:
    """What has a name keeps it: nothing is made in its place."""
    for step in course.steps:
        old, new = step.before.objects.get(JOB), step.after.objects.get(JOB)
        sometimes("a taken name", when=step.what.startswith("POST") and old is not None)
        if old is not None and new is not None:
            assert old["metadata"]["uid"] == new["metadata"]["uid"]


@law(courses, often=("an edit", "a write that is none"))
def test_each_write_is_a_version_and_each_edit_a_generation(course: Course) -> None:
    """A version is newer than all before it; generation counts what was asked."""
    for step in course.steps:
        for ref, new in step.after.objects.items():
            old = step.before.objects.get(ref)
            if old is None or old is new:
                continue
            was, is_ = old["metadata"], new["metadata"]
            assert int(is_["resourceVersion"]) > step.before.revision
            edited = _asked_for(old) != _asked_for(new)
            going = is_terminating(new) and not is_terminating(old)
            sometimes("an edit" if edited else "a write that is none")
            assert is_["generation"] == was["generation"] + edited + going


def _asked_for(value: Manifest) -> Manifest:
    return {k: v for k, v in spec_of(value).items() if k != "nodeName"}


@law(courses, often=("it is held", "it goes"))
def test_what_is_held_stays(course: Course) -> None:
    """An object goes once it is deleted and nothing holds it, and not before."""
    for step in course.steps:
        for ref, old in step.before.objects.items():
            held = finalizers_of(old)
            # What was said of its dependents may be said otherwise.
            fast = {*held} - {FOREGROUND, ORPHAN} and "deleted" in step.what
            if sometimes("it is held", when=bool(fast)):
                assert ref in step.after.objects
            if ref not in step.after.objects and sometimes("it goes"):
                assert len(held) <= 1, f"{ref.name} was held by {held}"


@law(courses, often=("it goes",))
def test_a_job_goes_after_its_pods(course: Course) -> None:
    """Deleted in the foreground, a Job is there until its pods are gone.

    Unless it is deleted once more, in another way: the last policy is what counts.
    """
    for step in course.steps:
        old = step.before.objects.get(JOB)
        gone = old is not None and JOB not in step.after.objects
        if old is None or not gone or FOREGROUND not in finalizers_of(old):
            continue
        if step.what in ("Job is deleted, Background", "Job is deleted, Orphan"):
            continue
        sometimes("it goes")
        assert not _dependents(step.before, old["metadata"]["uid"])


def _dependents(world: Snapshot, uid: str) -> list[str]:
    return [
        ref.name
        for ref, value in world.objects.items()
        for owner in mappings(value["metadata"].get("ownerReferences"))
        if owner["uid"] == uid and owner["blockOwnerDeletion"]
    ]


@law(courses, often=("Complete", "Failed"))
def test_a_job_that_has_ended_has_no_pod_that_runs(course: Course) -> None:
    """A Job says that it has ended once none of its pods runs, or will."""
    for step in course.steps:
        job = step.after.objects.get(JOB)
        ends = [end for end in ("Complete", "Failed") if job and is_true(job, end)]
        if job is None or not ends:
            continue
        sometimes(ends[0])
        pods = [
            pod
            for pod in step.after.objects.values()
            if job["metadata"]["uid"] in owner_uids(pod)
        ]
        assert all(map(is_over, pods))
