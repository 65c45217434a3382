# SPDX-License-Identifier: Apache-2.0
"""What outside the job keeps a child from being what it should (B4.1 Blocked, B8.1)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mpijob import names
from mpijob.case import Case
from mpijob.lifetimes import Fate, fate_of
from mpijob.messages import listed
from mpijob.names import GROUPS, Child
from mpijob.stage import Stage
from mpijob.status import Reason
from mpijob.verdict import problems_message

# Somebody else's object of one of these names would be used by every pod of ours.
HOLDING_PODS: Final = GROUPS | {Child.SERVICE, Child.CONFIG_MAP, Child.SECRET}


class Block(NamedTuple):
    """One obstacle: the reason of the condition, and a sentence."""

    reason: str
    message: str


def blocks_of(case: Case, stage: Stage) -> tuple[Block, ...]:
    """Return what stands in the way, the weightiest first; nothing once it ended."""
    if stage in (Stage.SUCCEEDED, Stage.FAILED, Stage.EXPIRED):
        return ()
    found = (*_invalid(case), *_foreign(case, stage), *_unreadable(case))
    return (*found, *_refusals(case, stage))


def pods_held(case: Case) -> bool:
    """Tell whether an object that every pod would use is another's, or is going."""
    going = [g.ref.api_version for g in case.roster.groups if g.terminating]
    another = any(child in HOLDING_PODS for child, _ in case.foreign)
    return another or case.group_api in going


def _invalid(case: Case) -> Iterator[Block]:
    if case.problems:
        yield Block(Reason.INVALID_SPEC, problems_message(case))


def _foreign(case: Case, stage: Stage) -> Iterator[Block]:
    found = [
        f"{child.value} {name}"
        for child, name in case.foreign
        if fate_of(child, stage) in (Fate.WANT, Fate.KEEP)
    ]
    if fate_of(Child.WORKER, stage) is Fate.WANT:
        taken = sorted(i for i in case.roster.taken if i < case.job.workers)
        found += [f"{Child.WORKER.value} {names.worker(case.job, i)}" for i in taken]
    found += [f"Pod {pod.name}" for pod in case.roster.orphans]
    if found:
        message = f"exists already and is not this MPIJob's: {listed(found)}"
        yield Block(Reason.RESOURCE_EXISTS, message)


def _unreadable(case: Case) -> Iterator[Block]:
    found = [f"{u.kind} {u.name}: {u.message}" for u in case.observed.unreadable]
    found += [f"Pod {pod.name} has the name of no worker" for pod in case.roster.strays]
    if found:
        yield Block(Reason.UNREADABLE_CHILD, listed(sorted(found)))


def _refusals(case: Case, stage: Stage) -> Iterator[Block]:
    for refusal in case.refusals:
        wanted = fate_of(refusal.child, stage) is Fate.WANT
        if wanted and not _exists(case, refusal.name):
            what = f"{refusal.child.value} {refusal.name}"
            yield Block(refusal.reason, f"{what}: {refusal.message}")


def _exists(case: Case, name: str) -> bool:
    launcher = case.roster.launcher
    if launcher is not None and launcher.name == name:
        return True
    index = names.worker_index(case.job, name)
    return index is not None and index in case.roster.workers
