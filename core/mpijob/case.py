# SPDX-License-Identifier: Apache-2.0
"""One call's whole evidence: what was asked, what was seen, and who is who in it."""

from datetime import UTC, datetime
from typing import NamedTuple

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
    def had_started(self) -> bool:
        """Whether the job was started at some time, by status or by what is left."""
        return _had_started(self.job, self.roster)

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
        workers = self.roster.workers
        return all(
            (pod := workers.get(index)) is not None
            and pod.ready
            and pod.live
            and not pod.terminating
            for index in range(self.job.workers)
        )

    @property
    def workers_running(self) -> bool:
        """Whether every worker asked for runs or ended well (B4.2)."""
        workers = self.roster.workers
        return all(
            (pod := workers.get(index)) is not None
            and pod.phase in ("Running", "Succeeded")
            and not pod.terminating
            for index in range(self.job.workers)
        )

    @property
    def launcher_running(self) -> bool:
        """Whether a launcher pod of the present Job runs or ended well (B4.2)."""
        job = self.roster.launcher
        return job is not None and any(
            pod.phase in ("Running", "Succeeded") and not pod.terminating
            for pod in self.roster.launchers
            if pod.owner.uid == job.uid
        )


def _weight(refusal: Refusal) -> tuple[bool, str, str, str]:
    """Put what the API server calls invalid first: it can end the job (B1.7)."""
    child, name, reason, message = refusal
    return reason != Reason.INVALID, child.value, name, message


def _had_started(job: MPIJob, roster: Roster) -> bool:
    status = job.status
    running = status.condition(ConditionType.RUNNING)
    return status.start_time is not None or running is not None or not roster.empty


def case_of(job: MPIJob, observed: Observed, world: World) -> Case:
    """Sort the evidence."""
    roster = roster_of(job, observed)
    scheduler = scheduler_of(job, roster, world.settings)
    started = _had_started(job, roster)
    problems = problems_of(job, scheduler, started=started)
    api = names.pod_group_api(scheduler, world.settings.workload_api)
    foreign = tuple(
        (child, name)
        for child, name, version in roster.foreign
        # A group that no pod of ours would use is in nobody's way.
        if child not in GROUPS or version == api
    )
    refusals = tuple(sorted(observed.refusals, key=_weight))
    return Case(
        job, observed, world, roster, scheduler, api, problems, foreign, refusals
    )
