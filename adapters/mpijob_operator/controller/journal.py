# SPDX-License-Identifier: Apache-2.0
"""What the log says of jobs: each transition, each refusal; and every look, at DEBUG.

The words are those of the Events, so that a line is found by what `kubectl describe`
shows. A conflict or a name that was taken is no trouble: the next look sees more.
"""

import logging
from typing import Final

import mpijob
from mpijob_operator.controller.controller import Look
from mpijob_operator.controller.store import Key
from mpijob_operator.executor import Reply
from mpijob_operator.requests import request_of

# What an administrator is to see, whatever the next look makes of it.
_TROUBLES: Final = frozenset((Reply.GONE, Reply.REFUSED, Reply.NOT_NOW, Reply.UNKNOWN))

_log: Final = logging.getLogger(__name__)


class Journal:
    """Logs what becomes of each job."""

    def took(self, waited_s: float) -> None:
        """Take no note of waiting."""
        del waited_s

    def looked(
        self, key: Key, answer: mpijob.Reconciliation, result: str, seconds: float
    ) -> None:
        """Log a look, for who asked for that."""
        extra = {
            "job": str(key),
            "stage": answer.stage.value,
            "because": answer.because,
            "result": result,
            "seconds": round(seconds, 3),
        }
        _log.debug("looked", extra=extra)

    def acted(self, look: Look) -> None:
        """Log what was told of a job, what was sent, and what was refused."""
        job = {"job": str(look.key)}
        for action, answer in look.answers:
            if isinstance(action, mpijob.Event):
                words = {"reason": action.reason, "message_": action.message}
                _log.info("told", extra={**job, **words})
            elif _log.isEnabledFor(logging.DEBUG):
                what = _what(look.job, action)
                _log.debug("sent", extra={**job, **what, "code": answer.code})
        found = [t for t in look.execution.troubles if t.reply in _TROUBLES]
        if found:
            # A thousand pods that are refused are refused for one reason.
            first, others = found[0], len(found) - 1
            why = {"code": first.answer.code, "why": first.answer.message}
            more = {"others": others} if others else {}
            what = _what(look.job, first.action)
            _log.warning("not done", extra={**job, **what, **why, **more})

    def left(self, key: Key) -> None:
        """Log that a job is gone, for who asked for that."""
        _log.debug("gone", extra={"job": str(key)})


def _what(job: mpijob.MPIJob, action: mpijob.Action) -> dict[str, str]:
    """Return which request an action is."""
    request = request_of(job, action)
    ref = request.ref
    return {"verb": request.verb.name.lower(), "kind": ref.kind, "name_": ref.name}
