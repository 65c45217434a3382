# SPDX-License-Identifier: Apache-2.0
"""The children that should be: made, kept or applied.

A child is shown as `action kind name`; the actions are Create, Apply and Keep.
"""

from typing import Any

import pytest

from mpijob.actions import Apply, Desired
from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import Pod
from mpijob.world import World
from tests.builders import (
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    THEIRS,
    WORLD,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_thing,
    a_worker,
    answer,
    cases,
    world,
)

BUSY = (a_worker(0), a_launcher(), a_launcher_pod())
THINGS = (a_thing("Service"), a_thing("ConfigMap"), a_thing("Secret"))
MADE = ["Apply Service pi", "Apply ConfigMap pi-config", "Create Secret pi-ssh"]
WORKER, LAUNCHER = "Create worker Pod pi-worker-0", "Create launcher Job pi-launcher"
KEPT = ["Keep worker Pod pi-worker-0", "Keep launcher Job pi-launcher"]
WAIT: dict[str, Any] = {"launcherCreationPolicy": "WaitForWorkersReady"}


def shown(each: Desired) -> str:
    return f"{type(each).__name__} {each.child.value} {each.name}"


def desired(job: MPIJob, *found: Sighting, world: World = WORLD) -> list[str]:
    return [shown(each) for each in answer(job, *found, world=world).desired]


@pytest.mark.rule("B5.1", "B6.1", "B6.2", "B8.7")
@cases("job, found, expected", {
    "a new job": (a_job(), (), [*MADE, WORKER, LAUNCHER]),
    "no workers": (a_job(workers=None), (), [*MADE, LAUNCHER]),
    "all there": (a_job(), (*THINGS, *BUSY), [*MADE[:2], "Keep Secret pi-ssh", *KEPT]),
    "a worker is missing": (a_job(), BUSY[1:], [*MADE, WORKER, KEPT[1]]),
    "the launcher waits": (a_job(**WAIT), (), [*MADE, WORKER]),
    "workers are Ready": (a_job(**WAIT), BUSY[:1], [*MADE, KEPT[0], LAUNCHER]),
    "suspended": (a_job(policy=SUSPEND), (), MADE),
    "stopping": (a_job(policy=SUSPEND, status=RUNNING), BUSY, [*MADE, *KEPT]),
    "clearing": (a_job(policy=SUSPEND, status=STOPPING), (a_worker(0),
        a_launcher("Suspended")), MADE),
    "not yet anew": (a_job(status=STOPPED), (a_worker(0, "Succeeded"),), MADE),
    "an edit made it invalid": (a_job(status=STARTED, slotsPerWorker=-1), (*THINGS,
        *BUSY, a_worker(0)._replace(name="x")), ["Keep Service pi",
        "Keep ConfigMap pi-config", "Keep Secret pi-ssh", KEPT[0], "Keep worker Pod x",
        KEPT[1]]),
    "suspended, and invalid since": (a_job(policy=SUSPEND, status=STOPPED,
        slotsPerWorker=-1), THINGS[1:], ["Keep ConfigMap pi-config",
        "Keep Secret pi-ssh"]),
    "invalid and bare": (a_job(status=STARTED, slotsPerWorker=-1), (), []),
    "never valid": (a_job(slotsPerWorker=-1), (), []),
    "it has ended": (a_job(), (a_launcher("Complete"),), [KEPT[1]]),
    "not ours": (a_job(policy={"managedBy": "x"}), BUSY, []),
})  # fmt: skip
def test_what_should_exist(
    job: MPIJob, found: tuple[Sighting, ...], expected: list[str]
) -> None:
    assert desired(job, *found) == expected


@pytest.mark.rule("B5.7")
@cases("there, workers, made, gone", {
    "as many as asked": ([0, 1, 2], 3, [], []),
    "more": ([0, 1, 2], 5, [3, 4], []),
    "fewer": ([0, 1, 2], 1, [], [1, 2]),
    "with a gap": ([0, 2, 9, 10], 3, [1], [9, 10]),
    "none at all": ([2], None, [], [2]),
})  # fmt: skip
@pytest.mark.parametrize("works", [False, True])
def test_scaling_makes_and_deletes_the_difference(
    there: list[int],
    workers: int | None,
    made: list[int],
    gone: list[int],
    *,
    works: bool,
) -> None:
    job = a_job(workers=workers, status=STARTED, runLauncherAsWorker=works)
    found = answer(job, *[a_worker(index) for index in there], a_launcher())
    pods = [each for each in found.desired if "worker" in each.name]
    kept = [index for index in there if index < (workers or 0)]
    assert [shown(each) for each in pods] == [
        *[f"Keep worker Pod pi-worker-{index}" for index in kept],
        *[f"Create worker Pod pi-worker-{index}" for index in made],
    ]
    why = f"replicas is {workers or 0}"
    assert [(d.ref.name, d.uid, d.why) for d in found.unwanted] == [
        (f"pi-worker-{index}", f"pod-{index}", why) for index in gone
    ]


