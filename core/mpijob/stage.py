# SPDX-License-Identifier: Apache-2.0
"""Where an MPIJob stands.

Rule 1: whatever decides a stage lives in this file. About to write
``if launcher.failed`` anywhere else? You want a :class:`Stage`.

Rule 2: a stage is a function of what we see now and of what B4.9 lets us remember:
the verdict, that a suspension is under way, startTime, and the worker failures.
Nothing else reads the status.

Theory of operation
===================

We ask a few questions in a fixed order, and the first "yes" decides.

The order is the design. Whose job it is comes first, for a job that is not ours is not
touched. Memory comes next, because the launcher Job may be gone while the MPIJob is
still there to be read. The launcher's own result outranks suspension, because a job
that is done must not be undone by a late request. Suspension outranks all that only
the operator would hold against a job: a limit must not end a job that is being put
aside. The ends that the operator itself makes come last, and only after a live look
at the launcher Job, whose result would win (B5.2).
"""

import enum
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from mpijob import names
from mpijob.case import Case
from mpijob.observed import LauncherJob, Live
from mpijob.replacement import failure_count, fatal
from mpijob.status import ConditionType, JobStatus, Reason
from mpijob.world import Settings, is_over, later


class Stage(enum.Enum):
    """Where an MPIJob stands. Exactly one holds at any time."""

    NOT_OURS = "NotOurs"  # Another controller's.
    DELETED = "Deleted"  # On its way out; its children follow by owner reference.
    UNSEEN = "Unseen"  # Some kind was not listed yet.
    EXPIRED = "Expired"  # Finished, and its TTL is over.
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPING = "Stopping"  # Suspension: the launcher Job is told to stop.
    CLEARING = "Clearing"  # Suspension: pods and launcher Job go.
    SUSPENDED = "Suspended"
    HELD = "Held"  # Started, and an edit made the spec unreadable.
    WAITING = "Waiting"  # WaitForWorkersReady: no launcher yet.
    STARTING = "Starting"
    RUNNING = "Running"


Question = Callable[[Case], bool]

_OURS: Final = frozenset((None, names.MANAGED_BY))


def managed_elsewhere(case: Case) -> bool:
    """spec.runPolicy.managedBy names another controller."""
    return case.job.run_policy.managed_by not in _OURS


def being_deleted(case: Case) -> bool:
    """The MPIJob is being deleted."""
    return case.job.terminating


def not_seen_yet(case: Case) -> bool:
    """Not every kind of child was listed yet."""
    return bool(case.observed.unknown)


def expired(case: Case) -> bool:
    """It has finished, and ttlSecondsAfterFinished is over."""
    status, ttl = case.job.status, case.job.run_policy.ttl_seconds_after_finished
    end = later(status.completion_time, ttl) if status.verdict else None
    return is_over(end, case.world.now)


def succeeded_before(case: Case) -> bool:
    """Its status says Succeeded, which is final."""
    return case.job.status.verdict is ConditionType.SUCCEEDED


def failed_before(case: Case) -> bool:
    """Its status says Failed, which is final."""
    return case.job.status.verdict is ConditionType.FAILED


def launcher_succeeded(case: Case) -> bool:
    """The launcher Job is complete, or has succeeded and is on its way out."""
    launcher = case.roster.launcher or LauncherJob("")
    going, said = case.suspending or launcher.terminating, launcher.conditions
    return "Complete" in said or (going and "SuccessCriteriaMet" in said)


def launcher_failed(case: Case) -> bool:
    """The launcher Job has failed."""
    launcher = case.roster.launcher or LauncherJob("")
    said = launcher.conditions
    if case.suspending:
        # What fails after we asked for its deletion fails because we did (B6.1).
        return not launcher.terminating and (
            "Failed" in said or "FailureTarget" in said
        )
    return "Failed" in said


def never_valid(case: Case) -> bool:
    """The spec is invalid, and the job was never started."""
    return bool(case.problems) and not case.had_started


def stopping(case: Case) -> bool:
    """It is suspended, and its launcher Job has not stopped yet."""
    launcher = case.roster.launcher
    return case.suspending and launcher is not None and not launcher.stopped


