# SPDX-License-Identifier: Apache-2.0
"""The PodGroup, in each gang scheduler's own terms (B7.1, B7.6)."""

from mpijob import gang, names
from mpijob.job import API_VERSION, KIND, MPIJob
from mpijob.loose import Manifest
from mpijob.world import KUBERNETES, VOLCANO, World

# The one template of a Workload: all pods of a job are one gang.
_TEMPLATE = "mpijob"


def pod_group(job: MPIJob, scheduler: str, world: World) -> Manifest:
    """Return the PodGroup; only fields that we own, for volcano writes here too."""
    api = names.pod_group_api(scheduler, world.settings.workload_api)
    head = names.head(job, api, "PodGroup", names.service(job))
    return {**head, "spec": _spec(job, scheduler, world)}


def workload(job: MPIJob, world: World) -> Manifest:
    """Return the `scheduling.k8s.io` Workload that the PodGroup is made after."""
    template = {"name": _TEMPLATE, "schedulingPolicy": _policy(job)}
    controller = {
        "apiGroup": API_VERSION.partition("/")[0],
        "kind": KIND,
        "name": job.name,
    }
    spec = {"controllerRef": controller, "podGroupTemplates": [template]}
    api = names.pod_group_api(KUBERNETES, world.settings.workload_api)
    return {**names.head(job, api, "Workload", names.service(job)), "spec": spec}


def _spec(job: MPIJob, scheduler: str, world: World) -> Manifest:
    if scheduler == KUBERNETES:
        return {"schedulingPolicy": _policy(job), **_workload_ref(job, world)}
    policy = job.run_policy.scheduling_policy
    spec: dict[str, object] = {"minMember": gang.min_member(job)}
    if resources := gang.min_resources(job, world):
        spec["minResources"] = resources
    if scheduler != VOLCANO:
        spec["scheduleTimeoutSeconds"] = policy.schedule_timeout_seconds or 0
        return spec
    if queue := policy.queue or job.annotations.get(names.VOLCANO_QUEUE, ""):
        spec["queue"] = queue
    if priority := gang.group_priority_class(job):
        spec["priorityClassName"] = priority
    return spec


def _policy(job: MPIJob) -> Manifest:
    return {"gang": {"minCount": gang.min_member(job)}}


def _workload_ref(job: MPIJob, world: World) -> Manifest:
    """Return the reference to the Workload, as the served version spells it."""
    if world.settings.workload_api == "v1alpha2":
        reference = {"workloadName": job.name, "podGroupTemplateName": _TEMPLATE}
        return {"podGroupTemplateRef": {"workload": reference}}
    return {"workloadRef": {"workloadName": job.name, "templateName": _TEMPLATE}}
