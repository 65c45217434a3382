# SPDX-License-Identifier: Apache-2.0
"""What stands in a job's way, in the order of its weight, and what it holds back."""

import pytest

from mpijob import names
from mpijob.blocks import Block, blocks_of, pods_held
from mpijob.job import MPIJob, Role
from mpijob.names import Child
from mpijob.observed import NOBODY, Refusal, Thing, Unreadable
from mpijob.stage import Stage
from tests.builders import (
    THEIRS,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_thing,
    a_worker,
    cases,
    the_case,
    world,
)

FOREIGN = "exists already and is not this MPIJob's: "
NO_POD = Refusal(Child.WORKER, "pi-worker-0", "QuotaExceeded", "no quota")
NO_JOB = Refusal(Child.LAUNCHER, "pi-launcher", "Forbidden", "not you")
NO_MAP = Refusal(Child.CONFIG_MAP, "pi-config", "AdmissionDenied", "policy")
INVALID = Refusal(Child.WORKER, "pi-worker-1", "Invalid", "bad")
STRAY = a_worker(0)._replace(name="pi-worker-x")
GARBAGE = Unreadable("Pod", "pi-worker-3", "no metadata")


def theirs(kind: str) -> Thing:
    return a_thing(kind, owner=THEIRS)


def blocks(
    *found: Sighting, job: MPIJob | None = None, stage: Stage = Stage.STARTING
) -> tuple[Block, ...]:
    return blocks_of(the_case(job or a_job(workers=2), *found), stage)


@pytest.mark.rule("B4.1", "B8.1", "B8.4")
@cases("found, reason, message", {
    **{kind: ([theirs(kind)], "ErrResourceExists", f"{FOREIGN}{kind} {name}")
        for kind, name in (("Service", "pi"), ("ConfigMap", "pi-config"), ("Secret",
        "pi-ssh"))},
    "launcher Job": ([a_launcher(owner=THEIRS)], "ErrResourceExists",
        f"{FOREIGN}launcher Job pi-launcher"),
    "workers": ([a_worker(1, owner=THEIRS), a_worker(0, owner=THEIRS)],
        "ErrResourceExists",
        f"{FOREIGN}worker Pod pi-worker-0, worker Pod pi-worker-1"),
    "a launcher that was left": ([a_launcher_pod(owner=NOBODY,
        labels=names.pod_labels(a_job(), Role.LAUNCHER))], "ErrResourceExists",
        f"{FOREIGN}Pod pi-launcher-abcde"),
    "several": ([theirs("Service"), a_worker(0, owner=THEIRS)], "ErrResourceExists",
        f"{FOREIGN}Service pi, worker Pod pi-worker-0"),
    "unreadable": ([STRAY, GARBAGE], "UnreadableChild",
        "Pod pi-worker-3: no metadata, Pod pi-worker-x has the name of no worker"),
    "worker": ([NO_POD], "QuotaExceeded", "worker Pod pi-worker-0: no quota"),
    "launcher": ([NO_JOB], "Forbidden", "launcher Job pi-launcher: not you"),
    "map": ([NO_MAP], "AdmissionDenied", "ConfigMap pi-config: policy"),
    "another worker exists": ([NO_POD, a_worker(1)], "QuotaExceeded",
        "worker Pod pi-worker-0: no quota"),
})  # fmt: skip
def test_an_obstacle_is_told(found: list[Sighting], reason: str, message: str) -> None:
    assert blocks(*found) == (Block(reason, message),)


@pytest.mark.rule("B4.1")
@cases("found", {
    "nothing": [],
    "a name that is not wanted": [a_worker(7, owner=THEIRS)],
    "a worker that exists now": [NO_POD, a_worker(0)],
    "a launcher that exists now": [NO_JOB, a_launcher()],
})  # fmt: skip
def test_what_is_no_obstacle_is_not_told(found: list[Sighting]) -> None:
    assert blocks(*found) == ()


