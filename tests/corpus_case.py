# SPDX-License-Identifier: Apache-2.0
"""The corpus as questions and answers.

A question is a job in a cluster at a moment; an answer is all that an operator does
about it until it has nothing more to do. `upstream` reads an answer from the corpus,
`tests.granting` asks the core for one, and `differences` tells where two disagree:
nowhere, once `tests.deviations` were applied to upstream's.
"""

import copy
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeGuard, cast

import pytest
from attrs import evolve, field, frozen

from mpijob_operator import kubectl_yaml

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as JSON has it."""

CORPUS: Final = Path(__file__).parent / "corpus"
UID: Final = "00000000-0000-4000-8000-000000000001"
FRESH: Final = "2030-01-01T00:01:00Z"
ANY: Final = "any words of ours"


def is_object(value: object) -> TypeGuard[Object]:
    """Tell whether a value of JSON is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a value of JSON is a list."""
    return isinstance(value, list)


def part(value: Object, *keys: str) -> Object:
    """Return the object inside an object, empty where there is none."""
    for key in keys:
        inner = value.get(key)
        value = inner if is_object(inner) else {}
    return value


def entries(value: Object, key: str) -> list[Object]:
    """Return the objects in a list inside an object."""
    found = value.get(key)
    return [entry for entry in found if is_object(entry)] if is_list(found) else []


NO_CHILDREN: Final[Mapping[str, Object]] = {}


@frozen
class Asked:
    """A job in a cluster at a moment."""

    case: str
    job: Object
    now: str
    config: Mapping[str, str]
    classes: tuple[Object, ...] = ()
    children: Mapping[str, Object] = NO_CHILDREN
    record: Object = field(
        factory=dict[str, Any]
    )  # What upstream did, as the corpus has it.

    @property
    def name(self) -> str:
        """The name of the job."""
        return str(self.job["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The namespace of the job."""
        return str(self.job["metadata"].get("namespace", "default"))

    @property
    def spec(self) -> Object:
        """The spec of the job."""
        return part(self.job, "spec")

    @property
    def policy(self) -> Object:
        """The runPolicy of the job."""
        return part(self.spec, "runPolicy")

    @property
    def status(self) -> Object:
        """The status of the job as it was found."""
        return part(self.job, "status")

    def replica(self, role: str) -> Object:
        """Return the replica spec of a role, empty for none."""
        return part(self.spec, "mpiReplicaSpecs", role)

    def template(self, role: str) -> Object:
        """Return the pod spec in the template of a role."""
        return part(self.replica(role), "template", "spec")

    @property
    def workers(self) -> int:
        """How many workers are asked for."""
        worker = self.replica("Worker")
        return int(worker.get("replicas", 1)) if worker else 0


@frozen
class Answer:
    """What an operator does: children by `Kind/name`, and what it then says."""

    created: Mapping[str, Object] = NO_CHILDREN
    applied: Mapping[str, Object] = NO_CHILDREN  # That existed, as they shall be.
    touched: Mapping[str, Object] = NO_CHILDREN  # Single fields of what existed.
    deleted: frozenset[str] = frozenset()
    events: frozenset[tuple[str, str, str]] = frozenset()
    status: Object = field(factory=dict[str, Any])


# --- Reading ------------------------------------------------------------------


def yaml(path: Path) -> Object:
    """Read a file of one object."""
    return cast("Object", kubectl_yaml.value_of(path.read_text()))


@functools.cache
def described(case: str) -> Object:
    """Return what case.json says of a case."""
    return cast("Object", json.loads((CORPUS / case / "case.json").read_bytes()))


def params(wanted: Callable[[Object], object]) -> list[Any]:
    """Return the cases that are wanted, each marked with its rules."""
    cases = sorted(path.parent.name for path in CORPUS.glob("*/case.json"))
    return [
        pytest.param(case, id=case, marks=pytest.mark.rule(*_rules(described(case))))
        for case in cases
        if wanted(described(case))
    ]


# The corpus cites the sections that have both a text of their own and rules as wholes.
_SECTIONS: Final = {"B2": (), "B3": (), "B4": (), "B5": (), "B6": ()}


def _rules(case: Object) -> Iterator[str]:
    for rule in case["rules"]:
        yield from _SECTIONS.get(rule, (rule,))


