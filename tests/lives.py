# SPDX-License-Identifier: Apache-2.0
"""How each step of the recorded lives is compared, and the answers written by hand.

Where an earlier decision of upstream's has made a state that ours never reaches, its
answer cannot be mended by a pattern: the one here is what the behaviour wants then.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tests.corpus_case import ANY, Answer, Asked, upstream_step
from tests.deviations_of_life import (
    conditions,
    d21,
    d22,
    d32,
    d38,
    d39,
    expected,
    key_of,
    said,
    with_conditions,
)
from tests.granting import as_sent, with_fields

Way = Callable[[Asked], Answer]


def by_patterns(asked: Asked) -> Answer:
    """Upstream's answer, with the patterns."""
    return expected(upstream_step(asked, as_sent), asked)[0]


def _by_hand(asked: Asked, answer: Answer) -> Answer:
    """Add what goes with every answer: labels, generation, selectors, events."""
    for pattern in (d38, d32, d39, d21, d22):
        answer = pattern(answer, asked)
    return answer


def _counts(launcher: int, workers: int) -> dict[str, dict[str, int]]:
    counts = {"Launcher": launcher, "Worker": workers}
    return {role: {"active": count} if count else {} for role, count in counts.items()}


def stops(asked: Asked) -> Answer:
    """D25, D29: the launcher Job is told to stop; all still counts.

    Upstream deletes the workers and the PodGroup in the same call (B6.1).
    """
    job = key_of(asked, "Job")
    message = f"MPIJob {asked.namespace}/{asked.name} is suspended."
    status = with_conditions(
        asked.status,
        said("Suspended", "True", "MPIJobSuspended", "MPIJob suspended", asked.now),
        said("Running", "False", "MPIJobSuspended", message, asked.now),
    )
    status["replicaStatuses"] = _counts(1, asked.workers)
    answer = _by_hand(asked, Answer(status=status))
    stop = {job: with_fields(answer.touched[job], {"spec": {"suspend": True}})}
    applied = {k: c for k, c in answer.applied.items() if c["kind"] != "PodGroup"}
    return Answer(
        applied=applied,
        touched={**answer.touched, **stop},
        events=answer.events,
        status=answer.status,
    )


def clears(asked: Asked) -> Answer:
    """D29: a launcher Job that is left of a suspension goes, even if it is over.

    Upstream keeps it, and resumes it. Nothing starts before it is gone, and what
    holds it until then counts as the launcher's (B4.5, B6.1).
    """
    deleted = frozenset({key_of(asked, "Job")})
    status = {**asked.status, "replicaStatuses": _counts(1, 0)}
    return _by_hand(asked, Answer(deleted=deleted, status=status))


def waits_for_old_pod(asked: Asked) -> Answer:
    """D35: no launcher Job is made while a launcher pod is left (B5.2).

    Upstream makes it, and takes the pod that terminates for a running one.
    """
    lost = said("Running", "False", "MPIJobNotRunning", ANY, asked.now)
    status = with_conditions(asked.status, lost)
    assert conditions(asked.status)["Running"]["status"] == "True"
    status["replicaStatuses"] = _counts(1, asked.workers)
    return _by_hand(asked, Answer(status=status))


def runs_again(asked: Asked) -> Answer:
    """D28: a launcher Job that was collected with its result is made anew.

    Ours is never collected (D17). In the state that upstream's is in, all that can
    be known is that somebody deleted the Job, and both make it again.
    """
    return by_patterns(asked)


# The patterns that an answer by hand stands for.
BY_HAND: Final[Mapping[Way, tuple[str, ...]]] = {
    stops: ("D25", "D29"),
    clears: ("D29",),
    waits_for_old_pod: ("D35",),
    runs_again: ("D28",),
}

# fmt: off
HOW: Final[Mapping[str, tuple[Way, ...]]] = {
    "life-deadline":            (by_patterns,) * 4,
    "life-discover-12":         (by_patterns,) * 4,
    "life-drift":               (*(by_patterns,) * 6, waits_for_old_pod),
    "life-finished-unobserved": (by_patterns,) * 2,
    "life-foreign-service":     (by_patterns,) * 2,
    "life-gang-volcano":        (*(by_patterns,) * 4, stops, clears, clears,
                                 by_patterns, by_patterns),
    "life-kueue-admission":     (by_patterns, clears, by_patterns, by_patterns,
                                 stops, clears, clears),
    "life-managed-elsewhere":   (by_patterns,) * 2,
    "life-scale-launcher-as-worker": (by_patterns,) * 6,
    "life-success-clean-all":   (by_patterns,) * 5,
    "life-success-clean-running": (by_patterns,) * 5,
    "life-suspended-resumed":   (by_patterns, clears, clears, *(by_patterns,) * 3),
    "life-ttl-zero":            (*(by_patterns,) * 3, *(runs_again,) * 3),
    "life-wait-for-workers":    (by_patterns,) * 5,
    "life-worker-lost":         (by_patterns,) * 6,
}
# fmt: on

# Patterns that no job and no life of the corpus shows; other tests show their rules.
NOT_SHOWN: Final = {
    "D26": "no worker Fails and none is evicted",
    "D30": "no job that waits for its workers is resumed",
    "D36": "no gang ends with cleanPodPolicy None",
}
