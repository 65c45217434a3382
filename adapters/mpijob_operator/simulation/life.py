# SPDX-License-Identifier: Apache-2.0
"""A job's whole life in the simulated cluster, from its creation to the last deed."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final, assert_never

from attrs import evolve

import mpijob
from mpijob.actions import Manager
from mpijob.job import API_VERSION, KIND
from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob.status import JobStatus
from mpijob_operator.controller import memory as memories
from mpijob_operator.executor import Answer, Call, Execution
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.deeds import Deed, Program
from mpijob_operator.simulation.garbage_collector import collector
from mpijob_operator.simulation.job_controller import job_controller
from mpijob_operator.simulation.nodes import nodes
from mpijob_operator.simulation.operator import Surroundings, carry_out, decide
from mpijob_operator.simulation.script import Line, Script
from mpijob_operator.simulation.timeline import OPERATOR, Entry, Moment, Timeline

USER: Final = "user"

# A change is looked at a little later, together with those that come with it.
LOOK_SECONDS: Final = 0.1

# After so many looks that met the same refusal, with nothing else under way, the rest
# of the life is more of it.
FRUITLESS_MAX: Final = 10

# What a table shows as one moment.
MOMENT_SECONDS: Final = 1.0

# A job of 10,000 workers takes about 100 turns; one that is on and on at something is
# shown long enough by then.
TURNS_MAX: Final = 20_000

# Any day would do; this one makes the times of two simulations the same.
START: Final = datetime(2026, 1, 1, tzinfo=UTC)

NOTHING_MORE: Final = "Nothing more happens."


def simulate(
    manifest: Manifest,
    script: Script | None = None,
    surroundings: Surroundings | None = None,
    start: datetime = START,
) -> Timeline:
    """Play a job's life in memory.

    Args:
        manifest: The MPIJob, as it would be applied.
        script: What happens to it; nothing but the usual where it is None.
        surroundings: The operator's settings, the cluster's priority classes.
        start: The time of day at the beginning.

    Returns:
        All that happened, until nothing more does.
    """
    life = Life(manifest, script or Script(), surroundings or Surroundings(), start)
    return life.play()


Turn = Callable[[], None]


class Life:
    """One job, its cluster and its operator, on the way through a script."""

    def __init__(
        self,
        manifest: Manifest,
        script: Script,
        surroundings: Surroundings,
        start: datetime,
    ) -> None:
        self.script, self.surroundings = script, surroundings
        self.cluster = Cluster(start)
        self.programs: tuple[Program, ...] = (
            partial(nodes, script.habits),
            job_controller,
            collector,
        )
        self.job = self._applied(manifest)
        self.lines = list(script.lines)
        self.ready = 0.0  # When the line before the next was done.
        self.true: dict[str, float] = {}  # Since when a condition is True.
        self.memory = memories.NEW
        self.look_at: float | None = 0.0
        self.requeue_at: float | None = None
        self.entries: list[tuple[Entry, Manifest | None]] = []
        self._note(USER, f"creates {KIND} {{}}", self.job.name)

    def _applied(self, manifest: Manifest) -> Ref:
        metadata = {k: manifest["metadata"].get(k) for k in ("labels", "annotations")}
        given = {k: v for k, v in metadata.items() if v}
        given["name"] = manifest["metadata"]["name"]
        given["namespace"] = manifest["metadata"].get("namespace", "default")
        rest = {k: v for k, v in manifest.items() if k not in ("metadata", "status")}
        base = {"apiVersion": API_VERSION, "kind": KIND}
        return self.cluster.create({**base, **rest, "metadata": given})

    def play(self) -> Timeline:
        """Do one thing after the other until there is none."""
        for _ in range(TURNS_MAX):
            turn = self._next()
            if isinstance(turn, str):
                return self._timeline(turn)
            at, deed = turn
            self.cluster.now = max(self.cluster.now, at)
            before = self.cluster.revision
            deed()
            if self.cluster.revision != before:
                self._changed()
        return self._timeline(f"And so on: stopped after {TURNS_MAX} turns.")

    def _timeline(self, end: str) -> Timeline:
        objects = tuple(self.cluster.objects.values())
        return Timeline(tuple(moments(self.entries)), end, objects)

    def _changed(self) -> None:
        at = self.cluster.now + LOOK_SECONDS
        self.look_at = at if self.look_at is None else min(self.look_at, at)
        self.memory = evolve(self.memory, fruitless=0)
        status = _status(self.cluster.objects.get(self.job))
        for condition in status.conditions if status else ():
            if condition.status != "True":
                self.true.pop(condition.type, None)
            else:
                self.true.setdefault(condition.type, self.cluster.now)

    # --- Whose turn it is --------------------------------------------------------

    def _next(self) -> tuple[float, Turn] | str:
        """Return the next thing by the clock, or why there is none."""
        deeds = [deed for program in self.programs for deed in program(self.cluster)]
        turns: list[tuple[float, Turn]] = []
        if (at := self._line_at()) is not None:
            turns.append((at, self._user))
        if deeds:
            at = max(min(deed.at for deed in deeds), self.cluster.now)
            due = [deed for deed in deeds if deed.at <= at]
            turns.append((at, partial(self._perform, due)))
        waits = not turns and self.requeue_at is None
        if waits and self.memory.fruitless > FRUITLESS_MAX:
            return f"And so on: it looks again every {self.memory.pause:.0f} s."
        looks = [at for at in (self.look_at, self.requeue_at) if at is not None]
        if looks and self.job in self.cluster.objects:
            turns.append((min(looks), self._look))
        if not turns:
            return NOTHING_MORE
        turn = min(turns, key=lambda turn: turn[0])
        until = self.script.until
        if until is not None and turn[0] > until:
            return f"Stopped after {until:g} s."
        if turn[0] > self.cluster.ends_at:
            return "Nothing more happens before the calendar ends."
        return turn

    def _line_at(self) -> float | None:
        """Return when the next line of the script is due, None while it waits."""
        if not self.lines:
            return None
        line = self.lines[0]
        if not line.condition:
            return max(line.after, self.ready)
        since = self.true.get(line.condition)
        return None if since is None else max(since, self.ready) + line.after

    def _user(self) -> None:
        line: Line = self.lines.pop(0)
        self.ready = self.cluster.now
        self._note(USER, line.deed(self.cluster, self.job).replace("{}", "{ }"))

    def _perform(self, deeds: list[Deed]) -> None:
        """Do what is due of the first program that has something due."""
        for deed in deeds:
            if deed.who == deeds[0].who and deed.ref in self.cluster.objects:
                deed.perform(self.cluster)
                if deed.what:
                    self._note(deed.who, deed.what, deed.ref.name)

    # --- The operator -----------------------------------------------------------------

    def _look(self) -> None:
        known = self.memory.refusals
        decision = decide(self.cluster, self.job, self.surroundings, known)
        self.look_at = self.requeue_at = None
        execution = decision.execution
        for call, answer, reached in self.carried_out(execution):
            self._tell(call, answer)
            execution = reached
        self.memory = memories.after(self.memory, execution, self.cluster.now, 0.0)
        if (after := decision.answer.requeue_after) is not None:
            self.requeue_at = self.cluster.now + after.total_seconds()
        if pause := self.memory.pause:
            self.look_at = self.cluster.now + pause

    def carried_out(
        self, execution: Execution
    ) -> Iterator[tuple[Call, Answer, Execution]]:
        """Send what a plan asks for; a crash would be an end of this in the middle."""
        return carry_out(self.cluster, execution)

    def _tell(self, call: Call, answer: Answer) -> None:
        found = told(call.action)
        if found is None:
            return
        what, name = found
        if answer.code >= _REFUSED:
            what = f"is refused: {what} ({answer.reason}: {answer.message})"
        self._note(OPERATOR, what, name)

    def _note(self, who: str, what: str, name: str = "") -> None:
        entry = Entry(round(self.cluster.now, 3), who, what, name)
        self.entries.append((entry, self.cluster.objects.get(self.job)))


def _status(job: Manifest | None) -> JobStatus | None:
    return None if job is None else mpijob.decode(job).status


_REFUSED: Final = 400


def told(action: mpijob.Action) -> tuple[str, str] | None:
    """Say what an action does, the name apart; None for what only reads."""
    match action:
        case mpijob.Create():
            found = (f"makes {action.child.value} {{}}", action.name)
        case mpijob.Apply():
            verb = "changes" if action.uid else "makes"
            found = (f"{verb} {action.child.value} {{}}", action.name)
        case mpijob.Touch():
            found = (_touches(action), action.ref.name)
        case mpijob.Delete():
            found = (f"deletes {action.ref.kind} {{}}: {action.why}", action.ref.name)
        case mpijob.WriteStatus():
            found = ("writes the status", "")
        case mpijob.Confirm():
            return None
        case mpijob.Event():
            found = (f"tells {action.reason}", "")
        case _:
            assert_never(action)
    return found


def _touches(action: mpijob.Touch) -> str:
    match manager := action.manager:
        case Manager.LABELS:
            return f"labels {action.ref.kind} {{}}"
        case Manager.FAILURE:
            return "numbers the failure of {}"
        case Manager.SUSPEND:
            suspends = action.fields["spec"]["suspend"]
            return f"{'suspends' if suspends else 'resumes'} {action.ref.kind} {{}}"
        case Manager.CHILDREN:
            return f"changes {action.ref.kind} {{}}"
        case _:
            assert_never(manager)


def moments(entries: Iterable[tuple[Entry, Manifest | None]]) -> Iterator[Moment]:
    """Put together what happened at about one time: what came, then what was done.

    A moment ends where something happens after the operator acted, or a second later.
    """
    found: list[Entry] = []
    job: Manifest | None = None
    for entry, then in entries:
        late = found and entry.at - found[0].at >= MOMENT_SECONDS
        answered = found and found[-1].who == OPERATOR and entry.who != OPERATOR
        if late or answered:
            yield Moment(tuple(found), _status(job))
            found = []
        found.append(entry)
        job = then
    if found:
        yield Moment(tuple(found), _status(job))
