# SPDX-License-Identifier: Apache-2.0
"""Why a pod Failed: whose fault, in what words, and when to try again (B4.8, B5.3)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from mpijob.observed import Ended, Pod
from mpijob.world import later

# The kubelet's and the node controller's words for a pod that was taken away.
_DISRUPTIONS: Final = frozenset(
    ("Evicted", "Preempting", "NodeLost", "NodeShutdown", "Terminated")
)

# A pod that dies this soon would die again at once: wait as long before the next.
QUICK_END: Final = timedelta(seconds=5)
REPLACE_AFTER_S: Final = 5

# Exit codes from here on say "killed by signal code - 128" (a shell's convention,
# which kubelets follow), and RestartPolicy ExitCode takes them for retryable (B2.6).
SIGNAL_BASE: Final = 128

# fmt: off
_SIGNALS: Final = {
    1: "SIGHUP", 2: "SIGINT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
    9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM", 24: "SIGXCPU",
}
# fmt: on

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def is_disruption(pod: Pod) -> bool:
    """Tell whether the cluster took the pod away; its program is not to blame."""
    return pod.disrupted or pod.reason in _DISRUPTIONS


def main_exit_code(pod: Pod) -> int | None:
    """Return the exit code of containers[0]; None where it never ended."""
    return next((e.exit_code for e in pod.ended if e.main), None)


def replace_at(pod: Pod) -> datetime | None:
    """Return when a Failed pod may be replaced; None: at once (B5.3)."""
    main = next((e for e in pod.ended if e.main), None)
    started = main.started_at if main and main.started_at else pod.start_time
    if main is None or main.finished_at is None or started is None:
        return None
    if main.finished_at - started >= QUICK_END:
        return None
    return later(main.finished_at, REPLACE_AFTER_S)


def newest(pods: Iterable[Pod]) -> Pod | None:
    """Return the Failed pod that was made last, None where none Failed."""
    failed = [pod for pod in pods if pod.phase == "Failed"]
    return max(failed, key=lambda p: (p.created or _LONG_AGO, p.name), default=None)


def explain(pod: Pod | None) -> str:
    """Say which pod Failed, where, and how its containers ended; nothing of none.

    >>> explain(Pod("pi-worker-1", node="n7", reason="Evicted", message="no memory"))
    'pod pi-worker-1 on node n7 failed: Evicted: no memory'
    >>> killed = Ended("mpi", exit_code=137, reason="OOMKilled")
    >>> explain(Pod("pi-worker-1", ended=(killed,)))
    'pod pi-worker-1 failed: container mpi was OOMKilled (exit code 137, SIGKILL)'
    """
    if pod is None:
        return ""
    where = f" on node {pod.node}" if pod.node else ""
    parts = [_ending(ended) for ended in pod.ended if ended.exit_code != 0]
    if pod.reason or pod.message:
        parts.insert(0, ": ".join(part for part in (pod.reason, pod.message) if part))
    return f"pod {pod.name}{where} failed" + (": " + "; ".join(parts) if parts else "")


def _ending(ended: Ended) -> str:
    code = "no exit code" if ended.exit_code is None else f"exit code {ended.exit_code}"
    number = ended.signal or max((ended.exit_code or 0) - SIGNAL_BASE, 0)
    signal = f", {_SIGNALS.get(number, f'signal {number}')}" if number else ""
    if ended.reason in ("", "Error", "Completed"):
        text = f"container {ended.container} ended with {code}{signal}"
    else:
        was = " was" if ended.reason.endswith("ed") else ":"
        text = f"container {ended.container}{was} {ended.reason} ({code}{signal})"
    return f"{text}: {ended.message}" if ended.message else text
