# SPDX-License-Identifier: Apache-2.0
"""What may be wrong with a pod or a Job by two fields that do not go together.

More words of the table in `validation`: see `checks`.
"""

from collections.abc import Iterator
from typing import Final

from mpijob.loose import Manifest, integer, mapping, mappings, sequence, strings
from mpijob_operator.simulation.checks import (
    DUPLICATE,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    Fault,
    annotations,
    labels,
    on_object,
)


@on_object
def template_metadata(template: Manifest) -> Iterator[Fault]:
    """Yield what is wrong with the metadata of a template, one step too high."""
    metadata = mapping(template.get("metadata"))
    for key, check in (("labels", labels), ("annotations", annotations)):
        for fault in check(metadata.get(key)):
            yield fault._replace(below=f".{key}")


# --- A Job ------------------------------------------------------------------------

_RESTARTS: Final = ("OnFailure", "Never")


@on_object
def restarts(spec: Manifest) -> Iterator[Fault]:
    """Yield that a Job's pods would start again otherwise than a Job can count."""
    pod = mapping(mapping(spec.get("template")).get("spec"))
    policy, at = pod.get("restartPolicy") or "Always", ".template.spec.restartPolicy"
    if policy == "Always":
        yield Fault(at, REQUIRED, "valid values: OnFailure, Never")
    elif policy not in _RESTARTS:
        yield Fault(at, NOT_SUPPORTED, f"{policy!r:.80}: supported: OnFailure, Never")
    elif policy != "Never" and spec.get("podFailurePolicy"):
        yield Fault(at, INVALID, "only Never is supported with podFailurePolicy")


@on_object
def replacement(spec: Manifest) -> Iterator[Fault]:
    """Yield that a Job would replace pods otherwise than it can."""
    policy = spec.get("podReplacementPolicy") or "Failed"
    only = (
        ("Failed",)
        if spec.get("podFailurePolicy")
        else ("Failed", "TerminatingOrFailed")
    )
    if policy not in only:
        yield Fault(".podReplacementPolicy", NOT_SUPPORTED, f"{policy!r:.80}")


@on_object
def selects(spec: Manifest) -> Iterator[Fault]:
    """Yield that a Job says itself which pods are its own, and makes others."""
    wanted = strings(mapping(spec.get("selector")).get("matchLabels"))
    given = mapping(
        mapping(mapping(spec.get("template")).get("metadata")).get("labels")
    )
    if spec.get("manualSelector") is True and not wanted.items() <= given.items():
        at = ".template.metadata.labels"
        yield Fault(at, INVALID, "selector does not match template labels")


# By this label a Job finds its pods.
_SELECTED: Final = "batch.kubernetes.io/controller-uid"
_UIDS: Final = ("controller-uid", _SELECTED)
_NAMES: Final = ("job-name", "batch.kubernetes.io/job-name")


@on_object
def generated_labels(job: Manifest) -> Iterator[Fault]:
    """Yield each label that the server gives to a Job's pods, given otherwise."""
    spec, metadata = mapping(job.get("spec")), mapping(job.get("metadata"))
    if spec.get("manualSelector") is True:
        return
    own = {key: metadata.get("uid") for key in _UIDS}
    own |= {key: metadata.get("name") for key in _NAMES}
    given = mapping(
        mapping(mapping(spec.get("template")).get("metadata")).get("labels")
    )
    for key, value in own.items():
        if key in given and given[key] != value:
            at = ".spec.template.metadata.labels"
            yield Fault(f"{at}[{key}]", INVALID, f"must be {value!r}")
            if key == _SELECTED:
                yield Fault(at, INVALID, "selector does not match template labels")
    wanted = mapping(mapping(spec.get("selector")).get("matchLabels"))
    if not wanted.items() <= own.items():
        yield Fault(".spec.selector", INVALID, "selector not auto-generated")


@on_object
def failure_rules(spec: Manifest) -> Iterator[Fault]:
    """Yield each rule of a podFailurePolicy that can match nothing."""
    pod = mapping(mapping(spec.get("template")).get("spec"))
    parts = (mappings(pod.get(part)) for part in ("containers", "initContainers"))
    names = {container.get("name") for part in parts for container in part}
    rules = mappings(mapping(spec.get("podFailurePolicy")).get("rules"))
    for index, rule in enumerate(rules):
        at = f".podFailurePolicy.rules[{index}]"
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if bool(codes) == bool(conditions):
            yield Fault(
                at, INVALID, "one of onExitCodes and onPodConditions is required"
            )
        if codes:
            name = mapping(codes).get("containerName")
            if name is not None and name not in names:
                words = "must be one of the container names in the pod template"
                yield Fault(f"{at}.onExitCodes.containerName", INVALID, words)
            yield from _codes(f"{at}.onExitCodes.values", mapping(codes))


def _codes(at: str, rule: Manifest) -> Iterator[Fault]:
    values = [
        value for value in sequence(rule.get("values")) if integer(value) is not None
    ]
    if not values:
        yield Fault(at, INVALID, "at least one value is required")
    if values != sorted(values):
        yield Fault(at, INVALID, "must be ordered")
    for index, value in enumerate(values):
        if not value and rule.get("operator") == "In":
            yield Fault(f"{at}[{index}]", INVALID, "must not be 0 for the In operator")
        if value in values[:index]:
            yield Fault(f"{at}[{index}]", DUPLICATE, str(value))


# --- What others hold -------------------------------------------------------------

_DATA_MAX: Final = 2**20


@on_object
def config_map(value: Manifest) -> Iterator[Fault]:
    """Yield that a ConfigMap is larger than the cluster will keep."""
    parts = (strings(value.get(part)) for part in ("data", "binaryData"))
    size = sum(len(text.encode()) for part in parts for text in part.values())
    if size > _DATA_MAX:
        yield Fault("[]", TOO_LONG, f"may not be more than {_DATA_MAX} bytes")


# What a Secret of a type must hold.
_HOLDS: Final = {"kubernetes.io/ssh-auth": "ssh-privatekey"}


@on_object
def secret(value: Manifest) -> Iterator[Fault]:
    """Yield that a Secret lacks what its type is for."""
    key = _HOLDS.get(strings(value).get("type", ""))
    if key and not mapping(value.get("data")).get(key):
        yield Fault(f".data[{key}]", REQUIRED)


@on_object
def ports(spec: Manifest) -> Iterator[Fault]:
    """Yield each port of a Service among others that has no name; one it must have."""
    given = mappings(spec.get("ports"))
    if not given and spec.get("clusterIP") != "None":
        yield Fault(".ports", REQUIRED)
    for index, port in enumerate(given if len(given) > 1 else ()):
        if not port.get("name"):
            yield Fault(f".ports[{index}].name", REQUIRED)


# How many characters each field of an event may have, and what it is called then.
_EVENT_MAX: Final = {
    "action": (128, "action"),
    "note": (1024, "message"),
    "reason": (128, "reason"),
    "reportingInstance": (128, "reportingInstance"),
}


@on_object
def event(value: Manifest) -> Iterator[Fault]:
    """Yield what is too long in an event, and that it is of no type."""
    given = strings(value)
    for field, (most, name) in _EVENT_MAX.items():
        if len(given.get(field, "").encode()) > most:
            yield Fault(f".{name}", INVALID, f"can have at most {most} characters")
    if given.get("type") not in ("Normal", "Warning"):
        yield Fault(".type", INVALID, "has invalid value")