def clearing(case: Case) -> bool:
    """It is suspended, and something of it is left to go."""
    return case.suspending and not (case.roster.empty and not case.roster.groups)


def suspended(case: Case) -> bool:
    """It is suspended, and nothing of it is left."""
    return case.suspending


def _result_on_its_way(case: Case) -> bool:
    launcher = case.roster.launcher
    return launcher is not None and launcher.ending


def out_of_time(case: Case) -> bool:
    """Its activeDeadlineSeconds have passed since it was started."""
    limit = case.job.run_policy.active_deadline_seconds
    end = later(case.job.status.start_time, limit)
    return is_over(end, case.world.now) and not _result_on_its_way(case)


def unreadable(case: Case) -> bool:
    """An edit made the spec invalid; what exists is left as it is."""
    return bool(case.problems)


def worker_failed(case: Case) -> bool:
    """A worker ended with an exit code that restartPolicy ExitCode does not retry."""
    return fatal(case) is not None and not _result_on_its_way(case)


def workers_failed(case: Case) -> bool:
    """More workers failed than backoffLimit allows."""
    too_many = failure_count(case) > case.job.backoff_limit
    return too_many and not _result_on_its_way(case)


def refused(case: Case) -> bool:
    """The API server has called every pod invalid for too long."""
    status, said = case.job.status, (r.reason for r in case.refusals)
    running = status.condition(ConditionType.RUNNING)
    if running is not None and running.reason != Reason.SUSPENDED:
        return False  # It ran in this start: pods could be made.
    end = refused_until(status, case.world.settings)
    over = is_over(end, case.world.now) and case.roster.empty
    return over and Reason.INVALID in said


def refused_until(status: JobStatus, settings: Settings) -> datetime | None:
    """Return until when the API server may call every pod invalid (B1.7)."""
    blocked, start = status.condition(ConditionType.BLOCKED), status.start_time
    if blocked is None or start is None:
        return None
    if (blocked.status, blocked.reason) != ("True", Reason.INVALID):
        return None
    since = max(start, blocked.last_transition_time or start)
    return later(since, settings.refused_timeout.total_seconds())


def waits_for_workers(case: Case) -> bool:
    """The launcher waits until every worker is Ready."""
    return case.roster.launcher is None and case.awaits_workers


def everything_runs(case: Case) -> bool:
    """The launcher and every worker run."""
    return case.launcher_running and case.workers_running


def otherwise(_: Case) -> bool:
    """Its pods are being made or have not all started."""
    return True


QUESTIONS: Final[tuple[tuple[Question, Stage], ...]] = (
    (managed_elsewhere, Stage.NOT_OURS),
    (being_deleted, Stage.DELETED),
    (not_seen_yet, Stage.UNSEEN),
    (expired, Stage.EXPIRED),
    (succeeded_before, Stage.SUCCEEDED),
    (failed_before, Stage.FAILED),
    (launcher_succeeded, Stage.SUCCEEDED),
    (launcher_failed, Stage.FAILED),
    (never_valid, Stage.FAILED),
    (stopping, Stage.STOPPING),
    (clearing, Stage.CLEARING),
    (suspended, Stage.SUSPENDED),
    (out_of_time, Stage.FAILED),
    (unreadable, Stage.HELD),
    (worker_failed, Stage.FAILED),
    (workers_failed, Stage.FAILED),
    (refused, Stage.FAILED),
    (waits_for_workers, Stage.WAITING),
    (everything_runs, Stage.RUNNING),
    (otherwise, Stage.STARTING),
)

# The ends that the operator makes: each needs a live look at the launcher Job (B5.2).
ENDED_BY_US: Final[frozenset[Question]] = frozenset(
    (never_valid, out_of_time, worker_failed, workers_failed, refused)
)


class Standing(NamedTuple):
    """A stage, and the question that decided it."""

    stage: Stage
    question: Question

    @property
    def needs(self) -> frozenset[Live]:
        """What must have been read live for the stage to be believed."""
        ours = self.question in ENDED_BY_US
        return frozenset((Live.LAUNCHER,)) if ours else frozenset()


def standing_of(case: Case) -> Standing:
    """Return the stage of the first question answered yes."""
    return next(
        Standing(stage, question) for question, stage in QUESTIONS if question(case)
    )
