# SPDX-License-Identifier: Apache-2.0
"""What becomes of workers that Failed: numbered, counted, replaced (B4.9, B5.3).

A failure of the worker's own is numbered by an annotation on the pod, then counted in
the status, then the pod is deleted. A crash between any two of these counts it once.

Unlike mpi-operator: a worker that Failed is replaced, and an eviction is not the end of
the job; more failures than backoffLimit are (B5.3).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from mpijob.case import Case
from mpijob.failures import SIGNAL_BASE, is_disruption, main_exit_code, replace_at
from mpijob.job import RestartPolicy
from mpijob.observed import Pod

# A node's clock may be ahead of ours. Ahead by more, it is wrong and not waited for.
AHEAD_MAX: Final = timedelta(minutes=1)
_NONE: Final = timedelta(0)


def _uncounted(pod: Pod) -> bool:
    """Tell whether the worker itself is to blame, and was not numbered yet."""
    return pod.failure is None and not is_disruption(pod)


def failure_count(case: Case) -> int:
    """Return the failures numbered so far in this start."""
    recorded = case.job.status.worker.failed if case.job.status.worker else 0
    return max(recorded, case.roster.numbered)


def numbers(case: Case) -> Iterator[tuple[Pod, int]]:
    """Yield the workers that Failed and have no number yet, each with the next.

    Not more than it takes to exceed the backoffLimit: the job ends there.
    """
    count = failure_count(case)
    for pod in case.roster.failed:
        if count > case.job.backoff_limit:
            return
        if _uncounted(pod):
            count += 1
            yield pod, count


def fatal(case: Case) -> Pod | None:
    """Return a numbered worker whose exit code ends the job, None for none.

    RestartPolicy ExitCode: 1 to 127 is an error of the program's own (B2.6).
    """
    worker = case.job.worker
    if worker is None or worker.restart_policy is not RestartPolicy.EXIT_CODE:
        return None
    for pod in case.roster.failed:
        code = main_exit_code(pod)
        numbered = pod.failure is not None and not is_disruption(pod)
        if numbered and code is not None and 0 < code < SIGNAL_BASE:
            return pod
    return None


def replaceable(case: Case) -> tuple[tuple[Pod, ...], datetime | None]:
    """Return the workers to delete now, and when the next one may be."""
    now: list[Pod] = []
    later: list[datetime] = []
    for pod in case.roster.failed:
        if _uncounted(pod):
            continue
        at = replace_at(pod)
        if at is not None and _NONE < at - case.world.now <= AHEAD_MAX:
            later.append(at)
        else:
            now.append(pod)
    return tuple(now), min(later, default=None)
