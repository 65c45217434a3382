# SPDX-License-Identifier: Apache-2.0
"""The status, from the stage and what was seen (B4)."""

from datetime import datetime

from attrs import evolve

from mpijob.blocks import Block
from mpijob.case import Case
from mpijob.conditions import false, true, with_condition
from mpijob.counts import launcher_counts, worker_counts
from mpijob.stage import Stage, Standing
from mpijob.status import Condition, ConditionType, JobStatus, Reason
from mpijob.verdict import Verdict, verdict_of, whole_name

# The stages in which the job is at work, or means to be.
ACTIVE = frozenset((Stage.HELD, Stage.WAITING, Stage.STARTING, Stage.RUNNING))
SUSPENSION = frozenset((Stage.STOPPING, Stage.CLEARING, Stage.SUSPENDED))
UNREPORTED = frozenset((Stage.NOT_OURS, Stage.DELETED, Stage.UNSEEN))


def report(case: Case, standing: Standing, blocks: tuple[Block, ...]) -> JobStatus:
    """Return the status to be written; the very same where there is no news."""
    stage = standing.stage
    status = _with_start(case, stage)
    said = true(
        ConditionType.CREATED, Reason.CREATED, f"MPIJob {whole_name(case)} is created."
    )
    status = with_condition(status, said, case.now)
    if stage in SUSPENSION:
        status = _suspended(case, status)
    elif stage in ACTIVE:
        status = _active(case, status)
    else:
        status = _ended(case, status, verdict_of(case, standing.question))
    status = _blocked(status, blocks, case.now)
    if case.world.settings.observed_generation:
        status = evolve(status, observed_generation=_generation(case))
    return status


def _generation(case: Case) -> int:
    return max(case.job.generation, case.job.status.observed_generation or 0)


def _with_start(case: Case, stage: Stage) -> JobStatus:
    """Return the status with startTime and counts as the stage has them (B4.6)."""
    status = case.job.status
    starts = stage in ACTIVE and status.start_time is None
    if starts:
        status = evolve(status, start_time=case.now)
    if stage is Stage.SUSPENDED:
        # Unlike mpi-operator: a suspended job has no startTime, once nothing of it
        # is left. Kueue and its users read it as "not started" (B4.6).
        status = evolve(status, start_time=None)
    wanted = stage in ACTIVE and stage is not Stage.HELD
    return evolve(
        status,
        launcher=launcher_counts(case, wanted=wanted, fresh=starts),
        worker=worker_counts(case, wanted=wanted, fresh=starts),
    )


def _suspended(case: Case, status: JobStatus) -> JobStatus:
    said = true(ConditionType.SUSPENDED, Reason.SUSPENDED, "MPIJob suspended")
    status = with_condition(status, said, case.now)
    if not case.had_started:
        return status
    message = f"MPIJob {whole_name(case)} is suspended."
    said = false(ConditionType.RUNNING, Reason.SUSPENDED, message)
    return with_condition(status, said, case.now)


def _active(case: Case, status: JobStatus) -> JobStatus:
    if status.is_true(ConditionType.SUSPENDED):
        said = false(ConditionType.SUSPENDED, Reason.RESUMED, "MPIJob resumed")
        status = with_condition(status, said, case.now)
    running = _running(case, status.condition(ConditionType.RUNNING))
    return status if running is None else with_condition(status, running, case.now)


def _running(case: Case, old: Condition | None) -> Condition | None:
    """Return what Running shall say; None to leave it, also where it never was."""
    missing = [
        what
        for what, there in (
            ("the launcher", case.launcher_running),
            ("every worker", case.workers_running),
        )
        if not there
    ]
    if not missing:
        message = f"MPIJob {whole_name(case)} is running."
        return true(ConditionType.RUNNING, Reason.RUNNING, message)
    # Unlike mpi-operator: Running is taken back when a pod is lost, and Kueue, which
    # reads it as "pods ready", can evict a job that does not recover (B4.2).
    if old is None or (old.status == "False" and old.reason != Reason.NOT_RUNNING):
        return None
    message = f"MPIJob {whole_name(case)} waits for {' and '.join(missing)} to run."
    return false(ConditionType.RUNNING, Reason.NOT_RUNNING, message)


def _ended(case: Case, status: JobStatus, verdict: Verdict | None) -> JobStatus:
    if verdict is not None:
        status = with_condition(status, verdict.condition, case.now)
        status = evolve(status, completion_time=verdict.at)
    elif status.completion_time is None:
        status = evolve(status, completion_time=_when_it_ended(case))
    running = status.condition(ConditionType.RUNNING)
    is_false = running is not None and running.status == "False"
    if not case.had_started or is_false:
        return status
    message = f"MPIJob {whole_name(case)} is finished."
    said = false(ConditionType.RUNNING, Reason.NOT_RUNNING, message)
    return with_condition(status, said, status.completion_time or case.now)


def _when_it_ended(case: Case) -> datetime:
    """Return when a verdict without a completionTime was written.

    mpi-operator leaves it out where a worker was evicted.
    """
    status = case.job.status
    condition = status.condition(status.verdict) if status.verdict else None
    return (condition and condition.last_transition_time) or case.now


def _blocked(status: JobStatus, blocks: tuple[Block, ...], now: datetime) -> JobStatus:
    if blocks:
        message = "; ".join(block.message for block in blocks)
        said = true(ConditionType.BLOCKED, blocks[0].reason, message)
        return with_condition(status, said, now)
    if not status.is_true(ConditionType.BLOCKED):
        return status
    said = false(ConditionType.BLOCKED, Reason.UNBLOCKED, "Nothing is in the way.")
    return with_condition(status, said, now)
