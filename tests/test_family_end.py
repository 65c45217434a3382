# SPDX-License-Identifier: Apache-2.0
"""What goes when a job is suspended, ends or expires, and with which guard."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.actions import Delete
from mpijob.job import MPIJob
from mpijob.names import Ref
from mpijob.observed import LauncherJob, Pod
from mpijob.status import JobStatus
from tests.builders import (
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    THEIRS,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_status,
    a_thing,
    a_worker,
    answer,
    at,
    cases,
    failed,
    world,
)

THINGS = (a_thing("Service"), a_thing("ConfigMap"), a_thing("Secret"))
GROUPS = (a_thing("PodGroup"), a_thing("Workload"))
STRAY = a_worker(8)._replace(name="stray")
FINISHED = a_status("Created", "Succeeded", start_time=at(-60), completion_time=at(-10))
LOST = evolve(FINISHED, conditions=a_status("Created", "Failed").conditions)


def gone(job: MPIJob, *found: Sighting) -> list[str]:
    return [d.ref.name for d in answer(job, *found).unwanted]


ALL_GONE = ["pi-worker-0", "pi-worker-1", "pi-worker-9", "stray", "pi-launcher"]
PODS = (a_worker(0), failed(1), a_worker(9, "Succeeded"), STRAY)
GOING: tuple[Sighting, ...] = (
    a_worker(2, terminating=True),
    *(group._replace(terminating=True) for group in GROUPS),
)


@pytest.mark.rule("B6.1", "B7.5")
@cases("job, found, expected", {
    "the launcher is told first": (a_job(policy=SUSPEND, status=RUNNING), (a_launcher(),
        *PODS, *GROUPS), []),
    "the launcher was told": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher(suspend=True), *PODS, *GROUPS), []),
    "the launcher has stopped": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher("Suspended"), *PODS, *GROUPS, *THINGS), ["pi", "pi", *ALL_GONE]),
    "the launcher goes": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher(terminating=True), *PODS), ALL_GONE[:-1]),
    "no launcher": (a_job(policy=SUSPEND, status=STOPPING), PODS, ALL_GONE[:-1]),
    "all goes already": (a_job(policy=SUSPEND, status=STOPPING), GOING, []),
    "the launcher's pod goes with its Job": (a_job(policy=SUSPEND, status=STOPPING),
        (a_launcher_pod(),), []),
    "groups": (a_job(policy=SUSPEND, status=STOPPING), GROUPS, ["pi", "pi"]),
    "resumed before its end": (a_job(status=STOPPED), PODS, ALL_GONE[:-1]),
    "nothing is left": (a_job(policy=SUSPEND, status=STOPPED), THINGS, []),
    "somebody else's stay": (a_job(policy=SUSPEND, status=STOPPING), (a_worker(0,
        owner=THEIRS), a_launcher(owner=THEIRS), a_thing("PodGroup", owner=THEIRS)),
        []),
    "it has ended": (a_job(policy=SUSPEND, status=FINISHED), PODS, []),
})  # fmt: skip
def test_a_suspension_takes_the_pods_after_the_launcher_stopped(
    job: MPIJob, found: tuple[Sighting, ...], expected: list[str]
) -> None:
    assert gone(job, *found) == expected


RAN = a_launcher("Complete")


def ended(policy: str) -> MPIJob:
    return a_job(policy={"cleanPodPolicy": policy}, status=FINISHED)


@pytest.mark.rule("B5.5")
@pytest.mark.parametrize("status", [FINISHED, LOST], ids=["succeeded", "failed"])
@pytest.mark.parametrize(("policy", "expected"), [
    ("None", ["pi", "pi"]),
    ("Running", ["pi", "pi", "pi-worker-0", "pi-worker-3", "stray"]),
    ("All", ["pi", "pi", *(f"pi-worker-{i}" for i in (0, 1, 3, 9)), *ALL_GONE[3:]]),
])  # fmt: skip
def test_an_end_takes_what_clean_pod_policy_says(
    policy: str, expected: list[str], status: JobStatus
) -> None:
    job = a_job(policy={"cleanPodPolicy": policy}, status=status)
    pending = a_worker(3, "Pending")
    found = (RAN, *PODS, pending, a_launcher_pod("Succeeded"), *THINGS, *GROUPS)
    # Index 9 is beyond the replicas, and 8 has no name of ours: by owner, not by count.
    assert sorted(gone(job, *found)) == sorted(expected)
    assert gone(job, *GOING) == []


@pytest.mark.rule("B5.5")
def test_what_goes_says_why() -> None:
    asked = answer(ended("All"), a_worker(0), RAN, GROUPS[0]).unwanted
    assert [(d.ref.name, d.why) for d in asked] == [
        ("pi", "the job has ended"),
        ("pi-worker-0", "cleanPodPolicy is All"),
        ("pi-launcher", "cleanPodPolicy is All"),
    ]
    job = a_job(policy=SUSPEND, status=STOPPING)
    (only,) = answer(job, a_worker(0)).unwanted
    assert only.why == "the job is suspended"
    (last,) = answer(job, a_thing("PodGroup")).unwanted
    assert last.why == "the job is suspended"


@pytest.mark.rule("B5.3", "B5.2")
@cases("launcher, goes", {
    "it runs": (a_launcher(), True),
    "it is suspended": (a_launcher("Suspended"), True),
    "it goes already": (a_launcher(terminating=True), False),
    "it has failed since": (a_launcher("Failed"), False),
    "it is about to": (a_launcher("FailureTarget"), False),
    "it has succeeded": (a_launcher("SuccessCriteriaMet"), False),
})  # fmt: skip
@pytest.mark.parametrize("policy", ["None", "Running"])
def test_a_launcher_that_we_ended_goes_whatever_the_policy(
    launcher: LauncherJob, policy: str, *, goes: bool
) -> None:
    job = a_job(policy={"cleanPodPolicy": policy}, status=LOST)
    asked = answer(job, launcher).unwanted
    reason = "the job has ended before it did"
    assert [(d.ref.name, d.why) for d in asked] == (
        [("pi-launcher", reason)] if goes else []
    )


@pytest.mark.rule("B5.3", "B5.4", "B2.6")
@cases("job, pods", {
    "late": (a_job(policy={"activeDeadlineSeconds": 60}, status=STARTED), ()),
    "too many failures": (a_job(policy={"backoffLimit": 0}, status=STARTED), (failed(0,
        failure=1),)),
    "an error of its own": (a_job(worker={"restartPolicy": "ExitCode"}, status=STARTED),
        (failed(0, failure=1),)),
})  # fmt: skip
def test_an_end_that_we_make_takes_the_launcher_at_once(
    job: MPIJob, pods: tuple[Pod, ...]
) -> None:
    assert gone(job, a_launcher(), *pods) == ["pi-launcher"]


@pytest.mark.rule("B5.6")
def test_an_expired_job_takes_all_with_it_or_leaves_itself() -> None:
    job = a_job(policy={"ttlSecondsAfterFinished": 10}, status=FINISHED)
    found = (*PODS, RAN, *THINGS, *GROUPS)
    whole = answer(job, *found)
    assert (whole.delete_job, whole.unwanted, whole.desired) == (True, (), ())
    assert whole.status is job.status
    rest = answer(job, *found, world=world(ttl_keeps_job=True))
    assert (rest.delete_job, rest.desired) == (False, ())
    assert sorted(d.ref.name for d in rest.unwanted) == sorted(
        [*["pi"] * 3, "pi-config", "pi-ssh", *ALL_GONE]
    )
    assert {d.why for d in rest.unwanted} == {"ttlSecondsAfterFinished is over"}
    leaving = THINGS[0]._replace(terminating=True)
    assert answer(job, leaving, world=world(ttl_keeps_job=True)).unwanted == ()


@pytest.mark.rule("B5.3")
def test_a_failed_worker_goes_to_be_replaced() -> None:
    job = a_job(workers=3, status=STARTED)
    evicted = failed(1, reason="Evicted")
    asked = answer(job, failed(0, failure=1), evicted, failed(2), a_launcher())
    assert [(d.ref.name, d.why) for d in asked.unwanted] == [
        ("pi-worker-0", "it failed and is replaced"),
        ("pi-worker-1", "it failed and is replaced"),
    ]
    assert [event.message for event in asked.evictions] == [
        "replaced after eviction: pi-worker-1"
    ]


@pytest.mark.rule("B8.2", "B6.1", "B5.6")
def test_each_deletion_has_its_guard() -> None:
    job = a_job(policy=SUSPEND, status=STOPPING)
    found = (a_worker(0), a_launcher("Suspended"), a_thing("PodGroup"))
    why = "the job is suspended"

    def deletion(ref: Ref, uid: str, version: str, propagation: str) -> Delete:
        return Delete(ref, uid, version, propagation, why)

    group = Ref("scheduling.volcano.sh/v1beta1", "PodGroup", "hpc", "pi")
    pod = Ref("v1", "Pod", "hpc", "pi-worker-0")
    launcher = Ref("batch/v1", "Job", "hpc", "pi-launcher")
    assert answer(job, *found).unwanted == (
        deletion(group, "podgroup", "", "Background"),
        deletion(pod, "pod-0", "", "Background"),
        deletion(launcher, "launcher", "5", "Foreground"),
    )


@pytest.mark.rule("B1.7", "B5.8")
@cases("parts", {
    "an edit made it invalid": {"slotsPerWorker": -1},
    "it is being deleted": {"metadata": {"deletionTimestamp": "x"}},
    "managed elsewhere": {"policy": {"managedBy": "x"}},
})  # fmt: skip
def test_what_is_left_alone_loses_nothing(parts: dict[str, Any]) -> None:
    assert gone(a_job(status=STARTED, **parts), *PODS, a_launcher(), *GROUPS) == []
