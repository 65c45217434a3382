# SPDX-License-Identifier: Apache-2.0
"""How the API server in memory says no."""

from collections.abc import Iterable, Mapping

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.executor import Answer
from mpijob_operator.requests import NEVER
from mpijob_operator.simulation.fields import Outcome


def refusal(
    code: int, reason: str, message: str, causes: Iterable[Manifest] = ()
) -> Answer:
    """Return a `Status` that says no."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": {"causes": list(causes)},
        "code": code,
    }
    return Answer(code, body)


def not_found(ref: Ref) -> Answer:
    """Say that there is no such object."""
    return refusal(404, "NotFound", f'{ref.kind} "{ref.name}" not found')


def changed(ref: Ref) -> Answer:
    """Say that the object is not the one that was seen."""
    words = "the object has been modified; please apply your changes to the latest"
    return refusal(409, "Conflict", f'{ref.kind} "{ref.name}": {words}')


def apply_guard(
    ref: Ref, live: Manifest | None, guard: Mapping[str, str]
) -> Answer | None:
    """Return why an apply may not touch what is there, or is not."""
    uid, version = guard.get("uid"), guard.get("resourceVersion")
    if live is None:
        # A version that was once real is as bad as a uid: the object is gone.
        return changed(ref) if uid or version not in (None, NEVER) else None
    if version not in (None, live["metadata"]["resourceVersion"]):
        return changed(ref)
    if uid not in (None, live["metadata"]["uid"]):
        cause = {"field": "metadata.uid", "message": "field is immutable"}
        return refusal(422, "Invalid", "metadata.uid: field is immutable", [cause])
    return None


def not_applied(ref: Ref, outcome: Outcome) -> Answer:
    """Say what is wrong with what was applied, or whose fields it would take."""
    name = f'{ref.kind} "{ref.name}"'
    if outcome.mistakes:
        words = f"failed to create typed patch object ({name}): {outcome.mistakes[0]}"
        return refusal(500, "InternalError", words)
    causes = [conflict.cause(ref.api_version) for conflict in outcome.conflicts]
    words = f"{name}: Apply failed with {len(causes)} conflicts"
    return refusal(409, "Conflict", words, causes)
