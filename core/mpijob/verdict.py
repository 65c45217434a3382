# SPDX-License-Identifier: Apache-2.0
"""How a job ended: the terminal condition, in words that explain it (B4.1, B4.8)."""

from collections.abc import Callable, Mapping
from typing import Final

from mpijob import stage
from mpijob.case import Case
from mpijob.conditions import true
from mpijob.failures import explain, newest
from mpijob.observed import JobCondition, LauncherJob
from mpijob.replacement import failure_count, fatal
from mpijob.stage import Question
from mpijob.status import Condition, ConditionType, Reason


def whole_name(case: Case) -> str:
    """Return how messages name the job."""
    return f"{case.job.namespace}/{case.job.name}"


def _failed(reason: str, *sentences: str) -> Condition:
    return true(ConditionType.FAILED, reason, "; ".join(filter(None, sentences)))


def _launcher_succeeded(case: Case) -> Condition:
    message = f"MPIJob {whole_name(case)} successfully completed."
    return true(ConditionType.SUCCEEDED, Reason.SUCCEEDED, message)


def _launcher_failed(case: Case) -> Condition:
    said = (case.roster.launcher or LauncherJob("")).conditions
    told = said.get("Failed") or said.get("FailureTarget") or JobCondition()
    pod = newest(case.roster.launchers)
    reason = told.reason or Reason.FAILED
    if reason == "BackoffLimitExceeded" and pod is not None and pod.reason:
        reason = f"{reason}/{pod.reason}"
    message = told.message or f"MPIJob {whole_name(case)} has failed"
    return _failed(reason, message, explain(pod))


def _never_valid(case: Case) -> Condition:
    # Unlike mpi-operator: an invalid job ends as Failed, where it writes an event alone
    # and leaves Kueue with the quota for ever (B1.7).
    return _failed(Reason.INVALID_SPEC, problems_message(case))


def problems_message(case: Case) -> str:
    """Name every problem of the spec, as far as a condition's message holds."""
    return "; ".join(map(str, case.problems))


def _out_of_time(case: Case) -> Condition:
    limit = case.job.run_policy.active_deadline_seconds
    message = f"MPIJob {whole_name(case)} was active longer than {limit} s"
    return _failed(Reason.DEADLINE_EXCEEDED, message)


def _worker_failed(case: Case) -> Condition:
    return _failed(Reason.WORKER_FAILED, explain(fatal(case)))


def _workers_failed(case: Case) -> Condition:
    count, limit = failure_count(case), case.job.backoff_limit
    message = f"{count} workers failed, and backoffLimit is {limit}"
    pod = newest(p for p in case.roster.failed if p.failure is not None)
    return _failed(Reason.WORKER_BACKOFF_LIMIT_EXCEEDED, message, explain(pod))


def _refused(case: Case) -> Condition:
    words = (r.message for r in case.refusals if r.reason == Reason.INVALID)
    sentences = ("the API server refuses the pods", next(words, ""))
    return _failed(Reason.INVALID_SPEC, *sentences)


_ENDS: Final[Mapping[Question, Callable[[Case], Condition]]] = {
    stage.launcher_succeeded: _launcher_succeeded,
    stage.launcher_failed: _launcher_failed,
    stage.never_valid: _never_valid,
    stage.out_of_time: _out_of_time,
    stage.worker_failed: _worker_failed,
    stage.workers_failed: _workers_failed,
    stage.refused: _refused,
}


def verdict_of(case: Case, question: Question) -> Condition | None:
    """Return the verdict that the deciding question brings, None for no new one."""
    end = _ENDS.get(question)
    return end(case) if end else None
