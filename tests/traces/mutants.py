# SPDX-License-Identifier: Apache-2.0
"""Mistakes in the controllers in memory: what the real ones wrote must tell each."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final
from unittest import mock

from attrs import frozen

from mpijob.loose import Manifest
from mpijob_operator.simulation import garbage_collector, job_controller
from mpijob_operator.simulation.deeds import Deed, conditioned
from mpijob_operator.simulation.job_controller import RULES, View
from tests.traces.inclusion import explained
from tests.traces.outcome import Outcome


@frozen
class Mutant:
    """A mistake: what stands in the place of what."""

    mistake: str
    where: object
    name: str
    instead: object


def _nothing(*_: object, **__: object) -> list[Deed]:
    return []


def _none(*_: object) -> None:
    return None


def _zero(*_: object) -> int:
    return 0


def _no_word(*_: object) -> str:
    return ""


def _false(*_: object) -> bool:
    return False


def _as_it_is(value: Manifest, _: str) -> Manifest:
    return value


def _still_begun(job: Manifest, stamp: str) -> Manifest:
    words = ("JobSuspended", "Job suspended")
    return conditioned(job, stamp, "Suspended", "True", words)


def _ended_at_no_time(
    job: Manifest, stamp: str, *, end: str, words: tuple[str, str]
) -> Manifest:
    return conditioned(job, stamp, end, "True", words)


def _never(_: View) -> bool:
    return False


def _without(name: str) -> tuple[Callable[[View], list[Deed] | None], ...]:
    return tuple(rule for rule in RULES if rule.__name__ != name)


_JOBS, _GARBAGE = job_controller, garbage_collector
_GO = vars(job_controller)["_go"]
_LET_GO = vars(job_controller)["_let_go"]

MUTANTS: Final = (
    Mutant(
        "a suspended Job still says when it began", _JOBS, "_suspended", _still_begun
    ),
    Mutant("nobody says when a Job began", View, "begins", property(_never)),
    Mutant("a complete Job has no completionTime", _JOBS, "_ended", _ended_at_no_time),
    Mutant("podFailurePolicy says nothing", _JOBS, "_policy_fails", _no_word),
    Mutant("restarts in place are not counted", _JOBS, "_restarts", _zero),
    Mutant("activeDeadlineSeconds is no limit", _JOBS, "_deadline", _nothing),
    Mutant("a pod that goes is as good as gone", View, "unfinished", property(_never)),
    Mutant("a pod that is counted is still held", _JOBS, "released", _as_it_is),
    Mutant("a suspension counts what it deletes", _JOBS, "_let_go", _GO),
    Mutant("a failing Job counts no pod that it deletes", _JOBS, "_go", _LET_GO),
    Mutant("pods of a Job that is gone are held for ever", _JOBS, "_orphans", _nothing),
    Mutant("no pod is counted", _JOBS, "RULES", _without("_counts_pods")),
    Mutant("a Job that is to go keeps its pods", _JOBS, "RULES", _without("_lets_go")),
    Mutant("failures are no end", _JOBS, "RULES", _without("_fails")),
    Mutant("a success is no end", _JOBS, "RULES", _without("_succeeds")),
    Mutant("a suspended Job goes on", _JOBS, "RULES", _without("_stops")),
    Mutant("who goes in the foreground waits for nobody", _GARBAGE, "_blocks", _false),
    Mutant("an orphan keeps its owner", _GARBAGE, "_disown", _none),
    Mutant("ttlSecondsAfterFinished is never over", _GARBAGE, "_expiries", _nothing),
)


def killers(mutant: Mutant, logs: Sequence[Outcome]) -> Iterable[int]:
    """Yield the number of each log that a mistake cannot explain, from 1."""
    with mock.patch.object(mutant.where, mutant.name, mutant.instead):
        for number, outcome in enumerate(logs, 1):
            if explained(outcome).story:
                yield number
