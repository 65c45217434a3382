# SPDX-License-Identifier: Apache-2.0
"""Carry out a plan without touching anything: what to send next, given what was said.

An `Execution` is a value. It may be kept, copied, compared, and dropped between any two
requests, which is what a crash is: half a plan is safe. Whoever holds one sends what is
`ready` and tells what was `answered`; the network does not enter.

The table `CONSEQUENCES` is the whole policy: which answer to which action does what.
"""

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import evolve, field, frozen

import mpijob
from mpijob.actions import Manager
from mpijob.loose import NOTHING, Manifest, mapping, mappings, strings
from mpijob.names import Child, Ref
from mpijob.status import Reason
from mpijob_operator.requests import Request, ref_of, request_of

__all__ = [
    "CONSEQUENCES",
    "Answer",
    "Call",
    "Consequence",
    "End",
    "Execution",
    "Kind",
    "Reply",
    "Trouble",
    "age",
    "remembered",
    "start",
]


@frozen
class Answer:
    """What the API server said: a code, and an object or a `Status`."""

    code: int  # Of HTTP; 0 where nobody knows what became of the request.
    body: Manifest = NOTHING
    retry_after: float = 0.0  # Seconds that the server asked us to wait.

    @property
    def message(self) -> str:
        """The cluster's words."""
        words = strings(self.body).get("message", "")
        return words or f"the API server answered {self.code}"

    @property
    def reason(self) -> str:
        """The cluster's one word for it."""
        return strings(self.body).get("reason", "")

    @property
    def resource_version(self) -> str:
        """The version of the object that was written, empty where none came back."""
        return strings(self.body.get("metadata")).get("resourceVersion", "")


Kind = tuple[str, str]
"""An apiVersion and a kind: what one watch shows."""


class Reply(enum.Enum):
    """What an answer means for the action that it answers."""

    DONE = "done"
    GONE = "gone"  # There is no such object, or no such kind.
    TAKEN = "taken"  # The name is taken.
    CONFLICT = "conflict"  # Our view was old: the guard held.
    REFUSED = "refused"  # The cluster will not have it, in words of its own.
    NOT_NOW = "not now"  # Not looked at: too many requests, or a stale token.
    UNKNOWN = "unknown"  # It may have happened, or may yet happen.


class Consequence(enum.Enum):
    """What follows from a reply."""

    GO_ON = "go on"
    HOLD = "hold"  # What needs that child is held back (B8.1); the rest goes on.
    STOP = "stop"  # Nothing more of this plan is sent.


GO_ON, HOLD, STOP = Consequence

_Row = type[mpijob.Action] | Manager

# fmt: off
CONSEQUENCES: Final[Mapping[_Row, tuple[Consequence, ...]]] = {
    #                   Done   Gone   Taken  Conflict Refused Not now Unknown
    mpijob.Create:      (GO_ON, HOLD,  HOLD,  STOP,    HOLD,   STOP,   STOP),
    mpijob.Apply:       (GO_ON, HOLD,  HOLD,  STOP,    HOLD,   STOP,   STOP),
    mpijob.Delete:      (GO_ON, GO_ON, STOP,  STOP,    HOLD,   STOP,   STOP),
    mpijob.WriteStatus: (GO_ON, STOP,  STOP,  STOP,    STOP,   STOP,   STOP),
    mpijob.Confirm:     (GO_ON, STOP,  STOP,  STOP,    STOP,   STOP,   STOP),
    # Labels are for watches; a number and a suspension are what the next step rests on.
    Manager.LABELS:     (GO_ON, STOP,  STOP,  STOP,    HOLD,   STOP,   STOP),
    Manager.FAILURE:    (GO_ON, STOP,  STOP,  STOP,    STOP,   STOP,   STOP),
    Manager.SUSPEND:    (GO_ON, STOP,  STOP,  STOP,    STOP,   STOP,   STOP),
    # A lost or late event harms nothing.
    mpijob.Event:       (GO_ON, GO_ON, GO_ON, GO_ON,   GO_ON,  GO_ON,  GO_ON),
}
# fmt: on


def consequence_of(action: mpijob.Action, reply: Reply) -> Consequence:
    """Look a reply up in the table."""
    row = action.manager if isinstance(action, mpijob.Touch) else type(action)
    return CONSEQUENCES[row][_COLUMNS[reply]]


_COLUMNS: Final = {reply: column for column, reply in enumerate(Reply)}


class End(enum.IntEnum):
    """How a plan ended; the weightiest reply decides."""

    DONE = 0  # Everything was done: look again when something changes.
    BACK_OFF = 1  # Something was refused: look again, later each time.
    LOOK_AGAIN = 2  # Our view was old: look again at once.
    UNCERTAIN = 3  # Nobody knows: wait the request's time, then look past every cache.


