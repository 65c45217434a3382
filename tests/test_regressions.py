# SPDX-License-Identifier: Apache-2.0
"""What readers and laws found in the core, each as the smallest case that shows it.

The modules' own tests say how things are; these say how they once were not.
"""

from datetime import timedelta

import pytest
from attrs import evolve

from mpijob import decode, reconcile
from mpijob.actions import Create
from mpijob.job import MPIJob
from mpijob.names import Child
from mpijob.observed import JobCondition, Observed, Refusal
from mpijob.sightings import observed
from mpijob.stage import Stage
from mpijob.status import ReplicaStatus
from tests.builders import (
    RUNNING,
    STARTED,
    STOPPED,
    STOPPING,
    SUSPEND,
    THEIRS,
    WORLD,
    a_condition,
    a_job,
    a_launcher,
    a_manifest,
    a_status,
    a_thing,
    a_worker,
    answer,
    at,
    failed,
    seen,
    steps,
    the_case,
    world,
)

VOLCANO = world(gang_scheduler="volcano")


@pytest.mark.rule("B8.4")
def test_null_says_nothing_of_a_deletion() -> None:
    manifest = a_manifest()
    manifest["metadata"]["deletionTimestamp"] = None
    assert not decode(manifest).terminating
    metadata = {"name": "pi-worker-0", "namespace": "hpc", "deletionTimestamp": None}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    assert not observed([pod], a_job()).pods[0].terminating


@pytest.mark.rule("B8.4")
@pytest.mark.parametrize("garbage", [5, None, "x", []])
def test_what_is_no_object_is_passed_over(garbage: object) -> None:
    assert observed([garbage], a_job()) == Observed()  # type: ignore[list-item]  # Garbage.


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize(
    ("api", "kind", "name"),
    [
        ("serving.knative.dev/v1", "Service", "pi"),
        ("batch.volcano.sh/v1alpha1", "Job", "pi-launcher"),
        ("kueue.x-k8s.io/v1beta1", "Workload", "pi"),
    ],
)
def test_a_kind_of_another_group_is_another_kind(
    api: str, kind: str, name: str
) -> None:
    metadata = {"name": name, "namespace": "hpc"}
    other = {"apiVersion": api, "kind": kind, "metadata": metadata}
    assert observed([other], a_job()) == Observed()


@pytest.mark.rule("B1.5", "B1.7")
def test_a_gang_that_no_longer_fits_holds_no_suspended_job() -> None:
    policy = {"suspend": True, "schedulingPolicy": {"minAvailable": 9}}
    ran = a_status(*STOPPED.conditions, a_condition("Running", "False"))
    asked = answer(a_job(policy=policy, status=ran), world=VOLCANO)
    assert (asked.stage, asked.problems) == (Stage.SUSPENDED, ())


@pytest.mark.rule("B1.7")
def test_the_hosts_of_an_invalid_job_are_not_written() -> None:
    job = a_job(workers=2**31 - 1, policy=SUSPEND, status=STOPPING)
    assert answer(job, a_launcher()).stage is Stage.STOPPING
    assert not answer(job, a_launcher()).desired[0].manifest


@pytest.mark.rule("B8.4")
@pytest.mark.parametrize("field", ["volumes", "env"])
def test_a_name_that_is_a_list_ends_no_call(field: str) -> None:
    main: dict[str, object] = {"env": [{"name": []}]} if field == "env" else {}
    job = (
        a_job(main=main) if field == "env" else a_job(spec={"volumes": [{"name": []}]})
    )
    assert answer(job).stage in (Stage.STARTING, Stage.FAILED)


@pytest.mark.rule("B7.7")
def test_a_group_of_the_users_own_is_no_sign_of_ours() -> None:
    manifest = a_manifest()
    worker = manifest["spec"]["mpiReplicaSpecs"]["Worker"]["template"]
    worker["metadata"] = {"labels": {"scheduling.x-k8s.io/pod-group": "pi"}}
    pod = a_worker(0, scheduler="sp")
    group = a_thing("PodGroup", "scheduling.x-k8s.io/v1alpha1", owner=THEIRS)
    job = evolve(decode(manifest), uid="job", status=STARTED)
    assert the_case(job, pod, group).scheduler == "none"
    assert the_case(job, pod, group).foreign == ()


@pytest.mark.rule("B7.5")
def test_no_pod_is_made_while_its_group_goes() -> None:
    group = a_thing("PodGroup", terminating=True)
    planned = steps(a_job(status=STARTED), group, world=VOLCANO)
    made = [a.child for step in planned for a in step if isinstance(a, Create)]
    assert made == [Child.SECRET]


@pytest.mark.rule("B7.7")
def test_our_group_of_another_scheduler_goes() -> None:
    other = a_thing("PodGroup", "scheduling.x-k8s.io/v1alpha1")
    asked = answer(a_job(status=STARTED), other, world=VOLCANO)
    assert [(d.ref.kind, d.why) for d in asked.unwanted] == [
        ("PodGroup", "it is of another gang scheduler")
    ]
    applied = next(d for d in asked.desired if d.child is Child.POD_GROUP)
    assert getattr(applied, "uid", None) == ""