def fresh(case: str) -> Asked:
    """Return the question of a job that was just made."""
    job = with_protocol(yaml(CORPUS / case / "mpijob.yaml"))
    job["metadata"] |= {"uid": UID, "generation": 1, "resourceVersion": "1"}
    record = json.loads((CORPUS / case / "upstream.json").read_bytes())
    config = described(case)["config"]
    return Asked(case, job, FRESH, config, classes_of(case), record=record)


def classes_of(case: str) -> tuple[Object, ...]:
    """Return the PriorityClasses that exist in the cluster of a case."""
    path = CORPUS / case / "related.yaml"
    texts = path.read_text().split("\n---\n") if path.exists() else ()
    return tuple(cast("Object", kubectl_yaml.value_of(text)) for text in texts)


def with_protocol(job: Object) -> Object:
    """Return the job with the one default that the CRD fills in a template."""
    job = copy.deepcopy(job)
    for role in ("Launcher", "Worker"):
        pod = part(job, "spec", "mpiReplicaSpecs", role, "template", "spec")
        for container in (*entries(pod, "containers"), *entries(pod, "initContainers")):
            for port in entries(container, "ports"):
                port.setdefault("protocol", "TCP")
    return job


def upstream(asked: Asked) -> Answer:
    """Return what upstream did with a fresh job; workers are filled in by number."""
    record = asked.record
    events = {(e["type"], e["reason"], e["message"]) for e in record.get("events", ())}
    children = copy.deepcopy(record.get("children", {}))
    first = children.get(f"Pod/{asked.name}-worker-0")
    for index in range(record.get("workerCount", 0)):
        name = f"{asked.name}-worker-{index}"
        children.setdefault(f"Pod/{name}", first and numbered(first, index))
    status = record.get("status", {})
    return Answer(created=children, events=frozenset(events), status=status)


def numbered(pod: Object, index: int) -> Object:
    """Return the worker 0 as the worker of another index."""
    pod, label = copy.deepcopy(pod), "training.kubeflow.org/replica-index"
    name = f"{pod['metadata']['name'].removesuffix('-0')}-{index}"
    pod["metadata"]["name"] = pod["spec"]["hostname"] = name
    labels = pod["metadata"]["labels"]
    labels[label] = str(int(labels[label]) + index)
    return pod


def of_same_job(asked: Asked, manifest: Object) -> Answer:
    """Return what upstream did with the same job of another name."""
    wanted = _without_name(manifest)
    for path in sorted(CORPUS.glob("*/mpijob.yaml")):
        other = fresh(path.parent.name)
        if not other.record.get("workerCount") or other.config != asked.config:
            continue
        if _without_name(other.job) == wanted:
            name = re.compile(rf"(?<!\w){re.escape(other.name)}(?!\w)")
            record = _renamed(other.record, name, asked.name)
            return upstream(evolve(asked, record=record))
    raise AssertionError(f"{asked.case}: the corpus has no such job")


def _renamed(value: Any, old: re.Pattern[str], new: str) -> Any:  # noqa: ANN401 - JSON.
    if is_object(value):
        return {old.sub(new, k): _renamed(v, old, new) for k, v in value.items()}
    if is_list(value):
        return [_renamed(each, old, new) for each in value]
    return old.sub(new, value) if isinstance(value, str) else value


def _without_name(job: Object) -> Object:
    job = with_protocol(job)
    del job["metadata"]["name"]
    job["metadata"] |= {"uid": UID, "generation": 1, "resourceVersion": "1"}
    return job


def steps(case: str) -> list[Asked]:
    """Return the questions of a life, in their order."""
    record = json.loads((CORPUS / case / "steps.json").read_bytes())
    return [
        Asked(
            case=case,
            job=_versioned(step["given"]["mpijob"]),
            now=step["now"],
            config=record["config"],
            children=step["given"]["children"],
            record=step,
        )
        for step in record["steps"]
    ]


def _versioned(job: Object) -> Object:
    return {**job, "metadata": {**job["metadata"], "resourceVersion": "1"}}


def upstream_step(asked: Asked, as_sent: Callable[[Object], Object]) -> Answer:
    """Return what upstream did at a step of a life."""
    writes: dict[str, dict[str, Object]] = {"create": {}, "update": {}, "delete": {}}
    for write in asked.record["writes"]:
        if write["kind"] != "MPIJob":
            key = f"{write['kind']}/{write['name']}"
            writes[write["verb"]][key] = part(write, "body")
    events = {(e["type"], e["reason"], e["message"]) for e in asked.record["events"]}
    return Answer(
        created=writes["create"],
        applied={key: as_sent(body) for key, body in writes["update"].items()},
        deleted=frozenset(writes["delete"]),
        events=frozenset(events),
        status=asked.record["statusAfter"] or {},
    )


