# SPDX-License-Identifier: Apache-2.0
"""What the API server refuses, and what may not change: tables.

Each group of rows is named by the function of Kubernetes 1.37.2 that it is taken from,
in its packages `apimachinery/pkg/api/validation` (metadata), `pkg/apis/core/validation`
(core) and `pkg/apis/batch/validation` (batch). What differs in an older version says
since when or until when it is so. A row is here if our operator, its users, Kueue or a
test can meet it; the tests against the real server (`tests/lockstep`) hold it to that.

A row names a place, and a check of what is there: `[]` stands for each entry of a list.
Where nothing is, nothing is checked, so what a server would fill in may be left out.
`validation` reads the tables, and nothing else does.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from mpijob_operator.simulation import changes, checks, job_checks, pod_checks
from mpijob_operator.simulation.changes import ChangeCheck
from mpijob_operator.simulation.checks import (
    ID,
    NOT_NEGATIVE,
    PORT,
    Check,
    Versioned,
    form,
    one_of,
    required,
)


@frozen
class Row(Versioned):
    """A place, and what must be true of the value there."""

    at: str
    check: Check
    kinds: str = ""  # Whose row it is; empty, everybody's who has the table.
    new: bool = False  # Looked at when an object is made, and at no change of it.


@frozen
class Kept(Versioned):
    """A place, and what may not become of the value there."""

    at: str
    check: ChangeCheck


Rows = Mapping[str, tuple[Row, ...]]

# What says whose an object is.
_OWNER: Final = ("apiVersion", "kind", "name", "uid")

_BEGINS: Final = checks.generated(checks.dns_subdomain)

# --- What is refused, whenever it is written ------------------------------------------

METADATA: Final[Rows] = {
    "metadata ValidateObjectMetaAccessor": (
        Row("name", form(checks.dns_subdomain), "ConfigMap Job MPIJob Pod PodGroup"),
        Row("name", form(checks.dns_subdomain), "Event Secret Workload"),
        Row("generateName", _BEGINS, "ConfigMap Pod Secret"),
        Row("generateName", _BEGINS, "Job", until=36),
        Row("generateName", _BEGINS, "Event Job MPIJob PodGroup Workload", new=True),
        Row("labels", checks.labels),
    ),
    "core ValidateServiceCreate": (
        Row("name", form(checks.dns_1035_label), "Service", until=35),
        Row("name", form(checks.dns_label), "Service", since=36),
        Row("generateName", checks.generated(checks.dns_label), "Service", new=True),
    ),
    "metadata ValidateAnnotations": (Row("annotations", checks.annotations),),
    "metadata ValidateOwnerReferences": (
        Row("ownerReferences[]", required(*_OWNER), since=37),
        Row("ownerReferences", checks.owner_fields(*_OWNER), until=36),
        Row("ownerReferences", checks.owners),
    ),
    "metadata ValidateFinalizers": (Row("finalizers", checks.qualified_names),),
    "core ValidateObjectMeta, validateKubeFinalizerName": (
        Row("finalizers[]", checks.finalizer, "ConfigMap Job Pod Secret Service"),
    ),
}

CONTAINER: Final[Rows] = {
    "core validateContainerCommon": (
        Row("", required("name", "image")),
        Row("name", form(checks.dns_label)),
    ),
    "core validateContainerOnlyForPod": (Row("image", form(checks.trimmed), "Pod"),),
    "core validatePullPolicy": (
        Row("imagePullPolicy", one_of("Always", "IfNotPresent", "Never")),
    ),
    "core validateContainerPorts": (
        Row("ports", checks.unique("name")),
        Row("ports[]", required("containerPort")),
        Row("ports[].containerPort", checks.port),
        Row("ports[].hostPort", checks.port),
        Row("ports[].name", form(checks.port_name)),
        Row("ports[].protocol", one_of("SCTP", "TCP", "UDP")),
    ),
    "core ValidateEnv": (
        Row("env[]", required("name")),
        Row("env[]", pod_checks.variable),
        Row("env[].name", form(checks.env_name)),
    ),
    "core ValidateVolumeMounts": (
        Row("volumeMounts[]", required("name", "mountPath")),
    ),
    "core ValidateContainerResourceRequirements": (
        Row("resources", pod_checks.resources),
    ),
    "core ValidateSecurityContext": (
        Row("securityContext.runAsUser", ID),
        Row("securityContext.runAsGroup", ID),
    ),
    "core validateProbe": tuple(
        row
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for row in (
            Row(probe, pod_checks.probe),
            Row(f"{probe}.initialDelaySeconds", NOT_NEGATIVE),
            Row(f"{probe}.timeoutSeconds", NOT_NEGATIVE),
            Row(f"{probe}.periodSeconds", NOT_NEGATIVE),
            Row(f"{probe}.failureThreshold", NOT_NEGATIVE),
        )
    ),
}

POD: Final[Rows] = {
    "core ValidatePodSpec": (
        Row("", required("containers")),
        Row("activeDeadlineSeconds", checks.between(1, 2**31 - 1)),
        Row("hostname", form(checks.dns_label)),
        Row("nodeSelector", checks.labels),
        Row("serviceAccountName", form(checks.dns_subdomain)),
        Row("subdomain", form(checks.dns_label)),
    ),
    "core validateContainers, validateInitContainers": (
        Row("", pod_checks.container_names),
        Row("", pod_checks.mounts),
    ),
    "core ValidateVolumes": (
        Row("volumes", checks.unique("name")),
        Row("volumes[]", required("name")),
        Row("volumes[]", pod_checks.volume),
        Row("volumes[].name", form(checks.dns_label)),
    ),
    "core validatePodHostNetworkDeps": (Row("", pod_checks.host_ports),),
    "core validateRestartPolicy": (
        Row("restartPolicy", one_of("Always", "OnFailure", "Never")),
    ),
    "core validateDNSPolicy": (
        Row(
            "dnsPolicy",
            one_of("ClusterFirstWithHostNet", "ClusterFirst", *("Default", "None")),
        ),
    ),
    "core validatePodDNSConfig": (
        Row("", pod_checks.nameservers),
        Row("dnsConfig.searches", pod_checks.searches),
        Row("dnsConfig.searches[]", form(checks.search_domain)),
    ),
    "core ValidateTolerations": (
        Row("tolerations[]", pod_checks.toleration),
        Row(
            "tolerations[].effect",
            one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
        ),
        Row("tolerations[].key", form(checks.qualified_name)),
        Row("tolerations[].operator", one_of("Equal", "Exists")),
    ),
    "core validateSchedulingGates": (Row("schedulingGates", pod_checks.gates),),
    "core validatePodSpecSecurityContext": (
        Row("securityContext.fsGroup", ID),
        Row("securityContext.runAsGroup", ID),
        Row("securityContext.runAsUser", ID),
    ),
}

JOB: Final[Rows] = {
    "batch validateJobSpec": (
        Row("activeDeadlineSeconds", NOT_NEGATIVE),
        Row("backoffLimit", NOT_NEGATIVE),
        Row("completionMode", one_of("NonIndexed", "Indexed")),
        Row("completions", NOT_NEGATIVE),
        Row("managedBy", form(checks.manager)),
        Row("managedBy", checks.no_longer),
        Row("parallelism", NOT_NEGATIVE),
        Row("ttlSecondsAfterFinished", NOT_NEGATIVE),
        Row("", job_checks.restarts),
    ),
    "batch ValidateJobSpec": (Row("", job_checks.selects),),
    "batch validatePodReplacementPolicy": (Row("", job_checks.replacement),),
    "batch validatePodFailurePolicy": (
        Row("", job_checks.failure_rules),
        Row("podFailurePolicy.rules[]", required("action")),
        Row(
            "podFailurePolicy.rules[].action",
            one_of("Count", "FailIndex", "FailJob", "Ignore"),
        ),
        Row("podFailurePolicy.rules[].onExitCodes", required("operator")),
        Row("podFailurePolicy.rules[].onExitCodes.operator", one_of("In", "NotIn")),
    ),
    "core ValidatePodTemplateSpec": (Row("template", job_checks.template_metadata),),
}

OBJECTS: Final[Mapping[str, Rows]] = {
    "ConfigMap": {
        "core ValidateConfigMap": (
            Row("", job_checks.config_map),
            Row("data", checks.data_keys),
            Row("binaryData", checks.data_keys),
        ),
    },
    "Event": {
        "core legacyValidateEvent": (
            Row("", required("action", "reason", "reportingController")),
            Row("", required("reportingInstance")),
            Row("reportingController", form(checks.qualified_name)),
            Row("", job_checks.event),
        ),
        "core ValidateEventCreate": (Row("", required("eventTime")),),
    },
    "Job": {
        "batch validateGeneratedSelector": (
            Row("", job_checks.generated_labels, until=36),
            Row("", job_checks.generated_labels, new=True, since=37),
        ),
    },
    "Secret": {
        "core ValidateSecret": (
            Row("", job_checks.secret),
            Row("data", checks.data_keys),
        ),
    },
    "Service": {
        "core validateService": (
            Row("spec", job_checks.ports),
            Row("spec.ports", checks.unique("name")),
            Row("spec.ports", checks.unique("port", "protocol")),
            Row("spec.ports[].name", form(checks.dns_label)),
            Row("spec.ports[].port", PORT),
            Row("spec.ports[].protocol", one_of("SCTP", "TCP", "UDP")),
            Row("spec.selector", checks.labels),
            Row("spec.sessionAffinity", one_of("ClientIP", "None")),
        ),
    },
}

# --- What may not change --------------------------------------------------------------

CHANGES: Final[Mapping[str, tuple[Kept, ...]]] = {
    # metadata ValidateObjectMetaAccessorUpdate
    "": (
        Kept("metadata.uid", changes.fixed),
        Kept("metadata.deletionTimestamp", changes.only_servers),
        Kept("metadata.deletionGracePeriodSeconds", changes.only_servers),
        Kept("metadata.finalizers", changes.no_more),
    ),
    # core ValidateConfigMapUpdate
    "ConfigMap": (
        Kept("immutable", changes.frozen_data),
        Kept("data", changes.frozen_data),
        Kept("binaryData", changes.frozen_data),
    ),
    # batch ValidateJobSpecUpdate
    "Job": (
        Kept("spec.completions", changes.completions),
        Kept("spec.selector", changes.fixed),
        Kept("spec.completionMode", changes.fixed),
        Kept("spec.podFailurePolicy", changes.fixed),
        Kept("spec.managedBy", changes.fixed),
        # Features MutablePodResourcesForSuspendedJobs and
        # MutableSchedulingDirectivesForSuspendedJobs, on since 1.36.
        Kept("spec.template", changes.job_template, until=35),
        Kept("spec.template", changes.job_template_again, since=36),
    ),
    # core ValidatePodUpdate
    "Pod": (Kept("spec", changes.pod_spec),),
    # core ValidateSecretUpdate
    "Secret": (
        Kept("type", changes.fixed),
        Kept("immutable", changes.frozen_data),
        Kept("data", changes.frozen_data),
    ),
    # core validateUpgradeDowngradeClusterIPs
    "Service": (Kept("spec.clusterIP", changes.cluster_ip),),
}
