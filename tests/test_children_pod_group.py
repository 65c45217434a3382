# SPDX-License-Identifier: Apache-2.0
"""The PodGroup in each scheduler's own terms, and what the pods say of it."""

from typing import Any

import pytest

from mpijob import children
from mpijob.job import MPIJob
from mpijob.world import World
from tests.builders import WORLD, a_job, a_template, cases, spec_of, world
from tests.test_children import launcher, metadata, worker

POLICY = {
    "schedulingPolicy": {
        "minAvailable": 2,
        "queue": "q",
        "minResources": {"cpu": "5"},
        "priorityClass": "high",
        "scheduleTimeoutSeconds": 60,
    }
}
QUEUED = {"annotations": {"scheduling.volcano.sh/queue-name": "annotated"}}
ASKED = {"resources": {"requests": {"cpu": 2}}}


def group(job: MPIJob, scheduler: str, world: World = WORLD) -> dict[str, Any]:
    manifest = dict(children.pod_group(job, scheduler, world))
    assert manifest.pop("metadata") == metadata("pi")
    assert manifest.pop("kind") == "PodGroup"
    return manifest


@pytest.mark.rule("B7.1", "B7.4")
@cases("job, spec", {
    "the least": (a_job(workers=3), {"minMember": 4}),
    "all that is asked": (a_job(workers=3, policy=POLICY), {"minMember": 2,
        "queue": "q", "priorityClassName": "high", "minResources": {"cpu": "5"}}),
    "the queue of the annotation": (a_job(metadata=QUEUED), {"minMember": 2,
        "queue": "annotated"}),
    "the queue of the policy first": (a_job(metadata=QUEUED,
        policy={"schedulingPolicy": {"queue": "q"}}), {"minMember": 2, "queue": "q"}),
    "what the pods ask for": (a_job(worker={"template": a_template(ASKED,
        priorityClassName="low")}), {"minMember": 2, "minResources": {"cpu": "2"},
        "priorityClassName": "low"}),
})  # fmt: skip
def test_volcano_has_its_fields(job: MPIJob, spec: dict[str, Any]) -> None:
    api = "scheduling.volcano.sh/v1beta1"
    assert group(job, "volcano") == {"apiVersion": api, "spec": spec}


@pytest.mark.rule("B7.1")
@cases("job, spec", {
    "the least": (a_job(workers=3, metadata=QUEUED), {"minMember": 4,
        "scheduleTimeoutSeconds": 0}),
    "all that is asked": (a_job(workers=3, policy=POLICY), {"minMember": 2,
        "scheduleTimeoutSeconds": 60, "minResources": {"cpu": "5"}}),
})  # fmt: skip
def test_any_other_scheduler_is_of_the_plugins(
    job: MPIJob, spec: dict[str, Any]
) -> None:
    api = "scheduling.x-k8s.io/v1alpha1"
    assert group(job, "coscheduling") == {"apiVersion": api, "spec": spec}


GANG = {"gang": {"minCount": 4}}
REFERENCE = {"workloadName": "pi", "templateName": "mpijob"}
OLD_REFERENCE = {"workloadName": "pi", "podGroupTemplateName": "mpijob"}


@pytest.mark.rule("B7.6")
@pytest.mark.parametrize(("version", "reference"), [
    ("v1beta1", {"workloadRef": REFERENCE}),
    ("v1alpha2", {"podGroupTemplateRef": {"workload": OLD_REFERENCE}}),
])  # fmt: skip
def test_kubernetes_has_gangs_of_its_own(
    version: str, reference: dict[str, Any]
) -> None:
    job, served = a_job(workers=3), world(workload_api=version)
    api = f"scheduling.k8s.io/{version}"
    assert group(job, "kubernetes", served) == {
        "apiVersion": api,
        "spec": {"schedulingPolicy": GANG, **reference},
    }
    controller = {"apiGroup": "kubeflow.org", "kind": "MPIJob", "name": "pi"}
    assert children.workload(job, served) == {
        "apiVersion": api,
        "kind": "Workload",
        "metadata": metadata("pi"),
        "spec": {
            "controllerRef": controller,
            "podGroupTemplates": [{"name": "mpijob", "schedulingPolicy": GANG}],
        },
    }


@pytest.mark.rule("B7.1", "B7.6")
@pytest.mark.parametrize(
    ("scheduler", "name", "labels", "annotations", "scheduling_group"), [
    ("none", None, {}, {}, None),
    ("volcano", "volcano", {}, {"scheduling.k8s.io/group-name": "pi"}, None),
    ("sp", "sp", {"scheduling.x-k8s.io/pod-group": "pi"}, {}, None),
    ("kubernetes", None, {}, {}, {"podGroupName": "pi"}),
])  # fmt: skip
def test_pods_say_of_which_group_they_are(
    scheduler: str,
    name: str | None,
    labels: dict[str, str],
    annotations: dict[str, str],
    scheduling_group: object,
) -> None:
    job = a_job()
    pod, template = worker(job, scheduler), launcher(job, scheduler)["spec"]["template"]
    plain, plain_template = worker(job), launcher(job)["spec"]["template"]
    for one, other in ((pod, plain), (template, plain_template)):
        assert one["spec"].get("schedulerName") == name
        assert one["spec"].get("schedulingGroup") == scheduling_group
        for key, added in (("labels", labels), ("annotations", annotations)):
            assert one["metadata"][key] == {**other["metadata"][key], **added}
    assert spec_of(pod)["containers"] == spec_of(plain)["containers"]


@pytest.mark.rule("B7.1")
def test_the_gang_scheduler_overrides_the_templates() -> None:
    job = a_job(worker={"template": a_template(schedulerName="mine")})
    assert spec_of(worker(job))["schedulerName"] == "mine"
    assert spec_of(worker(job, "volcano"))["schedulerName"] == "volcano"
    assert spec_of(worker(job, "kubernetes"))["schedulerName"] == "mine"