# --- Comparing ----------------------------------------------------------------


def differences(theirs: Answer, ours: Answer, asked: Asked) -> list[str]:
    """Return each field in which two answers differ, as a path with both values."""
    return [
        text
        for part in ("created", "applied", "touched", "deleted", "events", "status")
        for text in _differences(
            part,
            _canonical(getattr(theirs, part), asked),
            _canonical(getattr(ours, part), asked),
        )
    ]


def _differences(path: str, theirs: object, ours: object) -> Iterator[str]:
    """Yield what differs, as far as upstream's types can keep it apart.

    An absent field equals an empty one or a `false` of ours; those of upstream's are
    of fields where it means something. A quantity may be written in two ways.
    """
    if is_object(theirs) and is_object(ours):
        for key in sorted({**theirs, **ours}):
            inner = f"{path}.{key}"
            yield from _differences(inner, theirs.get(key), ours.get(key))
    elif is_list(theirs) and is_list(ours):
        if len(theirs) != len(ours):
            yield f"{path}: {len(theirs)} and {len(ours)} entries: {theirs}, {ours}"
        for index, pair in enumerate(zip(theirs, ours, strict=False)):
            yield from _differences(f"{path}[{index}]", *pair)
    elif not (theirs == ours or _same(path, theirs, ours)):
        yield f"{path}: {theirs!r}, ours is {ours!r}"


def _same(path: str, theirs: object, ours: object) -> bool:
    if isinstance(theirs, str) and theirs.startswith(ANY):
        return isinstance(ours, str) and ours != ""
    if theirs is None:
        return ours is False or ours in ("", [], {})
    if ours is None:
        return theirs == {} and path.endswith(".minResources")
    if not any(word in path for word in _QUANTITIES):
        return False
    return isinstance(theirs, str) and quantity(theirs) == quantity(str(ours))


_QUANTITIES: Final = (".limits.", ".requests.", ".minResources.", "verhead.", "Limit")
_SUFFIXES: Final = {
    **{f"{c}i": Decimal(2) ** (10 * i) for i, c in enumerate("KMGTPE", 1)},
    **{c: Decimal(1000) ** i for i, c in enumerate("kMGTPE", 1)},
    "m": Decimal("0.001"),
}


def quantity(text: object) -> Decimal:
    """Return the value of a quantity; apart from the core's own reading of it."""
    text = str(text)
    for suffix, factor in _SUFFIXES.items():
        if text.endswith(suffix):
            return Decimal(text.removesuffix(suffix)) * factor
    return Decimal(text)


def _canonical(value: object, asked: Asked) -> object:
    """Return a part of an answer with all that is not compared made equal."""
    if isinstance(value, frozenset):
        return _by_first(sorted(cast("Iterable[Any]", value)))
    assert is_object(value)
    value = copy.deepcopy(value)
    if "conditions" in value:
        value["conditions"] = {c["type"]: c for c in entries(value, "conditions")}
    for key, child in value.items():
        if "/" in key:
            _canonical_child(child, asked)
    return value


def _by_first(found: list[Any]) -> object:
    """Return events by type and reason, and keys as they are."""
    if not all(isinstance(each, tuple) for each in found):
        return {str(each): True for each in found}
    result: Object = {}
    for type_, reason, message in found:
        result.setdefault(f"{type_} {reason}", []).append(message)
    return result


def _canonical_child(child: Object, asked: Asked) -> None:
    role = {"Pod": "Worker", "Job": "Launcher"}.get(child.get("kind", ""))
    if role is None:
        return
    pod = part(child, *(("spec", "template") if role == "Launcher" else ()), "spec")
    volumes = entries(pod, "volumes")
    pod["volumes"] = sorted(volumes, key=lambda volume: str(volume["name"]))
    main = pod["containers"][0]
    users = len(entries(asked.template(role)["containers"][0], "env"))
    env = entries(main, "env")
    main["env"] = env[:users] + sorted(env[users:], key=lambda each: str(each["name"]))
