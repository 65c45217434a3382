# SPDX-License-Identifier: Apache-2.0
"""Write down each look that changed something, so that it can be had again.

A recording is a request of the JSON contract (docs/hook.md) with what was then sent and
answered: `mpijob replay` asks the function once more and compares. No key is in it: of
Secrets nothing but metadata was ever read, and the slot of a new one stays a slot.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import mpijob
from mpijob.loose import Manifest
from mpijob.wire import text_of_time
from mpijob_operator.controller.controller import Look
from mpijob_operator.controller.store import Key
from mpijob_operator.executor import Answer
from mpijob_operator.hook_request import CHILD_WORDS, LIVE_WORDS, VERSION
from mpijob_operator.requests import request_of

# A folder that nobody clears must not fill a disk: the oldest of ours go.
FILES_MAX: Final = 10_000
BYTES_MAX: Final = 2**29
_OURS: Final = f"{'[0-9]' * 8}T{'[0-9]' * 6}-{'[0-9]' * 6}-*.json"

_log: Final = logging.getLogger(__name__)


class Recorder:
    """Writes into a folder, a file a look."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        # The oldest first, with the bytes of each.
        found = sorted(self.folder.glob(_OURS))
        self._written = [(path, path.stat().st_size) for path in found]
        self._bytes = sum(size for _, size in self._written)
        self._serial = 0

    def took(self, waited_s: float) -> None:
        """Take no note of waiting."""
        del waited_s

    def looked(
        self, key: Key, answer: mpijob.Reconciliation, result: str, seconds: float
    ) -> None:
        """Take no note of a look that changed nothing."""
        del key, answer, result, seconds

    def left(self, key: Key) -> None:
        """Take no note of a job that is gone."""
        del key

    def acted(self, look: Look) -> None:
        """Write a look down; a disk that is full stops nothing."""
        self._serial += 1
        time = look.world.now.strftime("%Y%m%dT%H%M%S")
        name = f"{time}-{self._serial:06}-{look.key.namespace}-{look.key.name}.json"
        path = self.folder / name
        try:
            size = path.write_bytes(text(look).encode())
            self._written.append((path, size))
            self._bytes += size
            while len(self._written) > FILES_MAX or self._bytes > BYTES_MAX:
                oldest, size = self._written.pop(0)
                self._bytes -= size
                oldest.unlink(missing_ok=True)
        except OSError as error:
            words = error.strerror or str(error)
            _log.warning("cannot record", extra={"file": name, "why": words})


def text(look: Look) -> str:
    """Return a look as the text of its file."""
    return json.dumps(recording(look), indent=1, default=dict) + "\n"


def recording(look: Look) -> dict[str, Any]:
    """Return a look as JSON: what was asked, decided and answered."""
    job, answer = look.job, look.answer
    return {
        "request": request(look),
        "stage": answer.stage.name,
        "because": answer.because,
        "steps": steps(job, look.plan),
        "end": None if look.execution.end is None else look.execution.end.name,
        "answers": [_answered(job, *pair) for pair in look.answers],
    }


def steps(job: mpijob.MPIJob, plan: mpijob.Plan) -> list[list[dict[str, Any]]]:
    """Return the requests of a plan; slots stay slots."""
    return [[request_of(job, action).as_json() for action in step] for step in plan]


def _answered(
    job: mpijob.MPIJob, action: mpijob.Action, answer: Answer
) -> dict[str, Any]:
    sent = request_of(job, action)
    refused = {"message": answer.message} if answer.code not in _GOOD else {}
    version = answer.resource_version
    return {
        "method": sent.verb.value,
        "path": sent.path,
        "code": answer.code,
        **({"resourceVersion": version} if version else {}),
        **refused,
    }


_GOOD: Final = range(200, 300)


def request(look: Look) -> dict[str, Any]:
    """Return what was asked, as the contract has it."""
    seen, settings = look.seen, look.world.settings
    objects = [one.manifest for one in look.sights if one.manifest is not None]
    return {
        "version": VERSION,
        "id": str(look.key),
        "job": look.manifest or {},
        "observed": [_without_key(value) for value in objects],
        "unknown": sorted(CHILD_WORDS[child] for child in seen.unknown),
        "live": sorted(LIVE_WORDS[live] for live in seen.live),
        "refusals": [
            {
                "child": CHILD_WORDS[refusal.child],
                "name": refusal.name,
                "reason": refusal.reason,
                "message": refusal.message,
            }
            for refusal in seen.refusals
        ],
        "world": {
            "now": text_of_time(look.world.now),
            "settings": {
                "clusterDomain": settings.cluster_domain,
                "gangScheduler": settings.gang_scheduler,
                "workloadApi": settings.workload_api,
                "ttlKeepsJob": settings.ttl_keeps_job,
                "refusedTimeoutSeconds": settings.refused_timeout.total_seconds(),
                "observedGeneration": settings.observed_generation,
            },
            "priorityClasses": [
                {
                    "metadata": {"name": each.name},
                    "value": each.value,
                    "globalDefault": each.global_default,
                }
                for each in look.world.priority_classes
            ],
        },
    }


def _without_key(value: Manifest) -> Mapping[str, Any]:
    """Return an object without what a Secret holds, whoever handed it in (B8.5)."""
    if value.get("kind") != "Secret":
        return value
    return {k: v for k, v in value.items() if k not in ("data", "stringData")}