_ENDS: Final[Mapping[Reply, End]] = {
    Reply.DONE: End.DONE,
    Reply.GONE: End.BACK_OFF,
    Reply.TAKEN: End.LOOK_AGAIN,
    Reply.CONFLICT: End.LOOK_AGAIN,
    Reply.REFUSED: End.BACK_OFF,
    Reply.NOT_NOW: End.BACK_OFF,
    Reply.UNKNOWN: End.UNCERTAIN,
}

# The codes that speak for themselves. Any other from 400 to 499 is a refusal; whatever
# else is no answer at all.
_CODES: Final[Mapping[int, Reply]] = {
    401: Reply.NOT_NOW,
    404: Reply.GONE,
    409: Reply.CONFLICT,
    410: Reply.GONE,
    429: Reply.NOT_NOW,
}


def reply_of(action: mpijob.Action, answer: Answer) -> Reply:
    """Tell what an answer means for an action."""
    code = answer.code
    # HTTP's own words for success.
    if 200 <= code < 300 and _shows(action, answer):  # noqa: PLR2004 - see above.
        return Reply.DONE if _confirms(action, answer) else Reply.CONFLICT
    if not 400 <= code < 500:  # noqa: PLR2004 - HTTP's own words for a refusal.
        return Reply.UNKNOWN
    if code == _CONFLICT and _names_taken(action, answer):
        return Reply.TAKEN
    if code == _INVALID and _is_another(answer):
        return Reply.CONFLICT
    return _CODES.get(code, Reply.REFUSED)


_CONFLICT: Final = 409
_INVALID: Final = 422
_FORBIDDEN: Final = 403
_INTERNAL: Final = 500


def _names_taken(action: mpijob.Action, answer: Answer) -> bool:
    """Tell whether a name was to be free and is not."""
    exists = isinstance(action, mpijob.Create) and answer.reason == "AlreadyExists"
    return exists or (isinstance(action, mpijob.Apply) and not action.uid)


def _is_another(answer: Answer) -> bool:
    """Tell whether an apply by uid met another object of the name."""
    causes = mappings(mapping(answer.body.get("details")).get("causes"))
    return any(cause.get("field") == "metadata.uid" for cause in causes)


def _shows(action: mpijob.Action, answer: Answer) -> bool:
    """Tell whether the object came back: what stands between may answer 200 as well."""
    others = mpijob.Confirm | mpijob.Delete | mpijob.Event
    return isinstance(action, others) or bool(answer.resource_version)


def _confirms(action: mpijob.Action, answer: Answer) -> bool:
    """Tell whether the MPIJob is still the one that was decided on (B8.2)."""
    if not isinstance(action, mpijob.Confirm):
        return True
    job = mpijob.decode(answer.body)
    same = (job.uid, job.generation) == (action.uid, action.generation)
    return same and not job.terminating and job.status.verdict is None


@frozen
class Trouble:
    """An action that was not done, and why."""

    action: mpijob.Action
    reply: Reply
    answer: Answer

    @property
    def refusal(self) -> mpijob.Refusal | None:
        """What is to be said of it in the status; None of what is no child."""
        action = self.action
        told = self.reply in (Reply.REFUSED, Reply.GONE) or _is_internal(self.answer)
        if not told or not isinstance(action, mpijob.Create | mpijob.Apply):
            return None
        words = self.answer.message
        return mpijob.Refusal(action.child, action.name, _reason(self.answer), words)


def _is_internal(answer: Answer) -> bool:
    """Tell whether something behind the API server failed: a webhook that is down.

    It goes on for as long as that is down, and nobody else would say so.
    """
    return answer.code == _INTERNAL and answer.reason == "InternalError"


_QUOTA: Final = re.compile(r"exceeded quota|insufficient quota")
_ADMISSION: Final = re.compile(r"denied (the )?request")


def _reason(answer: Answer) -> str:
    """Name a refusal as B4.1 does. What ends a job is told by the code alone (B1.7)."""
    if answer.code == _INVALID:
        return Reason.INVALID
    if answer.code == _FORBIDDEN and _QUOTA.search(answer.message):
        return Reason.QUOTA_EXCEEDED
    if _ADMISSION.search(answer.message):
        return Reason.ADMISSION_DENIED
    return answer.reason or Reason.FORBIDDEN


@frozen
class Call:
    """An action that may be carried out now; its number goes back with the answer."""

    number: int
    action: mpijob.Action
    job: mpijob.MPIJob = field(repr=False)

    @property
    def request(self) -> Request:
        """What to send."""
        return request_of(self.job, self.action)


