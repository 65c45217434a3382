# SPDX-License-Identifier: Apache-2.0
"""What an API server may refuse of a pod, or of the template of one: see `faults`."""

from collections.abc import Mapping
from typing import Any, Final

from tests.lockstep.objects import ADMITTED, CONTAINER, Json

Faults = Mapping[str, Json]

LONG: Final = "a" * 64


def pod(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return {"spec": fields}


def container(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return pod(containers=[{**CONTAINER, **fields}])


def resources(limits: Json | None = None, requests: Json | None = None) -> Json:
    parts = {"limits": limits, "requests": requests}
    return container(resources={k: v for k, v in parts.items() if v})


def _port(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return {"containerPort": 22, "protocol": "TCP", **fields}


def _mount(name: str = "v", path: str = "/v") -> Json:
    return {"name": name, "mountPath": path}


_VOLUME: Final[Json] = {"name": "v", "emptyDir": {}}
_PROBE: Final[Json] = {
    "failureThreshold": 3,
    "periodSeconds": 10,
    "successThreshold": 1,
    "tcpSocket": {"port": 22},
    "timeoutSeconds": 1,
}


def _secret_volume(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    secret = {"secretName": "s", "defaultMode": 0o644, **fields}
    return pod(volumes=[{"name": "v", "secret": secret}])


def _init(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return pod(initContainers=[{**CONTAINER, "name": "first", **fields}])


def toleration(**fields: Any) -> Json:  # noqa: ANN401 - JSON.
    return pod(tolerations=[*ADMITTED["tolerations"], fields])


_CONTAINERS: Final[Faults] = {
    "no image": container(image=""),
    "container name": container(name="a.b"),
    "long container name": container(name=LONG),
    "container without a name": container(name=""),
    "pull policy": container(imagePullPolicy="Sometimes"),
    "port name": container(ports=[_port(name="a--b")]),
    "long port name": container(ports=[_port(name="a" * 16)]),
    "port name of digits": container(ports=[_port(name="22")]),
    "port name twice": container(
        ports=[_port(name="a"), _port(name="a", containerPort=23)]
    ),
    "no port": container(ports=[_port(containerPort=0)]),
    "large port": container(ports=[_port(containerPort=65536)]),
    "negative port": container(ports=[_port(containerPort=-1)]),
    "host port": container(ports=[_port(hostPort=70000)]),
    "port of no protocol": container(ports=[_port(protocol="ICMP")]),
    "variable without a name": container(env=[{"name": "", "value": "a"}]),
    "variable name": container(env=[{"name": "A=B", "value": "a"}]),
    "variable from nowhere": container(env=[{"name": "A", "valueFrom": {}}]),
    "variable from two": container(
        env=[
            {
                "name": "A",
                "value": "b",
                "valueFrom": {"configMapKeyRef": {"name": "c", "key": "d"}},
            }
        ]
    ),
    "mount of nothing": container(volumeMounts=[_mount()]),
    "mount without a path": pod(
        volumes=[_VOLUME], containers=[{**CONTAINER, "volumeMounts": [_mount(path="")]}]
    ),
    "two mounts at a place": pod(
        volumes=[_VOLUME, {**_VOLUME, "name": "w"}],
        containers=[{**CONTAINER, "volumeMounts": [_mount(), _mount("w")]}],
    ),
    "more than the limit": resources({"cpu": "1"}, {"cpu": "2"}),
    "negative limit": resources({"cpu": "-1"}, {"cpu": "-1"}),
    "unknown resource": resources({"gpu": "1"}, {"gpu": "1"}),
    "unlimited GPUs": resources(requests={"nvidia.com/gpu": "1"}),
    "fewer GPUs than the limit": resources(
        {"nvidia.com/gpu": "2"}, {"nvidia.com/gpu": "1"}
    ),
    "half a GPU": resources({"nvidia.com/gpu": "1500m"}, {"nvidia.com/gpu": "1500m"}),
    "user": container(securityContext={"runAsUser": -1}),
    "group": container(securityContext={"runAsGroup": 2**31}),
    "probe of two things": container(
        readinessProbe={**_PROBE, "exec": {"command": ["true"]}}
    ),
    **{
        f"{probe} {field}": container(**{probe: {**_PROBE, field: value}})
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for field, value in (
            ("failureThreshold", -1),
            ("initialDelaySeconds", -1),
            ("periodSeconds", -1),
            ("tcpSocket", None),
            ("timeoutSeconds", -1),
        )
    },
    "init container of the same name": _init(name="main"),
    "init container without an image": _init(image=""),
}

PODS: Final[Faults] = {
    **_CONTAINERS,
    "no container": pod(containers=[]),
    "volume name": pod(volumes=[{**_VOLUME, "name": "A"}]),
    "volume twice": pod(volumes=[_VOLUME, _VOLUME]),
    "volume without a name": pod(volumes=[{**_VOLUME, "name": ""}]),
    "volume of two kinds": pod(
        volumes=[
            {
                **_VOLUME,
                "configMap": {"name": "c", "defaultMode": 0o644},
            }
        ]
    ),
    "volume of no Secret": _secret_volume(secretName=""),
    "volume of a mode": _secret_volume(defaultMode=0o1000),
    "volume key": _secret_volume(items=[{"key": "", "path": "p"}]),
    "volume path": _secret_volume(items=[{"key": "k", "path": ""}]),
    "volume path above": _secret_volume(items=[{"key": "k", "path": "../p"}]),
    "volume path from the root": _secret_volume(items=[{"key": "k", "path": "/p"}]),
    "volume file mode": _secret_volume(items=[{"key": "k", "path": "p", "mode": -1}]),
    "volume of no ConfigMap": pod(
        volumes=[{"name": "v", "configMap": {"name": "", "defaultMode": 0o644}}]
    ),
    "volume of no claim": pod(
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": ""}}]
    ),
    "volume of no path": pod(volumes=[{"name": "v", "hostPath": {"path": ""}}]),
    "mount of a bad volume": pod(
        volumes=[{**_VOLUME, "name": "A"}],
        containers=[{**CONTAINER, "volumeMounts": [_mount("A")]}],
    ),
    "restart policy": pod(restartPolicy="Sometimes"),
    "DNS policy": pod(dnsPolicy="Elsewhere"),
    "no DNS at all": pod(dnsPolicy="None"),
    "no name server": pod(dnsPolicy="None", dnsConfig={"searches": ["a.b"]}),
    "search path": pod(dnsConfig={"searches": ["a b"]}),
    "search path with an underscore": pod(dnsConfig={"searches": ["_a.b."]}),
    "many search paths": pod(dnsConfig={"searches": [f"a{i}" for i in range(33)]}),
    "long search paths": pod(
        dnsConfig={"searches": [f"{'a' * 60}.{'b' * 60}.x{i}" for i in range(20)]}
    ),
    "node label": pod(nodeSelector={"a": "b c"}),
    "node label key": pod(nodeSelector={"a b": "c"}),
    "host name": pod(hostname="A"),
    "long host name": pod(hostname=LONG),
    "subdomain": pod(subdomain="a.b"),
    "no time at all": pod(activeDeadlineSeconds=0),
    "all of time": pod(activeDeadlineSeconds=2**31),
    "toleration of anything": toleration(effect="NoExecute"),
    "toleration of a value": toleration(key="a", operator="Exists", value="b"),
    "toleration of a bad value": toleration(key="a", operator="Equal", value="b c"),
    "toleration for a while": toleration(
        key="a", operator="Exists", effect="NoSchedule", tolerationSeconds=1
    ),
    "toleration operator": toleration(key="a", operator="Near"),
    "toleration effect": toleration(key="a", operator="Exists", effect="Nothing"),
    "toleration key": toleration(key="a b", operator="Exists"),
    "gate": pod(schedulingGates=[{"name": "a b"}]),
    "host port in its node's network": pod(
        hostNetwork=True,
        containers=[{**CONTAINER, "ports": [_port(hostPort=23)]}],
    ),
    "service account": pod(serviceAccountName="A_b"),
    "file system group": pod(securityContext={"fsGroup": -1}),
    "pod user": pod(securityContext={"runAsUser": -1}),
    "pod group": pod(securityContext={"runAsGroup": -1}),
}

# Only of a pod, not of a template.
ONLY_PODS: Final[Faults] = {
    "image with a space": container(image="a "),
    # What may not change.
    "another grace": pod(terminationGracePeriodSeconds=31),
    "another command": container(command=["true"]),
    "another container": pod(containers=[CONTAINER, {**CONTAINER, "name": "more"}]),
    "another host name": pod(hostname="h"),
    "a deadline": pod(activeDeadlineSeconds=20),
    "a longer deadline": pod(activeDeadlineSeconds=30),
    "no deadline": pod(activeDeadlineSeconds=None),
    "a negative deadline": pod(activeDeadlineSeconds=-1),
    "another toleration": toleration(key="a", operator="Exists"),
    "a gate": pod(schedulingGates=[{"name": "example.org/gate"}]),
    "no gates": pod(schedulingGates=None),
    "a node label": pod(nodeSelector={"a": "b"}),
    "another node label": pod(nodeSelector={"a": "c"}),
    "a node label and a gate": pod(
        nodeSelector={"a": "b"}, schedulingGates=[{"name": "example.org/gate"}]
    ),
}
