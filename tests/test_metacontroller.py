# SPDX-License-Identifier: Apache-2.0
"""The function as hooks of metacontroller, under a double of its executor.

A test lets the double call until nothing is written any more, and reads what it wrote,
in order: the order is the promise.
"""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

import mpijob
from mpijob.loose import mapping
from mpijob_operator import contract, metacontroller
from mpijob_operator.metacontroller import LAST_APPLIED
from tests.metacontroller_double import RESOURCES, START, Executor, Object, merge


@pytest.fixture
def running() -> Executor:
    executor = Executor()
    executor.settle()
    executor.run_pods()
    executor.settle()
    return executor


def test_a_new_job_gets_its_children_a_step_at_a_time() -> None:
    assert Executor().settle() == [
        "status",
        "create Service pi",
        "create ConfigMap pi-config",
        "create Secret pi-ssh",
        "create Pod pi-worker-0",
        "create Pod pi-worker-1",
        "create Job pi-launcher",
    ]


@pytest.mark.rule("B4.5")
def test_every_pod_is_counted_before_it_is_made() -> None:
    executor, counts = Executor(), dict[str, Any]()
    while not any("Pod" in write for write in executor.writes):
        counts = executor.parent.get("status", {}).get("replicaStatuses", {})
        executor.sync()
    assert counts["Worker"]["active"] == 2
    assert counts["Launcher"]["active"] == 1


def test_a_running_job_is_left_alone(running: Executor) -> None:
    assert running.condition("Running") == "True"
    assert running.settle() == []


def test_what_others_write_to_a_child_stays(running: Executor) -> None:
    pod = running.objects["Pod.v1", "pi-worker-0"]
    pod["spec"]["nodeName"] = "node-1"
    pod["metadata"]["labels"]["seen"] = "yes"
    running.settle()
    kept = running.objects["Pod.v1", "pi-worker-0"]
    assert (kept["spec"]["nodeName"], kept["metadata"]["labels"]["seen"]) == (
        "node-1",
        "yes",
    )


@pytest.mark.rule("B6.2")
def test_what_kueue_takes_from_a_pod_is_not_put_back() -> None:
    executor = Executor()
    worker = executor.parent["spec"]["mpiReplicaSpecs"]["Worker"]
    worker["template"]["spec"]["schedulingGates"] = [{"name": "a"}, {"name": "b"}]
    executor.settle()
    pod = executor.objects["Pod.v1", "pi-worker-0"]
    pod["spec"]["schedulingGates"].pop()
    executor.settle()
    left = executor.objects["Pod.v1", "pi-worker-0"]["spec"]["schedulingGates"]
    assert left == [{"name": "a"}]
    del executor.objects["Pod.v1", "pi-worker-0"]["spec"]["schedulingGates"]
    executor.settle()
    assert "schedulingGates" not in executor.objects["Pod.v1", "pi-worker-0"]["spec"]


@pytest.mark.rule("B8.7")
def test_drift_is_repaired(running: Executor) -> None:
    service = running.objects["Service.v1", "pi"]
    service["spec"]["selector"] = {}
    assert running.settle() == ["update Service pi"]
    labels = running.objects["Service.v1", "pi"]["spec"]["selector"]
    assert labels["training.kubeflow.org/job-name"] == "pi"


@pytest.mark.rule("B5.3", "B4.9")
def test_a_failed_worker_is_numbered_counted_and_then_replaced(
    running: Executor,
) -> None:
    ended = {"terminated": {"exitCode": 137, "finishedAt": "2030-01-01T00:00:00Z"}}
    name = mapping(running.objects["Pod.v1", "pi-worker-1"])["spec"]["containers"][0]
    statuses = [{"name": name["name"], "state": ended}]
    running.objects["Pod.v1", "pi-worker-1"]["status"] = {
        "phase": "Failed",
        "containerStatuses": statuses,
    }
    running.now += timedelta(minutes=1)
    writes = running.settle()
    order = [
        "update Pod pi-worker-1",
        "status",
        "delete Pod pi-worker-1",
        "create Pod pi-worker-1",
    ]
    assert [write for write in writes if write in order] == order
    assert running.parent["status"]["replicaStatuses"]["Worker"]["failed"] == 1


@pytest.mark.rule("B6.1")
def test_a_suspension_stops_the_launcher_before_the_workers_go(
    running: Executor,
) -> None:
    running.parent["spec"].setdefault("runPolicy", {})["suspend"] = True
    assert running.settle() == ["status", "update Job pi-launcher"]
    assert running.objects["Job.batch/v1", "pi-launcher"]["spec"]["suspend"] is True
    running.say_of_launcher("Suspended")
    assert running.settle() == [
        "delete Pod pi-worker-0",
        "delete Pod pi-worker-1",
        "delete Job pi-launcher",
        "status",
        "update ConfigMap pi-config",
    ]
    running.parent["spec"]["runPolicy"]["suspend"] = False
    assert "create Job pi-launcher" in running.settle()


@pytest.mark.rule("B5.5", "B4.3")
def test_a_verdict_is_written_before_the_cleanup(running: Executor) -> None:
    running.parent["spec"].setdefault("runPolicy", {})["cleanPodPolicy"] = "All"
    running.say_of_launcher("Complete")
    writes = running.settle()
    assert writes[0] == "status"
    assert "delete Job pi-launcher" in writes
    assert running.condition("Succeeded") == "True"


@pytest.mark.rule("B5.6")
def test_the_ttl_takes_the_children_alone(running: Executor) -> None:
    running.parent["spec"].setdefault("runPolicy", {})["ttlSecondsAfterFinished"] = 60
    running.say_of_launcher("Complete")
    running.settle()
    assert 0 < running.sync()["resyncAfterSeconds"] <= 60
    running.now += timedelta(days=1)
    running.settle()
    assert running.objects == {}
    assert running.condition("Succeeded") == "True"


