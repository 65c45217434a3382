# SPDX-License-Identifier: Apache-2.0
"""A job's life in the simulated cluster, and what a person would look for in it."""

from typing import Any

from mpijob.status import JobStatus
from mpijob_operator.simulation import Surroundings, Timeline, read, simulate
from tests.builders import a_manifest


def play(
    text: str = "",
    surroundings: Surroundings | None = None,
    **parts: Any,  # noqa: ANN401 - those of a_manifest.
) -> Timeline:
    """Play a job through a script that has no mistakes."""
    script, errors = read(text)
    assert not errors
    return simulate(a_manifest(**parts), script, surroundings)


def happened(timeline: Timeline, *words: str) -> list[float]:
    """Return when something was said that has all of these words."""
    return [e.at for e in timeline.entries if all(word in str(e) for word in words)]


def verdict(timeline: Timeline) -> tuple[str, str]:
    """Return the condition that ended the job, and its reason."""
    status = timeline.status
    assert status is not None
    assert status.verdict is not None
    condition = status.condition(status.verdict)
    assert condition is not None
    return condition.type, condition.reason


def active(status: JobStatus | None) -> tuple[int, int]:
    assert status is not None
    roles = (status.launcher, status.worker)
    launcher, worker = (role.active if role else 0 for role in roles)
    return launcher, worker


def left(timeline: Timeline, kind: str) -> list[str]:
    return sorted(o["metadata"]["name"] for o in timeline.objects if o["kind"] == kind)
