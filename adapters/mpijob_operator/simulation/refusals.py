# SPDX-License-Identifier: Apache-2.0
"""How the API server in memory says no."""

from collections.abc import Iterable, Mapping
from typing import Final

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.executor import Answer
from mpijob_operator.simulation import checks
from mpijob_operator.simulation.checks import Fault
from mpijob_operator.simulation.fields import BUILT_IN, Outcome


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


def exists(ref: Ref) -> Answer:
    """Say that the name is taken."""
    return refusal(409, "AlreadyExists", f'{ref.kind} "{ref.name}" exists')


def forbidden(ref: Ref, words: str) -> Answer:
    """Say that admission will not have it."""
    return refusal(403, "Forbidden", f'"{ref.name}" is forbidden: {words}')


def invalid(ref: Ref, faults: Iterable[Fault]) -> Answer:
    """Say all that is wrong with an object."""
    causes = [
        {
            "reason": fault.reason,
            "message": f"{_SORTS[fault.reason]}{fault.words and f': {fault.words}'}",
            "field": fault.below,
        }
        for fault in faults
    ]
    told = ", ".join(f"{cause['field']}: {cause['message']}" for cause in causes)
    group = ref.api_version.rpartition("/")[0]
    kind = f"{ref.kind}.{group}" if group else ref.kind
    words = f"[{told}]" if len(causes) > 1 else told
    message = f'{kind} "{ref.name}" is invalid: {words}'
    return refusal(422, "Invalid", message, causes)


# How the server begins to tell what is wrong.
_SORTS: Final = {
    checks.DUPLICATE: "Duplicate value",
    checks.FORBIDDEN: "Forbidden",
    checks.INVALID: "Invalid value",
    checks.NOT_FOUND: "Not found",
    checks.NOT_SUPPORTED: "Unsupported value",
    checks.REQUIRED: "Required value",
    checks.TOO_LONG: "Too long",
    checks.TOO_MANY: "Too many",
    checks.TYPE: "Invalid value",
}


def apply_guard(
    ref: Ref, live: Manifest | None, guard: Mapping[str, str]
) -> Answer | None:
    """Return why an apply may not touch what is there, or is not."""
    if live is None:
        # Whatever the version says: nothing is there that it could be of.
        return changed(ref) if guard.get("uid") else None
    version = guard.get("resourceVersion")
    is_old = version not in (None, live["metadata"]["resourceVersion"])
    return changed(ref) if is_old else None


def replace_guard(ref: Ref, live: Manifest, guard: Mapping[str, str]) -> Answer | None:
    """Return why a replacement may not touch what is there."""
    version = guard.get("resourceVersion", "")
    if not version and ref.api_version not in BUILT_IN:
        words = "must be specified for an update"
        at = "metadata.resourceVersion"
        return invalid(ref, [checks.Fault(at, checks.INVALID, words)])
    if version not in ("", live["metadata"]["resourceVersion"]):
        return changed(ref)
    return None


def delete_guard(ref: Ref, live: Manifest, guard: Mapping[str, str]) -> Answer | None:
    """Return why a deletion may not touch what is there."""
    metadata = live["metadata"]
    met = all(metadata[key] == value for key, value in guard.items())
    return None if met else changed(ref)


def not_applied(ref: Ref, outcome: Outcome) -> Answer:
    """Say what is wrong with what was applied, or whose fields it would take."""
    name = f'{ref.kind} "{ref.name}"'
    if outcome.mistakes:
        words = f"failed to create typed patch object ({name}): {outcome.mistakes[0]}"
        return refusal(500, "", words)
    causes = [conflict.cause(ref.api_version) for conflict in outcome.conflicts]
    words = f"{name}: Apply failed with {len(causes)} conflicts"
    return refusal(409, "Conflict", words, causes)
