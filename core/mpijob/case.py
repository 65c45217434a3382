# SPDX-License-Identifier: Apache-2.0
"""One call's whole evidence: what was asked, what was seen, and who is who in it."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from mpijob import names
from mpijob.gang import scheduler_of
from mpijob.job import MPIJob
from mpijob.names import GROUPS, Child
from mpijob.observed import Observed, Refusal
from mpijob.problems import Problem
from mpijob.roster import Roster, roster_of
from mpijob.status import ConditionType, Reason
from mpijob.validation import problems_of
from mpijob.world import World


class Case(NamedTuple):
    """Everything that a decision may look at, sorted once."""

    job: MPIJob
    observed: Observed
    world: World
    roster: Roster
    had_started: bool  # At some time, by the status or by what is left.
    scheduler: str  # The gang scheduler of this start, `none` for none.
    group_api: str  # The apiVersion of its PodGroup, empty for none.
    problems: tuple[Problem, ...]
    foreign: tuple[tuple[Child, str], ...]  # Children whose name somebody else has.
    refusals: tuple[Refusal, ...]  # The weightiest first.

    def blocked(self, child: Child) -> bool:
        """Tell whether somebody else has the name of a child."""
        return any(kind is child for kind, _ in self.foreign)

    @property
    def now(self) -> datetime:
        """The time of the call in whole seconds, as the API keeps times."""
        return self.world.now.astimezone(UTC).replace(microsecond=0)

    @property
    def suspending(self) -> bool:
        """Whether the job is, or is being, suspended.

        A suspension that was written down runs to its end, whatever the spec says
        meanwhile: startTime or a pod or a launcher Job tells that it has not (B6.1).
        """
        status = self.job.status
        under_way = status.is_true(ConditionType.SUSPENDED) and (
            status.start_time is not None or not self.roster.empty
        )
        return self.job.run_policy.suspend or under_way

    @property
    def workers_ready(self) -> bool:
        """Whether every worker asked for is Ready and stays (B5.1)."""
        ready = sum(pod.ready and pod.live for pod in self.roster.staying.values())
        return ready == self.job.workers

    @property
    def awaits_workers(self) -> bool:
        """Whether no launcher may begin yet, nor go on (B5.1)."""
        return self.job.waits_for_workers and not self.workers_ready

    @property
    def workers_running(self) -> bool:
        """Whether every worker asked for runs or ended well (B4.2)."""
        run = sum(pod.phase in _RUN for pod in self.roster.staying.values())
        return run == self.job.workers

    @property
    def launcher_running(self) -> bool:
        """Whether a launcher pod of the present Job runs or ended well (B4.2)."""
        job = self.roster.launcher
        return job is not None and any(
            pod.phase in _RUN and not pod.terminating
            for pod in self.roster.launchers
            if pod.owner.uid == job.uid
        )


# What Running asks of a pod: one that ended well is not replaced.
_RUN: Final = ("Running", "Succeeded")


def _weight(refusal: Refusal) -> tuple[bool, str, str, str]:
    """Put what the API server calls invalid first: it can end the job (B1.7)."""
    child, name, reason, message = refusal
    return reason != Reason.INVALID, child.value, name, message


def case_of(job: MPIJob, observed: Observed, world: World) -> Case:
    """Sort the evidence."""
    roster = roster_of(job, observed)
    scheduler = scheduler_of(job, roster, world.settings)
    running = job.status.condition(ConditionType.RUNNING)
    started = bool(job.status.start_time or running or not roster.empty)
    api = names.pod_group_api(scheduler, world.settings.workload_api)
    foreign = tuple(
        (child, name)
        for child, name, version in roster.foreign
        # A group that no pod of ours would use is in nobody's way.
        if child not in GROUPS or version == api
    )
    return Case(
        job=job,
        observed=observed,
        world=world,
        roster=roster,
        had_started=started,
        scheduler=scheduler,
        group_api=api,
        problems=problems_of(job, scheduler, started=started),
        foreign=foreign,
        refusals=tuple(sorted(observed.refusals, key=_weight)),
    )
