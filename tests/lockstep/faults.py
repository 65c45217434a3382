# SPDX-License-Identifier: Apache-2.0
"""What an API server may refuse: patches of objects, by kind and by what is wrong.

Some are wrong by themselves, some only as a change; the servers say which. What one of
them takes says all that a server would fill in, as in `objects`.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.lockstep import pod_faults as pods
from tests.lockstep.objects import ROLE, Json
from tests.lockstep.pod_faults import LONG, Faults


def _metadata(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return {"metadata": fields}


def _owner(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    uid = "77777777-0000-4000-8000-000000000000"
    return {"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": uid, **fields}


_ANOTHER: Final = "88888888-0000-4000-8000-000000000000"

METADATA: Final[Faults] = {
    "what names begin with": _metadata(generateName="A_"),
    "label key": _metadata(labels={"a b": "c"}),
    "label prefix": _metadata(labels={"Ex_/b": "c"}),
    "label value": _metadata(labels={"a": "b c"}),
    "long label value": _metadata(labels={"a": LONG}),
    "annotation key": _metadata(annotations={"a b": "c"}),
    "annotation key in capitals": _metadata(annotations={"EXAMPLE.org/A": "c"}),
    "large annotations": _metadata(annotations={"a": "b" * 2**18}),
    "finalizer": _metadata(finalizers=["example.org/x", "a b"]),
    "finalizer of no domain": _metadata(finalizers=["example.org"]),
    "finalizer of a bad domain": _metadata(finalizers=["Ex_/a"]),
    "owner without a kind": _metadata(ownerReferences=[_owner(kind="")]),
    "owner without a name": _metadata(ownerReferences=[_owner(name="")]),
    "owner without a version": _metadata(ownerReferences=[_owner(apiVersion="")]),
    "two controllers": _metadata(
        ownerReferences=[_owner(controller=True), _owner(controller=True, uid=_ANOTHER)]
    ),
}


def _template(faults: Faults) -> Faults:
    return {name: {"spec": {"template": fault}} for name, fault in faults.items()}


def _rule(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    codes = {"operator": "In", "values": [1, 2], **fields.pop("onExitCodes", {})}
    rule = {"action": "FailJob", "onExitCodes": codes, **fields}
    policy = {"rules": [rule]}
    return pods.pod(podFailurePolicy=policy, podReplacementPolicy="Failed")


def _labelled(**labels: str) -> Json:
    return {"spec": {"template": {"metadata": {"labels": labels}}}}


# Labels that the server gives by itself: wrong in a new Job, and in older versions in
# more ways in one that is there.
OTHERS: Final[Faults] = {
    "label of another Job": {
        "spec": {
            "manualSelector": False,
            "template": {"metadata": {"labels": {"job-name": "other"}}},
        }
    },
    "uid of another Job": {
        "spec": {
            "manualSelector": False,
            "template": {
                "metadata": {"labels": {"batch.kubernetes.io/controller-uid": "x"}}
            },
        }
    },
}

JOBS: Final[Faults] = {
    **_template(pods.PODS),
    "pods that always restart": {
        "spec": {"template": pods.pod(restartPolicy="Always")}
    },
    "no parallelism": pods.pod(parallelism=-1),
    "no completions": pods.pod(completions=-1),
    "no retries": pods.pod(backoffLimit=-1),
    "no deadline": pods.pod(activeDeadlineSeconds=-1),
    "a deadline": pods.pod(activeDeadlineSeconds=10),
    "gone before its end": pods.pod(ttlSecondsAfterFinished=-1),
    "gone after its end": pods.pod(ttlSecondsAfterFinished=1),
    "completion mode": pods.pod(completionMode="Random"),
    "manager": pods.pod(managedBy="nobody"),
    "long manager": pods.pod(managedBy=f"example.org/{LONG}"),
    "manager of no domain": pods.pod(managedBy="A/b"),
    "replacement": pods.pod(podReplacementPolicy="Never"),
    "replacement of what goes": {
        "spec": {**_rule()["spec"], "podReplacementPolicy": "TerminatingOrFailed"}
    },
    "rule for a container": _rule(onExitCodes={"containerName": "other"}),
    "rule without an action": _rule(action=""),
    "rule of no action": _rule(action="Explode"),
    "rule of no operator": _rule(onExitCodes={"operator": "Near"}),
    "rule without an operator": _rule(onExitCodes={"operator": ""}),
    "rule for success": _rule(onExitCodes={"values": [0, 1]}),
    "rule for nothing": _rule(onExitCodes={"values": []}),
    "rule without an order": _rule(onExitCodes={"values": [2, 1]}),
    "rule for one code twice": _rule(onExitCodes={"values": [1, 1]}),
    "rule about nothing": pods.pod(
        podFailurePolicy={"rules": [{"action": "FailJob"}]},
        podReplacementPolicy="Failed",
    ),
    "rules with restarts": {
        "spec": {**_rule()["spec"], "template": pods.pod(restartPolicy="OnFailure")}
    },
    "template label": _labelled(a="b c"),
    "template label key": {"spec": {"template": _metadata(labels={"a b": "c"})}},
    "template annotation": {"spec": {"template": _metadata(annotations={"a b": "c"})}},
    "pods that it does not select": _labelled(app="other"),
    # What may not change.
    "other completions": pods.pod(completions=2),
    "another selector": {
        "spec": {
            "selector": {"matchLabels": {"app": "pi", "i": "p"}},
            "template": {"metadata": {"labels": {"i": "p"}}},
        }
    },
    "indexes": pods.pod(completionMode="Indexed"),
    "rules": _rule(),
    "another manager": pods.pod(managedBy="example.org/other"),
    "another image": {"spec": {"template": pods.container(image="example/mpi:2")}},
    "other nodes": {"spec": {"template": pods.pod(nodeSelector={"a": "b"})}},
    "other labels": _labelled(i="p"),
    "other resources": {
        "spec": {"template": pods.resources({"cpu": "1"}, {"cpu": "1"})}
    },
    "other tolerations": {
        "spec": {"template": pods.toleration(key="a", operator="Exists")}
    },
    "other gates": {
        "spec": {"template": pods.pod(schedulingGates=[{"name": "example.org/gate"}])}
    },
    "other retries": pods.pod(backoffLimit=3),
    "no pods for now": pods.pod(suspend=True),
}


def _service(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return {"spec": fields}


def _service_port(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return {"port": 22, "protocol": "TCP", "targetPort": 22, **fields}


SERVICES: Final[Faults] = {
    "selector": _service(selector={"a": "b c"}),
    "affinity": _service(sessionAffinity="Always"),
    "port": _service(ports=[_service_port(port=0)]),
    "port name": _service(ports=[_service_port(name="A")]),
    "port of no protocol": _service(ports=[_service_port(protocol="ICMP")]),
    "two ports without names": _service(
        ports=[_service_port(), _service_port(port=23, targetPort=23)]
    ),
    "two ports of a name": _service(
        ports=[_service_port(name="a"), _service_port(name="a", port=23)]
    ),
    "one port twice": _service(
        ports=[_service_port(name="a"), _service_port(name="b")]
    ),
}
# Not drawn: an address that one program has is no other's.
ELSEWHERE: Final = _service(clusterIP="10.0.0.99", clusterIPs=["10.0.0.99"])

_IMMUTABLE: Final[Json] = {"immutable": True}
CONFIG_MAPS: Final[Faults] = {
    "key": {"data": {"a b": "c"}},
    "key above": {"data": {"..": "c"}},
    "binary key": {"binaryData": {"a b": "cQ=="}},
    "large": {"data": {"a": "b" * (2**20 + 1)}},
    "no more changes": _IMMUTABLE,
    "changes again": {"immutable": False},
    "other data": {"data": {"k": "q"}},
    "other binary data": {"binaryData": {"l": "cQ=="}},
}
SECRETS: Final[Faults] = {
    "key": {"data": {"a b": "cQ=="}},
    "no more changes": _IMMUTABLE,
    "changes again": {"immutable": False},
    "other data": {"data": {"k": "cQ=="}},
    "another type": {"type": "example.org/other"},
    "no key": {"type": "kubernetes.io/ssh-auth"},
}


def _roles(launcher: Json | None = None, worker: Json | None = None) -> Json:
    roles = {"Launcher": launcher or {}, "Worker": worker or {}}
    return {"spec": {"mpiReplicaSpecs": roles}}


def _job(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return {"spec": fields}


def _policy(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return {"spec": {"runPolicy": fields}}


_CONTAINERLESS: Final[Json] = {"template": {"spec": {"containers": []}}}
MPIJOBS: Final[Faults] = {
    "clean pod policy": _policy(cleanPodPolicy="Some"),
    "negative TTL": _policy(ttlSecondsAfterFinished=-1),
    "negative deadline": _policy(activeDeadlineSeconds=-1),
    "negative retries": _policy(backoffLimit=-1),
    "manager": _policy(managedBy="example.org/other"),
    "our manager": _policy(managedBy="kubeflow.org/mpi-operator"),
    "MultiKueue": _policy(managedBy="kueue.x-k8s.io/multikueue"),
    "no manager": _policy(managedBy=None),
    "too few at once": _policy(schedulingPolicy={"minAvailable": 0}),
    "negative slots": _job(slotsPerWorker=-1),
    "implementation": _job(mpiImplementation="LAM"),
    "creation policy": _job(launcherCreationPolicy="Never"),
    "relative path": _job(sshAuthMountPath="ssh"),
    "path of the root": _job(sshAuthMountPath="//"),
    "path of the hostfile": _job(sshAuthMountPath="/etc/mpi/"),
    "long path": _job(sshAuthMountPath=f"/{'a' * 4096}"),
    "two launchers": _roles({"replicas": 2}),
    "no launcher": {"spec": {"mpiReplicaSpecs": {"Launcher": None}}},
    "no roles": {"spec": {"mpiReplicaSpecs": None}},
    "another role": {"spec": {"mpiReplicaSpecs": {"Driver": ROLE}}},
    "a launcher that always restarts": _roles({"restartPolicy": "Always"}),
    "workers that always restart": _roles(worker={"restartPolicy": "Always"}),
    "workers that sometimes restart": _roles(worker={"restartPolicy": "Sometimes"}),
    "no workers": _roles(worker={"replicas": 0}),
    "no container": _roles(worker=_CONTAINERLESS),
    "no template": _roles(worker={"template": None}),
    "container without a name": _roles(
        worker={"template": {"spec": {"containers": [{"image": "a"}]}}}
    ),
    "two containers of a name": _roles(
        worker={"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}
    ),
}

FAULTS: Final[Mapping[str, Faults]] = {
    "ConfigMap": {**METADATA, **CONFIG_MAPS},
    "Job": {**METADATA, **JOBS},
    "MPIJob": {**METADATA, **MPIJOBS},
    "Pod": {**METADATA, **pods.PODS, **pods.ONLY_PODS},
    "PodGroup": METADATA,
    "Secret": {**METADATA, **SECRETS},
    "Service": {**METADATA, **SERVICES},
}
