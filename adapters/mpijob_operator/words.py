# SPDX-License-Identifier: Apache-2.0
"""What a child is, in a few words; and the names of many, in a few words."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import mpijob
from mpijob.loose import NOTHING, Manifest, mapping, mappings, sequence, text
from mpijob_operator.field_path import printable

# A command line longer than this is known by its beginning.
_COMMAND_MAX: Final = 80

_NUMBERED: Final = r"(.*-)(0|[1-9][0-9]*)"


def what(manifest: Manifest, job: mpijob.MPIJob) -> str:
    """Say in a few words what a child of the job is."""
    describe = _DESCRIBED.get(text(manifest, "kind"))
    return describe(manifest, job) if describe else ""


def _service(manifest: Manifest, _: mpijob.MPIJob) -> str:
    early = mapping(manifest.get("spec")).get("publishNotReadyAddresses")
    return "headless: a DNS name for each pod" + (", Ready or not" if early else "")


def _config_map(manifest: Manifest, job: mpijob.MPIJob) -> str:
    hosts = text(manifest.get("data"), "hostfile").count("\n")
    slots = _counted(job.slots_per_worker, "slot")
    return f"hostfile of {_counted(hosts, 'host')}, {slots} each; discover_hosts.sh"


def _secret(_: Manifest, __: mpijob.MPIJob) -> str:
    return "an SSH key pair, drawn when it is created"


def _pod(manifest: Manifest, _: mpijob.MPIJob) -> str:
    containers = mappings(mapping(manifest.get("spec")).get("containers"))
    main = containers[0] if containers else NOTHING
    words = (*sequence(main.get("command")), *sequence(main.get("args")))
    command = printable(" ".join(map(str, words)), _COMMAND_MAX)
    image = text(main, "image") or "no image"
    return f"{image}: {command}" if command else image


def _job(manifest: Manifest, job: mpijob.MPIJob) -> str:
    return _pod(mapping(mapping(manifest.get("spec")).get("template")), job)


def _pod_group(manifest: Manifest, _: mpijob.MPIJob) -> str:
    spec = mapping(manifest.get("spec"))
    gang = mapping(mapping(spec.get("schedulingPolicy")).get("gang"))
    number = spec.get("minMember", gang.get("minCount"))
    needs = mapping(spec.get("minResources"))
    resources = ", ".join(f"{name} {amount}" for name, amount in needs.items())
    queue = text(spec, "queue")
    said = f"{number} pods start together, or none"
    said += f", from queue {queue}" if queue else ""
    return f"{said}: {resources}" if resources else said


def _workload(_: Manifest, __: mpijob.MPIJob) -> str:
    return "what the PodGroup is made after"


_DESCRIBED: Final[Mapping[str, Callable[[Manifest, mpijob.MPIJob], str]]] = {
    "Service": _service,
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Pod": _pod,
    "Job": _job,
    "PodGroup": _pod_group,
    "Workload": _workload,
}


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


class Row(NamedTuple):
    """A child, and what becomes of it."""

    mark: str
    kind: str
    name: str
    what: str


def folded(rows: Iterable[Row]) -> Iterator[Row]:
    """Make one row of those that differ in a number alone, in the words of a shell.

    >>> rows = [Row("+", "Pod", f"pi-worker-{i}", "pi") for i in (0, 1, 2, 7)]
    >>> [row.name for row in folded(rows)]
    ['pi-worker-{0..2}', 'pi-worker-7']
    """
    run: list[Row] = []
    for row in rows:
        if run and _follows(run[-1], row):
            run.append(row)
        else:
            yield from _fold(run)
            run = [row]
    yield from _fold(run)


def folded_names(names: Iterable[str]) -> str:
    """Return names as a shell would expand them.

    >>> folded_names(["w-0", "w-1", "x"])
    'w-{0..1}, x'
    """
    return ", ".join(row.name for row in folded(Row("", "", n, "") for n in names))


def _numbered(name: str) -> tuple[str, int]:
    found = re.fullmatch(_NUMBERED, name)
    return (found[1], int(found[2])) if found else ("", 0)


def _follows(row: Row, following: Row) -> bool:
    same = (row.mark, row.kind, row.what) == (
        following.mark,
        following.kind,
        following.what,
    )
    prefix, number = _numbered(row.name)
    return same and bool(prefix) and _numbered(following.name) == (prefix, number + 1)


def _fold(run: list[Row]) -> Iterator[Row]:
    if len(run) <= 1:
        yield from run
        return
    prefix, first = _numbered(run[0].name)
    _, last = _numbered(run[-1].name)
    yield run[0]._replace(name=f"{prefix}{{{first}..{last}}}")
