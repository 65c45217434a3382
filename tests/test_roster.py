# SPDX-License-Identifier: Apache-2.0
"""Who is who: a uid makes a child, a name or a label makes a neighbour."""

import pytest
from attrs import evolve

from mpijob import names
from mpijob.job import Role
from mpijob.names import Child
from mpijob.observed import NOBODY, Owner, Pod
from mpijob.roster import Roster, roster_of
from tests.builders import (
    THEIRS,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_thing,
    a_worker,
    at,
    cases,
    seen,
)

BORN = a_job(metadata={"creationTimestamp": "2030-01-01T12:00:00Z"})


def roster(*found: Sighting) -> Roster:
    return roster_of(BORN, seen(*found))


@pytest.mark.rule("B8.1")
def test_what_we_control_is_ours_and_the_rest_is_not() -> None:
    ours = [a_thing(kind) for kind in ("Service", "ConfigMap", "Secret", "PodGroup")]
    workers = [a_worker(10), a_worker(2), a_worker(0, owner=THEIRS)]
    found = roster(*ours, *workers, a_launcher(), a_launcher_pod())
    assert found == Roster(
        workers={2: a_worker(2), 10: a_worker(10)},
        staying={},
        failed=(),
        numbered=0,
        strays=(),
        taken=frozenset((0,)),
        launchers=(a_launcher_pod(),),
        launcher=a_launcher(),
        things=tuple(ours),
        foreign=(),
    )
    assert list(found.workers) == [2, 10]
    assert found.groups == (ours[3],)
    assert found.pods == (a_worker(2), a_worker(10), a_launcher_pod())


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize("owner", [THEIRS, NOBODY, Owner("MPIJob", "pi", "former")])
def test_what_somebody_else_controls_has_only_our_name(owner: Owner) -> None:
    kinds = ("Service", "ConfigMap", "Secret", "PodGroup", "Workload")
    things = [a_thing(kind, owner=owner) for kind in kinds]
    found = roster(*things, a_launcher(owner=owner), a_worker(3, owner=owner))
    assert found == Roster(
        workers={},
        staying={},
        failed=(),
        numbered=0,
        strays=(),
        taken=frozenset((3,)),
        launchers=(),
        launcher=None,
        things=(),
        foreign=(
            (Child.SERVICE, "pi", "v1"),
            (Child.CONFIG_MAP, "pi-config", "v1"),
            (Child.SECRET, "pi-ssh", "v1"),
            (Child.POD_GROUP, "pi", "scheduling.volcano.sh/v1beta1"),
            (Child.WORKLOAD, "pi", "scheduling.k8s.io/v1beta1"),
            (Child.LAUNCHER, "pi-launcher", ""),
        ),
    )


def test_a_job_in_no_cluster_controls_nothing() -> None:
    job = evolve(BORN, uid="")
    found = roster_of(job, seen(a_worker(0, owner=NOBODY), a_launcher(owner=NOBODY)))
    assert (found.workers, found.launcher) == ({}, None)


JOB = Owner("Job", "pi-launcher", "launcher")
FORMER = Owner("Job", "pi-launcher", "former")


@pytest.mark.rule("B5.2", "B6.1")
@cases("pod, job_is_there, ours", {
    "of this Job": (a_launcher_pod(), True, True),
    "of this Job, old clock": (a_launcher_pod(created=at(-9)), True, True),
    "of a Job before": (a_launcher_pod(owner=FORMER), True, True),
    "of a Job that is gone": (a_launcher_pod(), False, True),
    "as old as the MPIJob": (a_launcher_pod(created=at(0)), False, True),
    "older than the MPIJob": (a_launcher_pod(created=at(-1)), False, False),
    "of another kind": (a_launcher_pod(owner=THEIRS), True, False),
    "of another Job": (a_launcher_pod(owner=Owner("Job", "other", "launcher")), True,
        False),
    "of no Job": (a_launcher_pod(owner=Owner("Pod", "pi-launcher", "launcher")), True,
        False),
})  # fmt: skip
def test_a_launcher_pod_is_known_by_its_job(
    pod: Pod, *, job_is_there: bool, ours: bool
) -> None:
    found = roster(pod, *([a_launcher()] if job_is_there else []))
    assert found.launchers == ((pod,) if ours else ())


LEFT = names.pod_labels(BORN, Role.LAUNCHER)


@pytest.mark.rule("B5.2", "B8.1")
@cases("pod, ours", {
    "it runs": (a_launcher_pod(owner=NOBODY, labels=LEFT), True),
    "beside a new Job": (a_launcher_pod(owner=NOBODY, labels=LEFT, uid="x"), True),
    "it ended": (a_launcher_pod("Failed", owner=NOBODY, labels=LEFT), False),
    "a worker": (a_launcher_pod(owner=NOBODY,
        labels=names.pod_labels(BORN, Role.WORKER)), False),
    "without labels": (a_launcher_pod(owner=NOBODY), False),
    "older than the MPIJob": (a_launcher_pod(owner=NOBODY, labels=LEFT,
        created=at(-1)), False),
    "somebody else's": (a_launcher_pod(owner=THEIRS, labels=LEFT), False),
})  # fmt: skip
def test_a_launcher_that_was_left_by_its_job_is_known_by_its_labels(
    pod: Pod, *, ours: bool
) -> None:
    found = roster(pod)
    assert found.launchers == found.orphans == ((pod,) if ours else ())


def test_the_pods_of_a_foreign_job_are_not_ours() -> None:
    assert roster(a_launcher_pod(), a_launcher(owner=THEIRS)).launchers == ()


@pytest.mark.rule("B8.4")
def test_a_pod_of_ours_without_an_index_is_a_stray() -> None:
    stray = a_worker(0)._replace(name="pi-worker-00")
    other = a_worker(0)._replace(name="extra")
    found = roster(stray, other, a_worker(1))
    assert found.strays == (other, stray)
    assert found.pods == (a_worker(1), other, stray)


@pytest.mark.rule("B4.5")
def test_of_two_pods_with_one_name_one_counts() -> None:
    for first, last in (("a", "b"), ("b", "a")):
        pods = [a_worker(0, uid=first), a_worker(0, uid=last)]
        heads = [a_launcher_pod(uid=first), a_launcher_pod(uid=last)]
        found = roster(*pods, *heads)
        assert [pod.uid for pod in found.pods] == ["a", "a"]


def test_a_name_that_we_have_is_not_taken() -> None:
    assert roster(a_worker(0), a_worker(0, owner=THEIRS)).taken == frozenset()


@pytest.mark.rule("B6.1")
@pytest.mark.parametrize(("found", "empty"), [
    ((), True),
    ((a_thing("Service"), a_thing("PodGroup")), True),
    ((a_worker(0, owner=THEIRS),), True),
    ((a_worker(0, "Succeeded"),), False),
    ((a_worker(0)._replace(name="x"),), False),
    ((a_launcher("Complete"),), False),
    ((a_launcher_pod("Failed"),), False),
])  # fmt: skip
def test_nothing_is_left_when_no_pod_and_no_launcher_is(
    found: tuple[Sighting, ...], *, empty: bool
) -> None:
    assert roster(*found).empty is empty
