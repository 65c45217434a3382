# SPDX-License-Identifier: Apache-2.0
"""A plan for people: what becomes of each child, what that means, what the status says.

Start at `page`. Everything said is read off the function's answer; the words for the
stages are here, what is done in them is not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import mpijob
from mpijob.actions import Manager
from mpijob.job import Role
from mpijob.loose import mapping, strings
from mpijob.names import FAILURE_NUMBER, Child, worker_index
from mpijob.pods import template_hash
from mpijob.status import Condition, JobStatus, ReplicaStatus
from mpijob.wire import text_of_time
from mpijob_operator.differences import ABSENT, differences, part_of, shown
from mpijob_operator.manifests import key_text
from mpijob_operator.offline import Planned
from mpijob_operator.page import (
    CHANGED,
    GOES,
    MADE,
    STAYS,
    Block,
    Heading,
    Page,
    Sentences,
    Table,
)
from mpijob_operator.words import Row, folded, folded_names, what

# More fields than this are another job, and not an edit that is read line by line.
_FIELDS_MAX: Final = 20

# What is still to come when the plan has been carried out.
_LATER: Final[Mapping[str, str]] = {
    "NotOurs": "Another controller's job: it is not touched.",
    "Deleted": "Its children go with it, by their owner references.",
    "Stopping": "When the launcher Job has stopped, it goes, and every worker with it.",
    "Clearing": "When all of that is gone, the job is suspended and can be resumed.",
    "Suspended": "What runs is made when the job is resumed.",
    "Held": "Nothing is made, changed or deleted until the spec is mended.",
    "Waiting": "The launcher Job is made when every worker is Ready.",
    "Succeeded": "That is final: nothing is made again.",
    "Failed": "That is final: nothing is made again.",
}

_KINDS: Final[Mapping[Child, str]] = {Child.WORKER: "Pod", Child.LAUNCHER: "Job"}

LABELS: Final = "gets our labels"
AS_IT_IS: Final = "as it is"
OLD_TEMPLATE: Final = "keeps the template that it was made from"


def page(planned: Planned, now: datetime) -> Page:
    """Return all that a reader of a plan wants to know, most important first."""
    answer, job = planned.answer, planned.job
    found = _blocks(planned, now)
    title = f"MPIJob {key_text((job.namespace, job.name))}: {answer.stage.value}"
    return (Heading(title), Sentences((answer.because,)), *found)


def _blocks(planned: Planned, now: datetime) -> Iterator[Block]:
    fresh = planned.asked.before is None
    if planned.asked.edited:
        yield _edit(planned)
    rows = list(rows_of(planned))
    if rows:
        marked = any(row.mark != MADE for row in rows)
        cells = tuple(tuple(row)[0 if marked else 1 :] for row in folded(rows))
        header = ("", "KIND", "NAME", "WHAT")
        yield Table(header if marked else header[1:], cells)
    if status := tuple(_status_rows(planned.job.status, planned.answer.status, now)):
        if fresh:
            cells = tuple((name, then) for name, _, then in status)
            yield Table(("STATUS", "THEN"), cells)
        else:
            yield Table(("STATUS", "NOW", "THEN"), status)
    if said := tuple(consequences(planned, rows)):
        yield Sentences(said)


def _edit(planned: Planned) -> Block:
    before, after = planned.asked.before, planned.asked.manifest
    found = list(differences(mapping(before).get("spec"), after.get("spec"), ("spec",)))
    rows = [(d.field, shown(d.old), shown(d.new)) for d in found[:_FIELDS_MAX]]
    if more := len(found) - len(rows):
        rows.append((f"and {more} more", "", ""))
    return Table(("SPEC", "NOW", "THEN"), tuple(rows))


# --- Children -----------------------------------------------------------------


def rows_of(planned: Planned) -> Iterator[Row]:
    """Give what becomes of each child, in the order in which it happens."""
    told: set[tuple[str, str]] = set()
    outdated = _outdated(planned)
    for step in planned.steps:
        for action in step:
            for row in _row_of(planned, action):
                told.add((row.kind, row.name))
                yield row
    for child in planned.answer.desired:
        kind = _KINDS.get(child.child, child.child.value)
        if (kind, child.name) not in told:
            words = OLD_TEMPLATE if child.name in outdated else AS_IT_IS
            yield Row(STAYS, kind, child.name, words)


def _row_of(planned: Planned, action: mpijob.Action) -> Iterator[Row]:
    match action:
        case mpijob.Create(_, manifest) | mpijob.Apply(_, manifest, ""):
            words = what(manifest, planned.job)
            yield Row(MADE, str(manifest["kind"]), action.name, words)
        case mpijob.Apply(_, manifest):
            words = "; ".join(changes(planned, action)) or "put back as described"
            yield Row(CHANGED, str(manifest["kind"]), action.name, words)
        case mpijob.Touch():
            yield Row(CHANGED, action.ref.kind, action.ref.name, _touched(action))
        case mpijob.Delete():
            yield Row(GOES, action.ref.kind, action.ref.name, action.why)
        case mpijob.WriteStatus() | mpijob.Confirm() | mpijob.Event():
            return


def changes(planned: Planned, action: mpijob.Apply) -> list[str]:
    """Return in words which fields of an object an apply would change."""
    there = planned.seen(action)
    said: list[str] = []
    for found in differences(part_of(there, action.manifest), action.manifest):
        if found.path[0] == "data":
            said.append(f"{found.path[-1]} changes")
        elif found.path[:2] == ("metadata", "labels"):
            said.append(LABELS)
        elif found.new is not False or found.old is not ABSENT:
            said.append(str(found))
    return list(dict.fromkeys(said))


def _touched(action: mpijob.Touch) -> str:
    metadata = mapping(action.fields.get("metadata"))
    match action.manager:
        case Manager.SUSPEND:
            suspend = mapping(action.fields.get("spec")).get("suspend")
            return "is stopped" if suspend else "is told to go on"
        case Manager.FAILURE:
            number = strings(metadata.get("annotations")).get(FAILURE_NUMBER)
            return f"counts as failure {number}"
        case _:
            return LABELS


def _outdated(planned: Planned) -> frozenset[str]:
    """Return the names of what was made from a template that the job has no more."""
    roles, seen, job = planned.answer.outdated, planned.asked.observed, planned.job
    names: set[str] = set()
    for role in roles:
        replica = job.replicas.get(role)
        current = template_hash(job, replica) if replica else ""
        workers = (p for p in seen.pods if worker_index(job, p.name) is not None)
        there = workers if role is Role.WORKER else filter(None, (seen.launcher,))
        names |= {
            each.name for each in there if each.template_hash not in ("", current)
        }
    return frozenset(names)


# --- What it means ------------------------------------------------------------


def consequences(planned: Planned, rows: Sequence[Row]) -> Iterator[str]:
    """Say what a plan comes to, and what comes after it."""
    stage = planned.answer.stage.value
    if planned.asked.before is not None or planned.asked.observed.pods:
        yield from _pods(planned, rows)
        yield from _launcher(planned, rows)
        yield from _templates(planned)
        if not planned.steps:
            yield "There is nothing to do."
    if stage in _LATER:
        yield _LATER[stage]
    for name in ("Failed", "Blocked"):
        said = planned.answer.status.condition(name)
        if said is not None and said.status == "True":
            yield f"{name}: {said.message}"


_COUNTED: Final = (
    (GOES, "pod goes", "pods go"),
    (MADE, "pod is made", "pods are made"),
)


def _pods(planned: Planned, rows: Sequence[Row]) -> Iterator[str]:
    pods = [row for row in rows if row.kind == "Pod"]
    for mark, one, many in _COUNTED:
        if names := [row.name for row in pods if row.mark == mark]:
            words = one if len(names) == 1 else many
            yield f"{len(names)} {words}: {folded_names(names)}."
    settled = planned.answer.stage.value not in _LATER
    still = not any(row.mark in (GOES, MADE) for row in pods)
    if planned.asked.edited and settled and still:
        yield "No pod is made, and none goes."


def _launcher(planned: Planned, rows: Sequence[Row]) -> Iterator[str]:
    marks = {row.mark: row.what for row in rows if row.kind == "Job"}
    launcher = planned.asked.observed.launcher
    if MADE in marks:
        yield "The launcher starts."
    elif GOES in marks:
        yield f"The launcher goes: {marks[GOES]}."
    elif marks.get(CHANGED, LABELS) != LABELS:
        yield f"The launcher {marks[CHANGED]}."
    elif marks and launcher is not None and not launcher.finished:
        yield "The launcher is not restarted."


def _templates(planned: Planned) -> Iterator[str]:
    if names := sorted(_outdated(planned), key=_natural):
        yield (
            f"{folded_names(names)}: made from an older template, and kept; suspend and"
            " resume the job for the new one."
        )


def _natural(name: str) -> tuple[int, str]:
    return len(name), name


# --- Status -------------------------------------------------------------------


def _status_rows(
    old: JobStatus, new: JobStatus, now: datetime
) -> Iterator[tuple[str, str, str]]:
    """Give what changes in the status: what it is, and what it will be."""
    for condition in new.conditions:
        known = old.condition(condition.type)
        if condition != known:
            yield condition.type, _condition(known), _condition(condition)
    cells = ((name, of(old), of(new)) for name, of in _fields(now))
    yield from (row for row in cells if row[1] != row[2])


def _fields(now: datetime) -> tuple[tuple[str, Callable[[JobStatus], str]], ...]:
    """Return the fields of the status beside the conditions, and their words."""
    return (
        ("startTime", lambda status: _when(status.start_time, now)),
        ("completionTime", lambda status: _when(status.completion_time, now)),
        ("Launcher", lambda status: _counts(status.launcher)),
        ("Worker", lambda status: _counts(status.worker)),
    )


_NONE: Final = "-"


def _condition(condition: Condition | None) -> str:
    return f"{condition.status} {condition.reason}" if condition else _NONE


def _when(time: datetime | None, now: datetime) -> str:
    if time is None:
        return _NONE
    is_now = time == now.astimezone(UTC).replace(microsecond=0)
    return "now" if is_now else text_of_time(time)


def _counts(counts: ReplicaStatus | None) -> str:
    if counts is None:
        return _NONE
    said = (("active", counts.active), ("succeeded", counts.succeeded))
    every = (*said, ("failed", counts.failed))
    return ", ".join(f"{number} {word}" for word, number in every if number) or _NONE