@pytest.mark.rule("B8.1")
def test_a_taken_name_is_looked_at_again() -> None:
    for foreign in (a_thing("Service", owner=THEIRS), a_worker(0, owner=THEIRS)):
        assert answer(a_job(), foreign).requeue_after == timedelta(seconds=5)


@pytest.mark.rule("B1.7")
def test_the_order_of_refusals_is_immaterial() -> None:
    blocked = a_condition("Blocked", reason="Invalid")
    blocked = blocked._replace(last_transition_time=at(-9000))
    status = a_status(blocked, start_time=at(-9000))
    words = [
        Refusal(Child.WORKER, f"pi-worker-{i}", "Invalid", f"no {i}") for i in (1, 0)
    ]
    job = a_job(workers=2, status=status)
    answers = [answer(job, *order).status for order in (words, words[::-1])]
    assert answers[0] == answers[1]
    assert answers[0].is_true("Failed")


@pytest.mark.rule("B1.7")
def test_a_job_that_ran_in_this_start_is_not_ended_by_refusals() -> None:
    said = (a_condition("Running", "False", "MPIJobNotRunning"),)
    blocked = a_condition("Blocked", reason="Invalid")
    status = a_status(*said, blocked, start_time=at(-9000))
    refusal = Refusal(Child.WORKER, "pi-worker-0", "Invalid", "no")
    assert answer(a_job(status=status), refusal).stage is Stage.STARTING


@pytest.mark.rule("B4.8", "B5.3")
def test_the_worker_that_failed_is_blamed_and_not_one_that_was_evicted() -> None:
    status = evolve(STARTED, worker=ReplicaStatus(failed=6))
    evicted = failed(0, reason="Evicted", created=at(-1))
    blamed = failed(1, failure=7, created=at(-2))
    asked = answer(a_job(workers=2, status=status), evicted, blamed, a_launcher())
    said = asked.status.condition("Failed")
    assert said is not None
    assert "pi-worker-1" in said.message


@pytest.mark.rule("B4.9")
def test_a_number_on_a_pod_that_runs_counts_nothing() -> None:
    asked = answer(a_job(status=RUNNING), a_worker(0, failure=9), a_launcher())
    assert asked.status.worker is not None
    assert asked.status.worker.failed == 0


@pytest.mark.rule("B6.1")
def test_a_launcher_job_that_was_told_to_go_on_has_not_stopped() -> None:
    stale = {"Suspended": JobCondition()}
    job = a_job(policy=SUSPEND, status=STOPPING)
    asked = answer(job, a_launcher(suspend=False, conditions=stale))
    assert asked.stage is Stage.STOPPING
    assert [t.fields for t in asked.touches] == [{"spec": {"suspend": True}}]


@pytest.mark.rule("B6.1", "B8.1")
def test_labels_come_before_a_suspension() -> None:
    job = a_job(policy=SUSPEND, status=STOPPING)
    asked = answer(job, a_launcher(labels={}))
    assert [touch.manager.value for touch in asked.touches] == ["mpi-operator-labels"]


@pytest.mark.rule("B1.8")
def test_a_class_of_the_scheduling_policy_may_be_missing_too() -> None:
    policy = {"schedulingPolicy": {"priorityClass": "high"}}
    warned = answer(a_job(policy=policy), world=VOLCANO).warnings
    path = "spec.runPolicy.schedulingPolicy.priorityClass"
    assert path in [warning.path for warning in warned]


@pytest.mark.rule("B5.8")
def test_a_manager_that_is_no_name_is_another() -> None:
    assert answer(a_job(policy={"managedBy": 5})).stage is Stage.NOT_OURS


@pytest.mark.rule("B5.4")
def test_a_limit_beyond_the_calendar_never_comes() -> None:
    job = a_job(policy={"activeDeadlineSeconds": 2**62}, status=STARTED)
    asked = reconcile(job, seen(a_launcher()), WORLD)
    assert (asked.stage, asked.requeue_after) == (Stage.STARTING, None)


@pytest.mark.rule("B1.8")
def test_a_mount_without_a_volume_is_warned_of() -> None:
    main = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    worker = {"template": {"spec": {"containers": [{"name": "mpi", **main}]}}}
    (warning,) = answer(a_job(worker=worker)).warnings
    path = (
        "spec.mpiReplicaSpecs.Worker.template.spec.containers[0].volumeMounts[0].name"
    )
    assert str(warning) == f"{path} is data, and no volume has that name"


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize(
    "job", [a_job(status=a_status("Succeeded")), a_job(workers=1)], ids=["over", "few"]
)
def test_a_taken_name_that_nobody_wants_is_not_looked_at_again(job: MPIJob) -> None:
    assert answer(job, a_worker(7, owner=THEIRS)).requeue_after is None
