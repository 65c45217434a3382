# SPDX-License-Identifier: Apache-2.0
"""How a job ended: the terminal condition, in words that explain it (B4.1, B4.8)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from mpijob import conditions, stage
from mpijob.case import Case
from mpijob.failures import explain, newest
from mpijob.observed import JobCondition, LauncherJob
from mpijob.replacement import failure_count, fatal
from mpijob.stage import Question
from mpijob.status import Condition, ConditionType, Reason


class Verdict(NamedTuple):
    """The terminal condition, and the completionTime that goes with it."""

    condition: Condition
    at: datetime


def whole_name(case: Case) -> str:
    """Return how messages name the job."""
    return f"{case.job.namespace}/{case.job.name}"


def _failed(case: Case, reason: str, *sentences: str) -> Verdict:
    message = "; ".join(sentence for sentence in sentences if sentence)
    at = max(case.now, case.job.status.start_time or case.now)
    return Verdict(conditions.true(ConditionType.FAILED, reason, message), at)


def _launcher_succeeded(case: Case) -> Verdict:
    launcher, start = case.roster.launcher, case.job.status.start_time
    at = launcher.completion_time if launcher else None
    message = f"MPIJob {whole_name(case)} successfully completed."
    said = conditions.true(ConditionType.SUCCEEDED, Reason.SUCCEEDED, message)
    return Verdict(said, max(at or case.now, start or at or case.now))


def _launcher_failed(case: Case) -> Verdict:
    launcher = case.roster.launcher
    said = launcher or LauncherJob("")
    told = said.conditions.get("Failed") or said.conditions.get("FailureTarget")
    told = told or JobCondition()
    pod = newest(case.roster.launchers)
    reason = told.reason or Reason.FAILED
    if reason == "BackoffLimitExceeded" and pod is not None and pod.reason:
        reason = f"{reason}/{pod.reason}"
    message = told.message or f"MPIJob {whole_name(case)} has failed"
    return _failed(case, reason, message, explain(pod) if pod else "")


def _never_valid(case: Case) -> Verdict:
    # Unlike mpi-operator: an invalid job ends as Failed, where it writes an event alone
    # and leaves Kueue with the quota for ever (B1.7).
    return _failed(case, Reason.INVALID_SPEC, problems_message(case))


def problems_message(case: Case) -> str:
    """Name every problem of the spec, as far as a condition's message holds."""
    return "; ".join(str(problem) for problem in case.problems)


def _out_of_time(case: Case) -> Verdict:
    limit = case.job.run_policy.active_deadline_seconds
    message = f"MPIJob {whole_name(case)} was active longer than {limit} s"
    return _failed(case, Reason.DEADLINE_EXCEEDED, message)


def _worker_failed(case: Case) -> Verdict:
    pod = fatal(case)
    return _failed(case, Reason.WORKER_FAILED, explain(pod) if pod else "")


def _workers_failed(case: Case) -> Verdict:
    count, limit = failure_count(case), case.job.backoff_limit
    message = f"{count} workers failed, and backoffLimit is {limit}"
    pod = newest(p for p in case.roster.failed if p.failure is not None)
    reason = Reason.WORKER_BACKOFF_LIMIT_EXCEEDED
    return _failed(case, reason, message, explain(pod) if pod else "")


def _refused(case: Case) -> Verdict:
    words = (r.message for r in case.refusals if r.reason == Reason.INVALID)
    message = "the API server refuses the pods"
    return _failed(case, Reason.INVALID_SPEC, message, next(words, ""))


_ENDS: Final[Mapping[Question, Callable[[Case], Verdict]]] = {
    stage.launcher_succeeded: _launcher_succeeded,
    stage.launcher_failed: _launcher_failed,
    stage.never_valid: _never_valid,
    stage.out_of_time: _out_of_time,
    stage.worker_failed: _worker_failed,
    stage.workers_failed: _workers_failed,
    stage.refused: _refused,
}


def verdict_of(case: Case, question: Question) -> Verdict | None:
    """Return the verdict that the deciding question brings, None for no new one."""
    end = _ENDS.get(question)
    return end(case) if end else None
