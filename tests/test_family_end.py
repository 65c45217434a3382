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
    failed,
    world,
)

THINGS = (a_thing("Service"), a_thing("ConfigMap"), a_thing("Secret"))
GROUPS = (a_thing("PodGroup"), a_thing("Workload"))
STRAY = evolve(a_worker(8), name="stray")
FINISHED = a_status("Created", "Succeeded", start_time=at(-60), completion_time=at(-10))
LOST = evolve(FINISHED, conditions=a_status("Created", "Failed").conditions)


def gone(job: MPIJob, *found: Sighting) -> list[str]:
    return [d.ref.name for d in answer(job, *found).unwanted]


ALL_GONE = ["pi-worker-0", "pi-worker-1", "pi-worker-9", "stray", "pi-launcher"]
PODS = (a_worker(0), failed(1), a_worker(9, "Succeeded"), STRAY)
GOING: tuple[Sighting, ...] = (
    a_worker(2, terminating=True),
    *(evolve(group, terminating=True) for group in GROUPS),
)


@pytest.mark.rule("B6.1", "B7.5")
@pytest.mark.parametrize(
    ("job", "found", "expected"),
    [
        pytest.param(
            a_job(policy=SUSPEND, status=RUNNING),
            (a_launcher(), *PODS, *GROUPS),
            [],
            id="the launcher is told first",
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING),
            (a_launcher(suspend=True), *PODS, *GROUPS),
            [],
            id="the launcher was told",
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING),
            (a_launcher("Suspended"), *PODS, *GROUPS, *THINGS),
            ["pi", "pi", *ALL_GONE],
            id="the launcher has stopped",
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING),
            (a_launcher(terminating=True), *PODS),
            ALL_GONE[:-1],
            id="the launcher goes",
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING),
            PODS,
            ALL_GONE[:-1],
            id="no launcher",
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING), GOING, [], id="all goes already"
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING),
            (a_launcher_pod(),),
            [],
            id="the launcher's pod goes with its Job",
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING), GROUPS, ["pi", "pi"], id="groups"
        ),
        pytest.param(
            a_job(status=STOPPED), PODS, ALL_GONE[:-1], id="resumed before its end"
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPED), THINGS, [], id="nothing is left"
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=STOPPING),
            (
                a_worker(0, owner=THEIRS),
                a_launcher(owner=THEIRS),
                a_thing("PodGroup", owner=THEIRS),
            ),
            [],
            id="somebody else's stay",
        ),
        pytest.param(
            a_job(policy=SUSPEND, status=FINISHED), PODS, [], id="it has ended"
        ),
    ],
)
def test_a_suspension_takes_the_pods_after_the_launcher_stopped(
    job: MPIJob, found: tuple[Sighting, ...], expected: list[str]
) -> None:
    assert gone(job, *found) == expected


RAN = a_launcher("Complete")


def ended(policy: str) -> MPIJob:
    return a_job(policy={"cleanPodPolicy": policy}, status=FINISHED)


@pytest.mark.rule("B5.5")
@pytest.mark.parametrize("status", [FINISHED, LOST], ids=["succeeded", "failed"])
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("None", ["pi", "pi"]),
        ("Running", ["pi", "pi", "pi-worker-0", "pi-worker-3", "stray"]),
        (
            "All",
            ["pi", "pi", *(f"pi-worker-{i}" for i in (0, 1, 3, 9)), *ALL_GONE[3:]],
        ),
    ],
)
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
@pytest.mark.parametrize(
    ("launcher", "goes"),
    [
        pytest.param(a_launcher(), True, id="it runs"),
        pytest.param(a_launcher("Suspended"), True, id="it is suspended"),
        pytest.param(a_launcher(terminating=True), False, id="it goes already"),
        pytest.param(a_launcher("Failed"), False, id="it has failed since"),
        pytest.param(a_launcher("FailureTarget"), False, id="it is about to"),
        pytest.param(a_launcher("SuccessCriteriaMet"), False, id="it has succeeded"),
    ],
)
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
@pytest.mark.parametrize(
    ("job", "pods"),
    [
        pytest.param(
            a_job(policy={"activeDeadlineSeconds": 60}, status=STARTED), (), id="late"
        ),
        pytest.param(
            a_job(policy={"backoffLimit": 0}, status=STARTED),
            (failed(0, failure=1),),
            id="too many failures",
        ),
        pytest.param(
            a_job(worker={"restartPolicy": "ExitCode"}, status=STARTED),
            (failed(0, failure=1),),
            id="an error of its own",
        ),
    ],
)
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
    leaving = evolve(THINGS[0], terminating=True)
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
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"slotsPerWorker": -1}, id="an edit made it invalid"),
        pytest.param(
            {"metadata": {"deletionTimestamp": "x"}}, id="it is being deleted"
        ),
        pytest.param({"policy": {"managedBy": "x"}}, id="managed elsewhere"),
    ],
)
def test_what_is_left_alone_loses_nothing(parts: dict[str, Any]) -> None:
    assert gone(a_job(status=STARTED, **parts), *PODS, a_launcher(), *GROUPS) == []