@pytest.mark.rule("B8.1")
def test_a_stranger_of_our_name_is_left_alone_and_told_of() -> None:
    executor = Executor()
    stranger = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pi"}}
    stranger["metadata"] = {"name": "pi", "namespace": "default", "uid": "other"}
    executor.objects["Service.v1", "pi"] = copy.deepcopy(stranger)
    executor.settle()
    assert executor.condition("Blocked") == "True"
    assert executor.objects["Service.v1", "pi"] == stranger
    assert not any(kind == "Pod.v1" for kind, _ in executor.objects)


@pytest.mark.rule("B5.8")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"metadata": {"deletionTimestamp": "x"}}, id="deleted"),
        pytest.param({"spec": {"runPolicy": {"managedBy": "other"}}}, id="not ours"),
    ],
)
def test_a_job_that_is_not_ours_to_run_keeps_its_children(
    running: Executor, change: Object
) -> None:
    running.parent = dict(merge(running.parent, {}, {**running.parent, **change}))
    for part, fields in change.items():
        running.parent[part] = {**running.parent[part], **fields}
    assert running.settle() == []


def test_a_finalizer_of_the_executor_is_given_up_at_once(running: Executor) -> None:
    running.parent["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert running.sync(finalizing=True)["finalized"] is True
    assert running.sync()["finalized"] is False


@pytest.mark.rule("B8.5")
def test_a_secret_is_left_to_others_unless_the_executor_has_secrets() -> None:
    executor = Executor()
    executor.kinds.remove("Secret.v1")
    assert "create Secret pi-ssh" not in executor.settle()
    assert "create Job pi-launcher" in executor.writes


@pytest.mark.rule("B8.5")
def test_a_key_is_in_the_answer_that_makes_the_secret_and_in_no_other() -> None:
    executor = Executor()
    holding: list[list[str]] = []
    for _ in range(8):
        before = len(executor.writes)
        answer = executor.sync()
        if "cHJpdmF0ZQ==" in json.dumps(answer):
            holding.append(executor.writes[before:])
    assert len(holding) == 1
    assert "create Secret pi-ssh" in holding[0]


@pytest.mark.rule("B7.4")
def test_priority_classes_are_asked_for_by_name() -> None:
    executor = Executor("gang-volcano-policy", gang_scheduler="volcano")
    rules = executor.ask("customize", {})["relatedResources"]
    names = [r["names"] for r in rules if r["resource"] == "priorityclasses"]
    assert len(names) == 1
    assert names[0]


def requests() -> list[Any]:
    good: Object = {
        "parent": Executor().parent,
        "children": {k: {} for k in RESOURCES.values()},
    }
    pods = {**good["children"], "Pod.v1": {"a": {"kind": "Pod", "apiVersion": "v1"}}}
    foreign = {**good["parent"], "kind": "Job"}
    unlisted: Object = {**good, "children": {}}
    return [
        pytest.param({}, "parent", id="nothing"),
        pytest.param({**good, "parent": foreign}, "parent", id="another kind"),
        pytest.param(unlisted, "children[Pod.v1]", id="kinds that are not listed"),
        pytest.param({**good, "children": pods}, "children[Pod.v1][a]", id="no name"),
    ]


@pytest.mark.parametrize(("request_", "path"), requests())
def test_a_mistake_in_a_sync_request_is_named(request_: Object, path: str) -> None:
    def reply(document: object) -> Object:
        settings = mpijob.Settings()
        return metacontroller.sync(document, settings=settings, now=START)

    error = contract.answered(json.dumps(request_).encode(), reply)["error"]
    assert (error["reason"], error["path"]) == ("Malformed", path)


def test_a_gang_needs_its_kind_listed() -> None:
    executor = Executor(gang_scheduler="volcano")
    with pytest.raises(AssertionError, match="children\\[PodGroup\\]"):
        executor.sync()


@pytest.mark.parametrize("text", ["nonsense", "[" * 5_000, "[]", '{"metadata": 1}'])
def test_a_note_of_what_was_applied_that_says_nothing_is_passed_over(text: str) -> None:
    metadata = {"name": "pi", "annotations": {LAST_APPLIED: text}}
    seen = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}}
    assert metacontroller.kept(seen) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "pi", "namespace": "default"},
    }


@pytest.mark.parametrize(
    ("applied", "seen", "kept"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1, "c": 3}, {"a": 1}, id="a field gone"),
        pytest.param("1.5Gi", "1536Mi", "1536Mi", id="a quantity in other words"),
        pytest.param(
            [{"name": "x", "a": 1}],
            [{"name": "new"}, {"name": "x", "a": 1, "b": 2}],
            [{"name": "x", "a": 1}],
            id="a map's list that grew",
        ),
        pytest.param(
            [{"port": 1}], [{"port": 1, "more": 2}], [{"port": 1}], id="a default in it"
        ),
        pytest.param(["a"], ["a", "b"], ["a", "b"], id="a list that grew"),
        pytest.param(["a"], [], [], id="a list that was emptied"),
    ],
)
def test_a_kept_child_has_what_was_applied_as_it_is_now(
    applied: object, seen: object, kept: object
) -> None:
    head = {"apiVersion": "v1", "kind": "Gadget", "metadata": {"name": "pi"}}
    note = json.dumps({**head, "spec": applied})
    metadata = {"name": "pi", "annotations": {LAST_APPLIED: note}}
    value = {**head, "metadata": metadata, "spec": seen}
    assert metacontroller.kept(value) == {**head, "spec": kept}
