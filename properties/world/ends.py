# SPDX-License-Identifier: Apache-2.0
"""What an end is like, whoever made what in which order and however often.

Two ends are one where they differ by uids, versions, times, and by the letters that
chance adds to a pod's name.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

import mpijob
from mpijob.loose import Manifest, mapping, mappings
from mpijob.names import Ref
from mpijob_operator.simulation.deeds import status_of
from properties.world.state import State


@frozen
class End:
    """Where everything came to rest."""

    outcome: str  # What became of the job, and what it asks for.
    form: str  # All that there is.
    made: tuple[tuple[str, int], ...]  # How often each pod and Job was to be made.


def end_of(state: State) -> End:
    """Return what a moment at rest is like."""
    objects, outcome = state.world.objects.items(), _outcome(state.job)
    # The hosts of a job that has ended are those that were seen last.
    last = outcome in _VERDICTS
    held = sorted(
        (_name(ref, value), _held(value, last=last)) for ref, value in objects
    )
    form = json.dumps(held, sort_keys=True)
    made = sorted(
        (f"{ref.kind} {ref.name}", times)
        for ref, times in state.made.items()
        if ref.kind in ("Pod", "Job")
    )
    asked = "" if state.job is None else json.dumps(state.job["spec"], sort_keys=True)
    return End(f"{outcome} {asked}".strip(), form, tuple(made))


def _outcome(job: Manifest | None) -> str:
    if job is None:
        return "gone"
    status = mpijob.decode(job).status
    if status.verdict is not None:
        return status.verdict.value
    true = [c.type for c in status.conditions if c.status == "True"]
    return next((word for word in ("Suspended", "Blocked") if word in true), "Running")


def _name(ref: Ref, value: Manifest) -> str:
    return f"{ref.kind} {value['metadata'].get('generateName', ref.name)}"


def _held(value: Manifest, *, last: bool) -> str:
    metadata, status = value["metadata"], status_of(value)
    labels = {
        key: label
        for key, label in mapping(metadata.get("labels")).items()
        if not key.startswith("batch.kubernetes.io/")
    }
    held: dict[str, Any] = {
        "labels": labels,
        "annotations": metadata.get("annotations") or {},
        "going": "deletionTimestamp" in metadata,
        "spec": {
            k: v for k, v in mapping(value.get("spec")).items() if k not in _CHANCE
        },
        "data": None if last else value.get("data"),
        "phase": status.get("phase"),
        "status": _told(status) if value["kind"] == "MPIJob" else None,
    }
    return json.dumps(held, sort_keys=True, default=dict)


_VERDICTS: Final = ("Succeeded", "Failed")
# Where a pod runs.
_CHANCE: Final = frozenset(("nodeName",))


def _told(status: Mapping[str, Any]) -> dict[str, Any]:
    # What was never said and what is not so any more are one.
    said = {
        condition["type"]: condition.get("reason")
        for condition in mappings(status.get("conditions"))
        if condition["status"] == "True"
    }
    times = [field for field in ("startTime", "completionTime") if field in status]
    return {"said": said, "counts": status.get("replicaStatuses"), "times": times}
