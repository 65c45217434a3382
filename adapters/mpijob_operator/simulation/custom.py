# SPDX-License-Identifier: Apache-2.0
"""What the API server refuses of an MPIJob: the schema of our CRD, and its rules.

The schema is the CRD's own. Its rules in CEL are here in Python, one for one and in
their order, each under the message by which it is known; a test holds the two lists to
each other. The functions of Kubernetes 1.37.2 are `Validate` and `ValidateUpdate` of
`customresource/strategy` in apiextensions-apiserver: what was wrong before and did not
change is let pass.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

import mpijob_crd
from mpijob.loose import Manifest, integer, mapping, text
from mpijob_operator.schema import REPEATS, Schema
from mpijob_operator.simulation.checks import (
    DUPLICATE,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
    TYPE,
    Fault,
)

Broken = Callable[[Manifest, Manifest | None], bool]
"""Tells whether a rule is broken by a job, and by what it was before."""

_NAME: Final = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
_ABSOLUTE: Final = re.compile("|/.*[^/].*", re.DOTALL)
_CONFIG: Final = re.compile("/etc/mpi/*")
_KEY: Final = re.compile(r"^\.(\w+)")
_ROLE: Final = re.compile(r"^spec\.mpiReplicaSpecs\.(\w+)")
_HOST_MAX: Final = 63
_ROLES: Final = frozenset(("Launcher", "Worker"))


def _spec(job: Manifest | None) -> Manifest:
    return mapping((job or {}).get("spec"))


def _roles(job: Manifest | None) -> Manifest:
    return mapping(_spec(job).get("mpiReplicaSpecs"))


def _role(job: Manifest | None, role: str) -> Manifest:
    return mapping(_roles(job).get(role))


def _path(job: Manifest) -> str:
    return text(_spec(job), "sshAuthMountPath")


def _manager(job: Manifest | None) -> object:
    return mapping(_spec(job).get("runPolicy")).get("managedBy")


def _is_too_long(job: Manifest, old: Manifest | None) -> bool:
    if not _roles(job):
        return False
    workers = integer(_role(job, "Worker").get("replicas"))
    last = "0" if workers is None else str(workers - 1)
    if len(f"{job['metadata']['name']}-worker-{last}") <= _HOST_MAX:
        return False
    before = integer(_role(old, "Worker").get("replicas"))
    more = workers is not None and (before is None or workers > before)
    return not _roles(old) or more


# By how their messages begin, in the order of the CRD.
RULES: Final[Mapping[str, Broken]] = {
    "spec is missing": lambda new, old: (
        "spec" not in new and (old is None or "spec" in old)
    ),
    "The name must start": lambda new, old: (
        old is None and _NAME.fullmatch(new["metadata"]["name"]) is None
    ),
    "The name is too long": _is_too_long,
    "managedBy cannot change": lambda new, old: (
        "spec" in new and _manager(old) not in (None, _manager(new))
    ),
    "sshAuthMountPath must be an absolute path": lambda new, _: (
        _ABSOLUTE.fullmatch(_path(new)) is None
    ),
    "sshAuthMountPath must not be /etc/mpi": lambda new, _: (
        _CONFIG.fullmatch(_path(new)) is not None
    ),
    "mpiReplicaSpecs takes only": lambda new, _: not _roles(new).keys() <= _ROLES,
    "Launcher is missing": lambda new, _: (
        "mpiReplicaSpecs" in _spec(new) and "Launcher" not in _roles(new)
    ),
    "The Launcher must have 1 replica": lambda new, _: (
        _role(new, "Launcher").get("replicas", 1) != 1
    ),
    "The Launcher's restartPolicy must be": lambda new, _: (
        _role(new, "Launcher").get("restartPolicy") == "Always"
    ),
}


@frozen
class Rule:
    """A rule of the CRD: what is said of which field, and what breaks it."""

    at: str
    reason: str
    message: str
    broken: Broken


def rules_of(schema: Any, at: str = "") -> Iterator[Rule]:  # noqa: ANN401 - JSON.
    """Yield the rules of a schema, those of what is outside first."""
    for said in schema.get("x-kubernetes-validations", ()):
        below = said.get("fieldPath", "")
        if "additionalProperties" in schema:
            below = _KEY.sub(r".[\1]", below)
        where = f"{at}{below}".removeprefix(".")
        message, reason = said["message"], said.get("reason", INVALID)
        (broken,) = (b for words, b in RULES.items() if message.startswith(words))
        yield Rule(where, reason, message, broken)
    for key, inner in schema.get("properties", {}).items():
        yield from rules_of(inner, f"{at}.{key}")


@functools.cache
def crd() -> tuple[Schema, tuple[Rule, ...]]:
    """Return the schema of our CRD, and its rules."""
    open_api = mpijob_crd.schema()
    return Schema(open_api), tuple(rules_of(open_api))


# What to call it if a value fails by a keyword of the schema; the others are INVALID.
_REASONS: Final = {
    "enum": NOT_SUPPORTED,
    "maxItems": TOO_MANY,
    "maxLength": TOO_LONG,
    "required": REQUIRED,
    "type": TYPE,
    REPEATS: DUPLICATE,
}
# What is so wrong that the rules are not tried.
_BLOCKING: Final = frozenset((NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE))
_NOT_TRIED: Final = Fault("<nil>", INVALID, "some validation rules were not checked")


@frozen
class _Read:
    """A part of a job as the server keeps it, and what is wrong with it."""

    stored: Manifest
    faults: tuple[Fault, ...]


def _read(job: Manifest, part: str) -> _Read:
    value = {part: job[part]} if part in job else {}
    return _read_text(json.dumps(value))


# To read a spec takes a millisecond, and where lives are searched the same few come
# again and again.
@functools.lru_cache(maxsize=1024)
def _read_text(text: str) -> _Read:
    value, schema = json.loads(text), crd()[0]
    return _Read(schema.with_defaults(value), tuple(_of_schema(value)))


def _of_schema(job: Manifest) -> Iterator[Fault]:
    for keyword, problem in crd()[0].faults_of(job):
        path = problem.path
        if keyword == REPEATS:  # It spells the keys of a map in another way.
            path = _ROLE.sub(r"spec.mpiReplicaSpecs[\1]", path)
        yield Fault(path, _REASONS.get(keyword, INVALID), problem.message)


def mistakes_of(
    after: Manifest, before: Manifest | None, found: Iterable[Fault]
) -> Iterator[Fault]:
    """Yield all for which the API server refuses an MPIJob, given what it found."""
    blocked = any(fault.reason in _BLOCKING for fault in found)
    if before is not None and before.get("spec") == after.get("spec"):
        yield from (_NOT_TRIED,) if blocked else ()
        return
    new, old = _read(after, "spec"), None if before is None else _read(before, "spec")
    faults = [f for f in new.faults if old is None or f not in old.faults]
    yield from faults
    if blocked or any(fault.reason in _BLOCKING for fault in faults):
        yield _NOT_TRIED
        return
    metadata = after["metadata"]
    value = {"metadata": metadata, **new.stored}
    known = None if old is None else {"metadata": metadata, **old.stored}
    for rule in crd()[1]:
        if rule.broken(value, known) and not (known and rule.broken(known, known)):
            yield Fault(rule.at, rule.reason, rule.message)


def mistakes_of_status(after: Manifest) -> Iterator[Fault]:
    """Yield all for which the API server refuses the status of an MPIJob."""
    for fault in _read(after, "status").faults:
        if fault.below.startswith("status"):
            yield fault
