# SPDX-License-Identifier: Apache-2.0
"""From what is asked and what is seen, to what should be.

Start reading here. `stage` says where a job stands, `lifetimes` which children it then
has, `report` what its status says, `plan` what is left to do.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from mpijob import family
from mpijob.actions import Delete, Desired, Event, Touch
from mpijob.blocks import Block, blocks_of
from mpijob.case import Case, case_of
from mpijob.caveats import warnings_of
from mpijob.edits import outdated
from mpijob.events import evictions, transitions
from mpijob.job import MPIJob, Role
from mpijob.lifetimes import Fate, fate_of
from mpijob.names import Child
from mpijob.observed import Live, Observed
from mpijob.problems import Problem
from mpijob.replacement import replaceable
from mpijob.report import SUSPENSION, UNREPORTED, report
from mpijob.stage import Stage, Standing, refused_until, standing_of
from mpijob.status import ConditionType, JobStatus, Reason
from mpijob.world import World, later


class Reconciliation(NamedTuple):
    """What should be, and why.

    Where `needs` is not empty nothing else is asked for: read that live, and ask again.
    """

    stage: Stage
    because: str  # The question that decided, as a sentence.
    status: JobStatus
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    outdated: tuple[Role, ...] = ()  # Roles with pods of another template (B5.9).
    desired: tuple[Desired, ...] = ()
    unwanted: tuple[Delete, ...] = ()
    touches: tuple[Touch, ...] = ()
    numbering: tuple[Touch, ...] = ()
    events: tuple[Event, ...] = ()  # After the status was written.
    evictions: tuple[Event, ...] = ()  # After the deletions.
    delete_job: bool = False  # The MPIJob itself goes (B5.6).
    requeue_after: timedelta | None = None  # None: only a change is news.
    needs: frozenset[Live] = frozenset()

    @property
    def fates(self) -> Mapping[Child, Fate]:
        """What should become of each child in this stage."""
        return {child: fate_of(child, self.stage) for child in Child}


def reconcile(job: MPIJob, observed: Observed, world: World) -> Reconciliation:
    """Decide what should exist for one MPIJob.

    Pure and total: equal arguments give equal answers, on any machine, in any year,
    and there is an answer for every argument.

    Args:
        job: What the user asked for, and what its status remembers.
        observed: The children, as last seen.
        world: What the core cannot know: the time, the settings, the priority classes.

    Returns:
        The desired children, the unwanted objects, the status to report, the events
        that tell of it, and when to look again if nothing changes.
    """
    case = case_of(job, observed, world)
    standing = standing_of(case)
    stage, because = standing.stage, standing.question.__doc__ or ""
    nothing = Reconciliation(stage, because, job.status, case.problems)
    if stage in UNREPORTED:
        return nothing
    blocks = blocks_of(case, stage)
    status = report(case, standing, blocks)
    if needs := _needs(case, standing, status) - observed.live:
        return nothing._replace(needs=needs)
    # Unlike mpi-operator: when its TTL is over the MPIJob itself goes; a launcher Job
    # that collected itself could take its result along (B5.6).
    if stage is Stage.EXPIRED and not world.settings.ttl_keeps_job:
        return nothing._replace(delete_job=True)
    replaces = fate_of(Child.WORKER, stage) is Fate.WANT
    return nothing._replace(
        status=status,
        warnings=warnings_of(case),
        outdated=outdated(case),
        desired=family.desired(case, stage),
        unwanted=family.unwanted(case, stage),
        touches=family.touches(case, stage),
        numbering=tuple(family.numbering(case, stage)),
        events=transitions(case, stage, status),
        evictions=evictions(replaceable(case)[0]) if replaces else (),
        requeue_after=_requeue_after(case, stage, status, blocks),
    )


# Nothing tells us that somebody else's object went: it does not bear our labels. So we
# look again, each wait as long as all waits before it together, within these (B8.1).
AGAIN_S: Final = 5.0
AGAIN_MAX_S: Final = 300.0


def _needs(case: Case, standing: Standing, new: JobStatus) -> frozenset[Live]:
    """Return what must be read live before the answer may be acted on."""
    old, stage = case.job.status, standing.stage
    needs = set(standing.needs)
    if stage in SUSPENSION:
        freed = old.active > 0 and new.active == 0
        cleared = old.start_time is not None and new.start_time is None
        if freed or cleared:
            needs |= set(Live)
    launches = fate_of(Child.LAUNCHER, stage) is Fate.WANT and family.launcher_due(case)
    if launches and old.start_time is not None:
        # The Job may be gone and its pod be running (B5.2).
        needs.add(Live.PODS)
    return frozenset(needs)


def _requeue_after(
    case: Case, stage: Stage, status: JobStatus, blocks: tuple[Block, ...]
) -> timedelta | None:
    """Return the time until the next moment that changes the answer by itself."""
    policy, now, moments = case.job.run_policy, case.world.now, list[datetime | None]()
    if status.verdict is not None:
        ttl = policy.ttl_seconds_after_finished
        moments.append(later(status.completion_time, ttl))
    elif stage not in SUSPENSION:
        moments.append(later(status.start_time, policy.active_deadline_seconds))
        moments.append(refused_until(status, case.world.settings))
    if any(block.reason == Reason.RESOURCE_EXISTS for block in blocks):
        blocked = status.condition(ConditionType.BLOCKED)
        since = (blocked and blocked.last_update_time) or now
        waited = (now - since).total_seconds()
        moments.append(later(now, min(max(waited, AGAIN_S), AGAIN_MAX_S)))
    if fate_of(Child.WORKER, stage) is Fate.WANT:
        moments.append(replaceable(case)[1])
    moments.append(family.resume_at(case, stage))
    ahead = [moment - now for moment in moments if moment is not None and moment > now]
    return min(ahead, default=None)