@pytest.mark.rule("B5.7")
def test_a_worker_that_goes_already_is_not_deleted_again() -> None:
    job = a_job(workers=1, status=STARTED)
    assert answer(job, a_worker(1, terminating=True)).unwanted == ()


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize(("found", "expected"), [
    *(pytest.param(a_thing(kind, owner=THEIRS), [m for m in MADE if kind not in m])
        for kind in ("Service", "ConfigMap", "Secret")),
    pytest.param(a_worker(0, owner=THEIRS), [*MADE, "Create worker Pod pi-worker-1",
        LAUNCHER], id="worker"),
    pytest.param(a_launcher(owner=THEIRS), [*MADE, WORKER,
        "Create worker Pod pi-worker-1"], id="launcher"),
])  # fmt: skip
def test_a_foreign_object_holds_back_what_would_use_it(
    found: Sighting, expected: list[str]
) -> None:
    asked = answer(a_job(workers=2), found)
    assert [shown(each) for each in asked.desired] == expected
    assert asked.unwanted == ()
    assert asked.touches == ()


@pytest.mark.rule("B5.2")
@pytest.mark.parametrize(
    "pod", [a_launcher_pod(), a_launcher_pod("Failed"), a_launcher_pod("Succeeded")]
)
def test_no_launcher_is_made_beside_a_pod_of_the_last(pod: Pod) -> None:
    assert LAUNCHER not in desired(a_job(status=STARTED), pod)
    assert LAUNCHER in desired(a_job(status=STARTED))


@pytest.mark.rule("B3.2", "B5.7")
def test_only_workers_that_run_and_stay_are_discovered() -> None:
    pods = (
        a_worker(0, "Pending"),
        a_worker(10),
        a_worker(2),
        a_worker(3, terminating=True),
        a_worker(4, "Succeeded"),
        a_worker(11),
    )
    asked = answer(a_job(workers=11), *pods, world=world(cluster_domain="x.org"))
    manifest = next(d.manifest for d in asked.desired if d.name == "pi-config")
    assert manifest is not None
    assert manifest["data"]["discover_hosts.sh"] == (
        "#!/bin/sh\necho pi-worker-2.pi.hpc.svc.x.org\n"
        "echo pi-worker-10.pi.hpc.svc.x.org\n"
    )


@pytest.mark.rule("B8.7")
def test_what_is_there_is_applied_to_by_uid() -> None:
    uids = {
        each.name: each.uid
        for each in answer(a_job(), *THINGS).desired
        if isinstance(each, Apply)
    }
    assert uids == {"pi": "service", "pi-config": "configmap"}


# --- The gang -----------------------------------------------------------------

PLUGINS, OLD = "scheduling.x-k8s.io/v1alpha1", "scheduling.k8s.io/v1alpha2"
NATIVE = world(gang_scheduler="kubernetes")
NATIVE_OLD = world(gang_scheduler="kubernetes", workload_api="v1alpha2")
WORKLOAD = a_thing("Workload")
BOTH = (WORKLOAD, a_thing("PodGroup", WORKLOAD.ref.api_version))
BOTH_OLD = (a_thing("Workload", OLD), a_thing("PodGroup", OLD))


@pytest.mark.rule("B7.5", "B7.6", "B7.7")
@cases("surroundings, found, expected", {
    "no gang": (WORLD, (), []),
    "volcano": (world(gang_scheduler="volcano"), (), ["Apply PodGroup pi"]),
    "edited": (world(gang_scheduler="sp"), (a_thing("PodGroup", PLUGINS),),
        ["Apply PodGroup pi"]),
    "kubernetes": (NATIVE, (), ["Create Workload pi", "Apply PodGroup pi"]),
    "a Workload cannot be changed": (NATIVE, BOTH, ["Keep Workload pi",
        "Apply PodGroup pi"]),
    "kubernetes before": (NATIVE_OLD, (), ["Create Workload pi", "Apply PodGroup pi"]),
    "nor could a PodGroup before": (NATIVE_OLD, BOTH_OLD, ["Keep Workload pi",
        "Keep PodGroup pi"]),
})  # fmt: skip
def test_a_gang_has_its_group_before_any_pod(
    surroundings: World, found: tuple[Sighting, ...], expected: list[str]
) -> None:
    asked = answer(a_job(), *found, world=surroundings)
    assert [shown(each) for each in asked.desired] == [
        *expected,
        *MADE,
        WORKER,
        LAUNCHER,
    ]
    applied = [each for each in asked.desired if isinstance(each, Apply)]
    uids = {each.uid for each in applied if each.child is Child.POD_GROUP}
    assert uids <= ({"podgroup"} if found else {""})
    assert asked.unwanted == ()


@pytest.mark.rule("B7.7")
@pytest.mark.parametrize("scheduler", ["none", "sp", "kubernetes"])
def test_a_group_of_another_gang_scheduler_goes(scheduler: str) -> None:
    groups = (a_thing("PodGroup"), a_thing("PodGroup", "x", terminating=True))
    asked = answer(a_job(), *groups, world=world(gang_scheduler=scheduler))
    assert [(d.ref, d.why) for d in asked.unwanted] == [
        (groups[0].ref, "it is of another gang scheduler")
    ]
    applied = [each for each in asked.desired if isinstance(each, Apply)]
    assert {each.uid for each in applied} == {""}


@pytest.mark.rule("B7.5", "B8.1")
def test_a_foreign_group_holds_back_every_pod() -> None:
    foreign = a_thing("PodGroup", owner=THEIRS)
    assert desired(a_job(), foreign, world=world(gang_scheduler="volcano")) == MADE
