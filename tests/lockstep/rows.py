# SPDX-License-Identifier: Apache-2.0
"""Take each row out of the tables of what is refused: the real server must notice.

What the real one says of a program is the same whatever the other lacks, so it is asked
once, and the one in memory is held to that without one row after the other.
"""

import contextlib
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from random import Random
from typing import Any, Final
from unittest import mock

from attrs import frozen

from mpijob.loose import Manifest
from mpijob_operator.simulation import custom, job_status, tables, validation
from tests.lockstep.backends import Model, Real, Said
from tests.lockstep.compare import Judge
from tests.lockstep.faults import ELSEWHERE, FAULTS, OTHERS
from tests.lockstep.objects import KINDS, Json, job_state
from tests.lockstep.programs import Program, Step
from tests.lockstep.seen import BOGUS_UID
from tests.lockstep.stories import HELD, LABEL, create, delete, edit, refused

# --- The programs -------------------------------------------------------------------


def _status(status: Json) -> Step:
    return Step("edit status", "Job", "a", {"status": status})


MORE: Final[Json] = {"metadata": {"finalizers": ["example.org/x", "example.org/y"]}}
_STARTED: Final = _status({"startTime": "2030-01-01T00:00:00Z"})
_SUSPENDED: Final[Json] = {"type": "Suspended", "status": "True"}
_RESTS: Final = _status({"conditions": [_SUSPENDED]})

# What an object has become before something of it is changed.
BEFORE: Final[Mapping[str, tuple[Program, ...]]] = {
    "ConfigMap": ((create("ConfigMap", FAULTS["ConfigMap"]["no more changes"]),),),
    "Job": (
        (create("Job", {"spec": {"suspend": True}}),),
        (create("Job", {"spec": {"suspend": True}}), _STARTED),
        (create("Job", {"spec": {"suspend": True}}), _STARTED, _RESTS),
        (create("Job", {"spec": {"suspend": True}}), _status({"active": 1})),
    ),
    "MPIJob": ((create("MPIJob", FAULTS["MPIJob"]["our manager"]),),),
    "Pod": tuple(
        (create("Pod", FAULTS["Pod"][name]),)
        for name in (
            "a deadline",
            "a gate",
            "a node label and a gate",
            "another toleration",
        )
    ),
    "Secret": ((create("Secret", FAULTS["Secret"]["no more changes"]),),),
}


def _statuses(seed: int) -> Program:
    random = Random(seed)  # noqa: S311 - To be the same in every run.
    suspend = random.random() < 0.3
    made = create("Job", {"spec": {"suspend": suspend}})
    return (made, *(_status(job_state(random)) for _ in range(5)))


def _conditions(*types: str, untrue: str = "") -> Json:
    told = [
        {"type": type_, "status": "False" if type_ == untrue else "True"}
        for type_ in types
    ]
    return {"conditions": told}


_TIMES: Final[Json] = {
    "completionTime": "2030-01-01T00:00:01Z",
    "startTime": "2030-01-01T00:00:00Z",
}
_ENDED: Final = _status({**_conditions("SuccessCriteriaMet", "Complete"), **_TIMES})
_DISABLED: Final = _conditions("SuccessCriteriaMet", "Complete", untrue="Complete")

# What is rarely drawn, and a row is for.
RARE: Final[tuple[Program, ...]] = (
    (create("Job"), _ENDED, _status(_DISABLED)),
    (create("Job"), _ENDED, _status({"completionTime": "2030-01-01T00:00:02Z"})),
    (Step("create", "MPIJob", "a", LABEL),),
    *((create("Job", fault),) for fault in OTHERS.values()),
    (create("Service"), edit("Service", ELSEWHERE)),
    *((create(kind), edit(kind, {"metadata": {"uid": BOGUS_UID}})) for kind in KINDS),
    (
        create("Pod"),
        edit("Pod", {"metadata": {"deletionTimestamp": _TIMES["startTime"]}}),
    ),
    (create("Pod"), edit("Pod", {"metadata": {"deletionGracePeriodSeconds": 1}})),
    *(
        (create(kind, HELD), delete(kind, "Background"), edit(kind, MORE))
        for kind in KINDS
    ),
)