@frozen
class Execution:
    """How far a plan was carried out."""

    job: mpijob.MPIJob = field(repr=False)
    plan: mpijob.Plan = field(repr=False)
    step: int = 0
    left: frozenset[int] = frozenset()  # Of this step: sent or not, not answered.
    stopped: bool = False
    troubles: tuple[Trouble, ...] = ()
    # The newest resourceVersion that a write returned, by apiVersion and kind: a cache
    # that has not come so far shows our own past.
    written: Mapping[Kind, str] = field(factory=dict[Kind, str])

    def ready(self) -> tuple[Call, ...]:
        """Return what may be sent now, side by side and in any order.

        What was sent and not answered is among them: whoever sends side by side asks
        when `step` has changed.
        """
        if self.stopped or not self.left:
            return ()
        step = self.plan[self.step]
        return tuple(
            Call(number, step[number], self.job) for number in sorted(self.left)
        )

    def answered(self, number: int, answer: Answer) -> "Execution":
        """Return what follows from an answer to one of the calls of this step.

        Answers still on their way when the plan was stopped are welcome, and noted.
        """
        action = self.plan[self.step][number]
        reply = reply_of(action, answer)
        consequence = consequence_of(action, reply)
        troubles = self.troubles
        if consequence is not GO_ON:
            troubles = (*troubles, Trouble(action, reply, answer))
        after = evolve(
            self,
            left=self.left - {number},
            stopped=self.stopped or consequence is STOP,
            troubles=troubles,
            written=_newest(self.written, action, answer),
        )
        return after if after.left or after.stopped else after.entering(self.step + 1)

    def entering(self, step: int) -> "Execution":
        """Return it at the first step from there on with something to send."""
        held = {child for trouble in self.troubles for child in _holds(trouble.action)}
        # An eviction is told with the deletion of the pod, and not without it (B4.7).
        kept = any(isinstance(t.action, mpijob.Delete) for t in self.troubles)
        for number, actions in enumerate(self.plan[step:], step):
            due = (
                n
                for n, action in enumerate(actions)
                if child_of(action) not in held
                and not (kept and isinstance(action, mpijob.Event))
            )
            if left := frozenset(due):
                return evolve(self, step=number, left=left)
        return evolve(self, step=len(self.plan), left=frozenset())

    @property
    def end(self) -> End | None:
        """How it ended, None while there is something to send."""
        if self.left and not self.stopped:
            return None
        return max((_ENDS[t.reply] for t in self.troubles), default=End.DONE)

    @property
    def refusals(self) -> tuple[mpijob.Refusal, ...]:
        """What the cluster would not have, for the next look to tell of."""
        return tuple(t.refusal for t in self.troubles if t.refusal is not None)

    @property
    def taken(self) -> tuple[Ref, ...]:
        """The names that were not free: to be read live before the next look."""
        return tuple(
            ref_of(t.action.manifest)
            for t in self.troubles
            if t.reply is Reply.TAKEN
            and isinstance(t.action, mpijob.Create | mpijob.Apply)
        )


def start(job: mpijob.MPIJob, plan: mpijob.Plan) -> Execution:
    """Return a plan of which nothing was carried out yet."""
    return Execution(job, plan).entering(0)


def child_of(action: mpijob.Action) -> Child | None:
    """Return the child that an action makes or describes, None of any other."""
    return action.child if isinstance(action, mpijob.Create | mpijob.Apply) else None


def _holds(action: mpijob.Action) -> frozenset[Child]:
    child = child_of(action)
    return frozenset() if child is None else mpijob.HOLDS[child]


def _newest(
    written: Mapping[Kind, str], action: mpijob.Action, answer: Answer
) -> Mapping[Kind, str]:
    version = answer.resource_version
    if not version or isinstance(action, mpijob.Confirm | mpijob.Event):
        return written
    if isinstance(action, mpijob.Create | mpijob.Apply):
        kind = ref_of(action.manifest)[:2]
    else:
        kind = action.ref[:2]
    return {**written, kind: max(version, written.get(kind, ""), key=age)}


def age(version: str) -> tuple[int, str]:
    """Order resourceVersions: decimal numbers without leading zeros (KEP-5504)."""
    return len(version), version


def remembered(
    before: tuple[mpijob.Refusal, ...], execution: Execution
) -> tuple[mpijob.Refusal, ...]:
    """Return the refusals that stand after a plan was carried out, or half of it.

    An old refusal stands until its child is sent again, or is no longer planned.
    """
    new = execution.refusals
    planned = {name for name, sent in _children(execution) if not sent}
    told = {(refusal.child, refusal.name) for refusal in new}
    old = (r for r in before if (r.child, r.name) in planned - told)
    return (*new, *old)


def _children(execution: Execution) -> Iterator[tuple[tuple[Child, str], bool]]:
    """Yield each child of the plan, and whether it was sent."""
    held = {child for t in execution.troubles for child in _holds(t.action)}
    for number, actions in enumerate(execution.plan):
        for position, action in enumerate(actions):
            if isinstance(action, mpijob.Create | mpijob.Apply):
                waits = number == execution.step and position in execution.left
                sent = (
                    number <= execution.step and not waits and action.child not in held
                )
                yield (action.child, action.name), sent
