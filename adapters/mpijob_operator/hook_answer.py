# SPDX-License-Identifier: Apache-2.0
"""From the function's answer to the JSON of the contract.

Nothing is decided here and nothing is left out. No key is in it: where an SSH key pair
goes there is a slot, and whoever carries the action out fills it (B8.5).
"""

from collections.abc import Iterable
from typing import Any

import mpijob
from mpijob.children.secret import KEY_SLOTS
from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.hook_request import CHILD_WORDS, LIVE_WORDS, VERSION, Question
from mpijob_operator.requests import CONTENT_TYPES, Slot, request_of


def answer(asked: Question) -> dict[str, Any]:
    """Ask the function, and say all of its answer."""
    job, observed = asked.job, asked.observed
    said = mpijob.reconcile(job, observed, asked.world)
    wait = said.requeue_after
    return {
        "version": VERSION,
        "stage": said.stage.value,
        "because": said.because,
        "status": mpijob.encode_status(said.status),
        "problems": problems(said.problems),
        "warnings": problems(said.warnings),
        "outdated": [role.value for role in said.outdated],
        "desired": [_desired(job, child) for child in said.desired],
        "unwanted": [_deletion(each) for each in said.unwanted],
        "touches": [_touch(each) for each in (*said.numbering, *said.touches)],
        "events": [_event(each) for each in (*said.events, *said.evictions)],
        "deleteJob": said.delete_job,
        "requeueAfterSeconds": wait.total_seconds() if wait is not None else None,
        "needs": sorted(LIVE_WORDS[live] for live in said.needs),
        "steps": [
            [_action(job, action) for action in step]
            for step in mpijob.plan(job, observed, said)
        ],
    }


def problems(found: Iterable[mpijob.Problem]) -> list[dict[str, str]]:
    """Return problems as the contract has them."""
    return [
        {
            "path": problem.path,
            "message": problem.message,
            **({"hint": problem.hint} if problem.hint else {}),
        }
        for problem in found
    ]


def _desired(job: mpijob.MPIJob, wanted: mpijob.Desired) -> dict[str, Any]:
    said: dict[str, Any] = {
        "child": CHILD_WORDS[wanted.child],
        "policy": type(wanted).__name__,
        "name": wanted.name,
        "manifest": wanted.manifest,
    }
    if isinstance(wanted, mpijob.Create) and (slots := request_of(job, wanted).slots):
        said["slots"] = [slot.value for slot in slots]
    return said


def _ref(ref: Ref) -> dict[str, str]:
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
    }


def _deletion(unwanted: mpijob.Delete) -> dict[str, Any]:
    return {
        "ref": _ref(unwanted.ref),
        "uid": unwanted.uid,
        "resourceVersion": unwanted.resource_version,
        "propagation": unwanted.propagation,
        "why": unwanted.why,
    }


def _touch(touch: mpijob.Touch) -> dict[str, Any]:
    return {
        "ref": _ref(touch.ref),
        "uid": touch.uid,
        "resourceVersion": touch.resource_version,
        "fieldManager": touch.manager.value,
        "fields": touch.fields,
    }


def _event(event: mpijob.Event) -> dict[str, str]:
    return {"type": event.type, "reason": event.reason, "message": event.message}


def _action(job: mpijob.MPIJob, action: mpijob.Action) -> Manifest:
    """Say an action: what is sent for it, and what one must know to go on."""
    request = request_of(job, action)
    said: dict[str, Any] = {
        "action": type(action).__name__,
        "ref": _ref(request.ref),
        **request.as_json(),
    }
    if content_type := CONTENT_TYPES[request.verb]:
        said["contentType"] = content_type
    if Slot.KEY_PAIR in request.slots:
        said["keys"] = list(KEY_SLOTS)
    match action:
        case mpijob.Create() | mpijob.Apply():
            said["child"] = CHILD_WORDS[action.child]
            if holds := mpijob.HOLDS[action.child]:
                said["holds"] = sorted(CHILD_WORDS[child] for child in holds)
        case mpijob.Delete():
            said["why"] = action.why
        case mpijob.Confirm():
            said["expect"] = {"uid": action.uid, "generation": action.generation}
        case _:
            pass
    return said
