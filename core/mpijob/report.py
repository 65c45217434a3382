# SPDX-License-Identifier: Apache-2.0
"""The status, from the stage and what was seen (B4)."""

from collections.abc import Iterator
from datetime import datetime

from attrs import evolve

from mpijob.blocks import Block
from mpijob.case import Case
from mpijob.conditions import false, true, with_condition
from mpijob.counts import launcher_counts, worker_counts
from mpijob.stage import Stage, Standing
from mpijob.status import Condition, ConditionType, JobStatus, Reason
from mpijob.verdict import verdict_of, whole_name

# The stages in which the job is at work, or means to be.
ACTIVE = frozenset((Stage.HELD, Stage.WAITING, Stage.STARTING, Stage.RUNNING))
SUSPENSION = frozenset((Stage.STOPPING, Stage.CLEARING, Stage.SUSPENDED))
UNREPORTED = frozenset((Stage.NOT_OURS, Stage.DELETED, Stage.UNSEEN))


def report(case: Case, standing: Standing, blocks: tuple[Block, ...]) -> JobStatus:
    """Return the status to be written; the very same where there is no news."""
    stage = standing.stage
    status = _with_start(case, stage)
    for said in _said(case, stage, blocks):
        status = with_condition(status, said, case.now)
    if stage not in ACTIVE | SUSPENSION:
        status = _ended(case, status, verdict_of(case, standing.question))
    if case.world.settings.observed_generation:
        generation = max(case.job.generation, status.observed_generation or 0)
        status = evolve(status, observed_generation=generation)
    return status


def _said(case: Case, stage: Stage, blocks: tuple[Block, ...]) -> Iterator[Condition]:
    """Yield what the conditions shall say, but for what the end of the job brings."""
    old, name = case.job.status, whole_name(case)
    yield true(ConditionType.CREATED, Reason.CREATED, f"MPIJob {name} is created.")
    if stage in SUSPENSION:
        yield true(ConditionType.SUSPENDED, Reason.SUSPENDED, "MPIJob suspended")
        if case.had_started:
            message = f"MPIJob {name} is suspended."
            yield false(ConditionType.RUNNING, Reason.SUSPENDED, message)
    elif stage in ACTIVE:
        if old.is_true(ConditionType.SUSPENDED):
            yield false(ConditionType.SUSPENDED, Reason.RESUMED, "MPIJob resumed")
        yield from _running(case, old.condition(ConditionType.RUNNING))
    if blocks:
        message = "; ".join(block.message for block in blocks)
        yield true(ConditionType.BLOCKED, blocks[0].reason, message)
    elif old.is_true(ConditionType.BLOCKED):
        message = "Nothing is in the way."
        yield false(ConditionType.BLOCKED, Reason.UNBLOCKED, message)


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


def _running(case: Case, old: Condition | None) -> Iterator[Condition]:
    """Yield what Running shall say; nothing to leave it, also where it never was."""
    runs = {"the launcher": case.launcher_running, "every worker": case.workers_running}
    missing = [what for what, there in runs.items() if not there]
    if not missing:
        message = f"MPIJob {whole_name(case)} is running."
        yield true(ConditionType.RUNNING, Reason.RUNNING, message)
    # Unlike mpi-operator: Running is taken back when a pod is lost, and Kueue, which
    # reads it as "pods ready", can evict a job that does not recover (B4.2).
    elif old and (old.status != "False" or old.reason == Reason.NOT_RUNNING):
        message = f"MPIJob {whole_name(case)} waits for {' and '.join(missing)} to run."
        yield false(ConditionType.RUNNING, Reason.NOT_RUNNING, message)


def _ended(case: Case, status: JobStatus, verdict: Condition | None) -> JobStatus:
    end = _completion(case, verdict)
    status = evolve(status, completion_time=end)
    if verdict is not None:
        status = with_condition(status, verdict, case.now)
    running = status.condition(ConditionType.RUNNING)
    is_false = running is not None and running.status == "False"
    if not case.had_started or is_false:
        return status
    message = f"MPIJob {whole_name(case)} is finished."
    said = false(ConditionType.RUNNING, Reason.NOT_RUNNING, message)
    return with_condition(status, said, end)


def _completion(case: Case, verdict: Condition | None) -> datetime:
    """Return the completionTime: the launcher Job's on success, else now (B4.6).

    mpi-operator writes a verdict without one where a worker was evicted.
    """
    old, launcher = case.job.status, case.roster.launcher
    if verdict is None:
        told = old.condition(old.verdict) if old.verdict else None
        return old.completion_time or (told and told.last_transition_time) or case.now
    succeeded = verdict.type == ConditionType.SUCCEEDED
    at = (succeeded and launcher and launcher.completion_time) or case.now
    return max(at, old.start_time or at)