@pytest.mark.rule("B4.1", "B1.7")
def test_obstacles_come_by_their_weight() -> None:
    job = a_job(workers=2, slotsPerWorker=-1)
    found = blocks(NO_POD, NO_JOB, INVALID, NO_MAP, STRAY, theirs("Secret"), job=job)
    assert [block.reason for block in found] == [
        "InvalidSpec",
        "ErrResourceExists",
        "UnreadableChild",
        "Invalid",
        "AdmissionDenied",
        "Forbidden",
        "QuotaExceeded",
    ]
    assert found[0].message == "spec.slotsPerWorker is -1, and must be 0 or more"


@pytest.mark.rule("B4.1")
@pytest.mark.parametrize("stage", [Stage.SUCCEEDED, Stage.FAILED, Stage.EXPIRED])
def test_nothing_is_in_the_way_of_a_job_that_ended(stage: Stage) -> None:
    job = a_job(slotsPerWorker=-1)
    assert blocks(NO_POD, STRAY, theirs("Service"), job=job, stage=stage) == ()


@pytest.mark.rule("B6.1", "B8.1")
@pytest.mark.parametrize(("stage", "found", "expected"), [
    (Stage.SUSPENDED, theirs("PodGroup"), False),
    (Stage.SUSPENDED, theirs("Service"), True),
    (Stage.SUSPENDED, a_worker(0, owner=THEIRS), False),
    (Stage.SUSPENDED, NO_POD, False),
    (Stage.SUSPENDED, NO_MAP, True),
    (Stage.HELD, a_launcher(owner=THEIRS), True),
    (Stage.HELD, a_worker(0, owner=THEIRS), False),
    (Stage.HELD, NO_JOB, False),
    (Stage.WAITING, NO_JOB, False),
    (Stage.WAITING, NO_POD, True),
])  # fmt: skip
def test_only_what_a_stage_wants_can_be_in_its_way(
    stage: Stage, found: Sighting, *, expected: bool
) -> None:
    assert bool(blocks(found, stage=stage)) is expected


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize(("found", "held"), [
    *((theirs(kind), True) for kind in ("Service", "ConfigMap", "Secret")),
    (a_launcher(owner=THEIRS), False),
    (a_worker(0, owner=THEIRS), False),
    (a_thing("Service"), False),
])  # fmt: skip
def test_what_every_pod_would_use_holds_every_pod(
    found: Sighting, *, held: bool
) -> None:
    assert pods_held(the_case(a_job(), found)) is held


PLUGINS, KUBERNETES = "scheduling.x-k8s.io/v1alpha1", "scheduling.k8s.io/v1beta1"


@pytest.mark.rule("B8.1", "B7.1", "B7.6")
@pytest.mark.parametrize(("scheduler", "kind", "api", "held"), [
    ("none", "PodGroup", "", False),
    ("none", "PodGroup", PLUGINS, False),
    ("none", "Workload", KUBERNETES, False),
    ("volcano", "PodGroup", "", True),
    ("volcano", "PodGroup", PLUGINS, False),
    ("volcano", "Workload", KUBERNETES, False),
    ("sp", "PodGroup", PLUGINS, True),
    ("kubernetes", "PodGroup", KUBERNETES, True),
    ("kubernetes", "Workload", KUBERNETES, True),
    ("kubernetes", "PodGroup", "", False),
])  # fmt: skip
def test_only_a_group_that_pods_would_use_holds_them(
    scheduler: str, kind: str, api: str, *, held: bool
) -> None:
    group = a_thing(kind, api, owner=THEIRS)
    case = the_case(a_job(), group, world=world(gang_scheduler=scheduler))
    told = Block("ErrResourceExists", f"{FOREIGN}{kind} pi")
    assert pods_held(case) is held
    assert blocks_of(case, Stage.STARTING) == ((told,) if held else ())
