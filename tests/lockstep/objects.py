# SPDX-License-Identifier: Apache-2.0
"""The objects that programs are about, whole and in parts.

A whole object says all that the API server would fill in for it, so that both servers
hold the same: defaults are what the one in memory does not claim. What differs between
two objects of a kind may differ between two versions of one, too: the one in memory
does not validate.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from attrs import frozen

from mpijob.loose import mapping

Json = dict[str, Any]

Part = Callable[[Random], Json]
"""Draws some fields of an object, as an apply or a merge patch has them."""


@frozen
class Kind:
    """A kind that programs are about."""

    api_version: str
    name: str
    plural: str
    base: Json  # What every whole object says, but for what names it.
    parts: tuple[Part, ...]
    status: Part | None = None

    @property
    def identity(self) -> Json:
        """What an object says of its kind."""
        return {"apiVersion": self.api_version, "kind": self.name}

    @property
    def _root(self) -> str:
        return f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"

    @property
    def everywhere(self) -> str:
        """The path of all objects of the kind."""
        return f"{self._root}/{self.plural}"

    def path(self, namespace: str, *more: str) -> str:
        """Return the path of a collection, or of one object in it."""
        return "/".join((self._root, "namespaces", namespace, self.plural, *more))


def merged(base: Json, patch: Json) -> Json:
    """Return a value with a merge patch done; an object that it empties goes, too."""
    result = dict(base)
    for key, value in patch.items():
        old: Any = result.get(key)
        if value is None:
            result.pop(key, None)
        elif value == {**mapping(value)}:
            result[key] = merged({**mapping(old)}, value)
            if value and not result[key]:
                del result[key]
        else:
            result[key] = value
    return result


# Small pools: two draws are often of one field, and often equal.
TEXTS: Final = ("p", "q", "r")
NUMBERS: Final = (0, 1, 2)

# Which uid, or version, of an object: the last that was seen, the one before, or one
# that never was. An owner's stands for a uid of MPIJob a.
NOW, FORMER, BOGUS = "@now", "@former", "@bogus"


def texts(random: Random) -> Json:
    """Draw a few of a few keys."""
    keys = random.sample(("i", "j", "k"), random.choice((1, 1, 2)))
    return {key: random.choice(TEXTS) for key in keys}


def labels(random: Random) -> Json:
    return {"metadata": {"labels": texts(random)}}


def annotations(random: Random) -> Json:
    return {"metadata": {"annotations": texts(random)}}


def finalizers(random: Random) -> Json:
    names = random.sample(("example.org/x", "example.org/y"), random.choice((1, 1, 2)))
    return {"metadata": {"finalizers": names}}


def owners(random: Random) -> Json:
    """Draw owners; none of them is the controller, for there may be but one."""
    uids = random.sample((NOW, FORMER, BOGUS), random.choice((1, 1, 2)))
    entries = [
        {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "name": "a",
            "uid": uid,
            **({"blockOwnerDeletion": True} if random.random() < 0.3 else {}),
        }
        for uid in uids
    ]
    return {"metadata": {"ownerReferences": entries}}


METADATA: Final[tuple[Part, ...]] = (labels, labels, annotations, finalizers, owners)

CONTAINER: Final[Json] = {
    "name": "main",
    "image": "example/mpi:1",
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
POD: Final[Json] = {
    "containers": [CONTAINER],
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Never",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
_TOLERATED: Final = [
    {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for what in ("not-ready", "unreachable")
]
# What admission adds to a pod, over what its template has.
ADMITTED: Final[Json] = {
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
    "tolerations": _TOLERATED,
}
JOB: Final[Json] = {
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "completions": 1,
    "manualSelector": True,
    "parallelism": 1,
    "podReplacementPolicy": "TerminatingOrFailed",
    "selector": {"matchLabels": {"app": "pi"}},
    "suspend": False,
    "template": {"metadata": {"labels": {"app": "pi"}}, "spec": POD},
}
SERVICE: Final[Json] = {
    "clusterIP": "None",
    "clusterIPs": ["None"],
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "selector": {"app": "pi"},
    "sessionAffinity": "None",
    "type": "ClusterIP",
}
ROLE: Final[Json] = {
    "replicas": 1,
    "template": {"spec": {"containers": [{"name": "main", "image": "example/mpi:1"}]}},
}
MPIJOB: Final[Json] = {
    "launcherCreationPolicy": "AtStartup",
    "mpiImplementation": "OpenMPI",
    "mpiReplicaSpecs": {"Launcher": ROLE, "Worker": ROLE},
    "runLauncherAsWorker": False,
    "runPolicy": {"cleanPodPolicy": "None", "suspend": False},
    "slotsPerWorker": 1,
    "sshAuthMountPath": "/root/.ssh",
}


def image(random: Random) -> Json:
    image = f"example/mpi:{random.choice((1, 2))}"
    return {"spec": {"containers": [{**CONTAINER, "image": image}]}}


def suspend(random: Random) -> Json:
    return {"spec": {"suspend": random.random() < 0.5}}


def parallelism(random: Random) -> Json:
    return {"spec": {"parallelism": random.choice(NUMBERS)}}


def ports(random: Random) -> Json:
    chosen = random.sample((("ssh", 22), ("web", 80)), random.choice((1, 2)))
    ports = [
        {"name": name, "port": port, "protocol": "TCP", "targetPort": port}
        for name, port in chosen
    ]
    return {"spec": {"ports": ports}}


def selector(random: Random) -> Json:
    return {"spec": {"selector": {"app": random.choice(TEXTS)}}}


def data(random: Random) -> Json:
    return {"data": texts(random)}


def secret_data(random: Random) -> Json:
    return {"data": {key: f"{v}Q==" for key, v in texts(random).items()}}


def job_suspend(random: Random) -> Json:
    return {"spec": {"runPolicy": {"suspend": random.random() < 0.5}}}


def ttl(random: Random) -> Json:
    return {"spec": {"runPolicy": {"ttlSecondsAfterFinished": random.choice(NUMBERS)}}}


def replicas(random: Random) -> Json:
    worker = {"replicas": random.choice((1, 2))}
    return {"spec": {"mpiReplicaSpecs": {"Worker": worker}}}


def members(random: Random) -> Json:
    return {"spec": {"minMember": random.choice(NUMBERS)}}


def queue(random: Random) -> Json:
    return {"spec": {"queue": random.choice(TEXTS)}}


def phase(random: Random) -> Json:
    phase = random.choice(("Pending", "Running", "Running", "Succeeded", "Failed"))
    return {"phase": phase, "message": random.choice(TEXTS)}


_TIME: Final = "2030-01-01T00:00:01Z"
_JOB_CONDITIONS: Final = (
    "Complete",
    "Failed",
    "FailureTarget",
    "SuccessCriteriaMet",
    "Suspended",
)


def active(random: Random) -> Json:
    return {"active": random.choice((-1, None, 1, 1, 2, 2))}


def counts(random: Random) -> Json:
    field = random.choice(("failed", "ready", "succeeded", "terminating"))
    return {field: random.choice((-1, None, 1, 1, 2))}


def times(random: Random) -> Json:
    field = random.choice(("completionTime", "startTime", "startTime"))
    return {field: random.choice((None, *(f"2030-01-01T00:00:0{n}Z" for n in "012")))}


# What is said together, as it must be: a Job's end, and of what it is the end.
_ENDS: Final[tuple[Json, ...]] = (
    {"completionTime": _TIME, "conditions": ["SuccessCriteriaMet", "Complete"]},
    {"conditions": ["FailureTarget", "Failed"]},
)


def job_conditions(random: Random) -> Json:
    """Draw conditions, at random or such as go together."""
    types = random.sample(_JOB_CONDITIONS, random.choice((0, 1, 1, 2)))
    said: Json = random.choice((*_ENDS, *({"conditions": types},) * 2))
    conditions = [
        {
            "type": type_,
            "status": random.choice(("True", "True", "False")),
            "lastProbeTime": _TIME,
            "lastTransitionTime": _TIME,
        }
        for type_ in said["conditions"]
    ]
    return {**said, "conditions": conditions or None}


def job_state(random: Random) -> Json:
    parts = random.sample(
        (active, counts, times, job_conditions), random.choice((1, 1, 2))
    )
    found: Json = {}
    for part in parts:
        found = merged(found, part(random))
    return found


def job_status(random: Random) -> Json:
    condition = {
        "type": random.choice(("Created", "Running")),
        "status": random.choice(("True", "False")),
        "reason": random.choice(TEXTS),
        "message": "",
        "lastTransitionTime": "2030-01-01T00:00:00Z",
        "lastUpdateTime": "2030-01-01T00:00:00Z",
    }
    counts = {"Worker": {"active": random.choice(NUMBERS)}}
    return random.choice(({"conditions": [condition]}, {"replicaStatuses": counts}))


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("v1", "ConfigMap", "configmaps", {"data": {"i": "p"}}, (data,)),
        Kind(
            api_version="v1",
            name="Secret",
            plural="secrets",
            base={"data": {"i": "pQ=="}, "type": "Opaque"},
            parts=(secret_data,),
        ),
        Kind("v1", "Service", "services", {"spec": SERVICE}, (ports, selector)),
        Kind("v1", "Pod", "pods", {"spec": {**POD, **ADMITTED}}, (image,), phase),
        Kind(
            api_version="batch/v1",
            name="Job",
            plural="jobs",
            base={"metadata": {"labels": {"app": "pi"}}, "spec": JOB},
            parts=(suspend, parallelism),
            status=job_state,
        ),
        Kind(
            api_version="kubeflow.org/v2beta1",
            name="MPIJob",
            plural="mpijobs",
            base={"spec": MPIJOB},
            parts=(job_suspend, ttl, replicas),
            status=job_status,
        ),
        Kind(
            api_version="scheduling.volcano.sh/v1beta1",
            name="PodGroup",
            plural="podgroups",
            base={"spec": {"minMember": 1}},
            parts=(members, queue),
        ),
    )
}