def programs() -> Iterator[Program]:
    """Yield what asks for each row, and for each other."""
    yield from RARE
    for kind, faults in FAULTS.items():
        for fault in faults.values():
            yield refused(kind, fault)
            for before in BEFORE.get(kind, ()):
                yield (*before, edit(kind, fault), delete(kind, "Background"))
    for name in ("A", "a.b", "9a", "a" * 64):
        yield tuple(Step("create", kind, name, KINDS[kind].base) for kind in KINDS)
    for seed in range(300):
        yield _statuses(seed)


# --- The rows -----------------------------------------------------------------------


@frozen
class Row:
    """One row of a table, and what stands in its place without it."""

    name: str
    where: Any
    attribute: str
    instead: object


_ROWS: Final = ("METADATA", "CONTAINER", "POD", "JOB")


def rows(minor: int) -> Iterator[Row]:
    """Yield every row that is read for a program, by a version of Kubernetes."""
    for table in _ROWS:
        yield from _of(table, getattr(tables, table), minor, lambda left: left)
    for kind in KINDS:
        known = tables.OBJECTS.get(kind, {})
        yield from _of(f"OBJECTS {kind}", known, minor, _in(tables.OBJECTS, kind))
    for kind, kept in tables.CHANGES.items():
        for index, row in enumerate(kept):
            if not row.holds(minor):
                continue
            left = {**tables.CHANGES, kind: kept[:index] + kept[index + 1 :]}
            name = f"CHANGES {kind} {row.at} {row.check.__name__}"
            yield Row(name, tables, "CHANGES", left)
    for index, rule in enumerate(job_status.RULES):
        if not rule.holds(minor):
            continue
        others = job_status.RULES[:index] + job_status.RULES[index + 1 :]
        name = f"status {rule.field}: {rule.words}"
        yield Row(name, job_status, "RULES", others)
    for message in custom.RULES:
        never = {**custom.RULES, message: _never}
        yield Row(f"CRD: {message}", custom, "RULES", never)


def _never(_: Manifest, __: Manifest | None) -> bool:
    return False


def _in(objects: Mapping[str, tables.Rows], kind: str) -> Callable[[Any], Any]:
    return lambda left: {**objects, kind: left}


def _of(
    name: str, table: tables.Rows, minor: int, whole: Callable[[Any], Any]
) -> Iterator[Row]:
    attribute = name.partition(" ")[0]
    for group, known in table.items():
        for index, row in enumerate(known):
            if not row.holds(minor):
                continue
            left = {**table, group: known[:index] + known[index + 1 :]}
            told = f"{name} {row.at} {row.check.__name__}, {group}"
            yield Row(told, tables, attribute, whole(left))


@contextlib.contextmanager
def without(row: Row) -> Generator[None]:
    """Take a row away."""
    caches = (validation.tree, validation.kept, custom.crd)
    with mock.patch.object(row.where, row.attribute, row.instead):
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


# --- Who notices ----------------------------------------------------------------------

Verdict = tuple[int, str, frozenset[tuple[str, str]]]


def _verdict(said: Said) -> Verdict:
    return said.code, said.reason, frozenset((f, r) for f, r, _ in said.causes)


def _told(server: Model | Real, program: Program) -> list[Verdict]:
    return [_verdict(server.do(step)) for step in program]


@frozen
class Record:
    """What the real server said of each program."""

    told: tuple[tuple[Program, list[Verdict]], ...]
    minor: int

    def differing(self) -> Iterator[str]:
        """Yield the programs of which the server in memory says anything else."""
        for program, verdicts in self.told:
            told = _told(Model("rows", self.minor), program)
            if told != verdicts:
                steps = "\n".join(map(str, program))
                yield f"{steps}\nin memory: {told}\nthe real one: {verdicts}"


def record(judge: Judge) -> Record:
    """Ask the real server."""
    told = tuple(
        (program, _told(Real(f"rows-{number}", judge.client, judge.minor), program))
        for number, program in enumerate(programs())
    )
    return Record(told, judge.minor)


def unnoticed(known: Record) -> Iterator[str]:
    """Yield the rows without which the server in memory says just the same."""
    for row in rows(known.minor):
        with without(row):
            if next(known.differing(), None) is None:
                yield row.name


def report(judge: Judge) -> int:
    """Print how many rows there are, and each that nobody misses; return how many."""
    known = record(judge)
    missed = list(unnoticed(known))
    for name in missed:
        sys.stdout.write(f"not missed: {name}\n")
    count = len(list(rows(known.minor)))
    sys.stdout.write(f"{count - len(missed)} of {count} rows missed\n")
    return len(missed)
