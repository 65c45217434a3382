# SPDX-License-Identifier: Apache-2.0
"""What happened in a simulation, as values, and as a table that a person reads."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from attrs import field, frozen

from mpijob.loose import Manifest
from mpijob.messages import listed
from mpijob.status import ConditionType, JobStatus, ReplicaStatus

OPERATOR: Final = "operator"


@frozen
class Entry:
    """One thing that somebody did."""

    at: float  # Seconds since the start.
    who: str
    what: str  # With `{}` where the name goes.
    name: str = ""

    def __str__(self) -> str:
        """Return the sentence."""
        return self.what.replace("{}", self.name)


@frozen
class Moment:
    """What happened at about one time, and what the job's status then said."""

    entries: tuple[Entry, ...]
    status: JobStatus | None  # None: the job is gone.

    @property
    def at(self) -> float:
        """When it began."""
        return self.entries[0].at


@frozen
class Timeline:
    """A job's whole life."""

    moments: tuple[Moment, ...]
    end: str  # Why nothing follows.
    objects: tuple[Manifest, ...] = field(repr=False)  # What the cluster held then.

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that happened, in order."""
        return tuple(entry for moment in self.moments for entry in moment.entries)

    @property
    def status(self) -> JobStatus | None:
        """What the status said last, None where the job is gone."""
        return self.moments[-1].status if self.moments else None


def state(status: JobStatus | None) -> str:
    """Say in a line how a job stands, by its status alone.

    >>> state(None)
    'gone'
    """
    if status is None:
        return "gone"
    shown = next((type_ for type_ in _WEIGHT if status.is_true(type_)), "")
    blocked = status.condition(ConditionType.BLOCKED)
    parts = [str(shown) or "no status"]
    if blocked and blocked.status == "True":
        parts.append(f"Blocked ({blocked.reason})")
    roles = (("launcher", status.launcher), ("workers", status.worker))
    parts += [f"{role} {_counts(counts)}" for role, counts in roles if counts]
    return "; ".join(parts)


# The condition that says most comes first.
_WEIGHT: Final = (
    ConditionType.FAILED,
    ConditionType.SUCCEEDED,
    ConditionType.SUSPENDED,
    ConditionType.RUNNING,
    ConditionType.CREATED,
)


def _counts(counts: ReplicaStatus) -> str:
    parts = (
        ("active", counts.active),
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
    )
    return ", ".join(f"{n} {word}" for word, n in parts if n) or "0 active"


def clock(seconds: float) -> str:
    """Show a time since the start.

    >>> clock(0), clock(12.34), clock(3725)
    ('0s', '12.3s', '1h02m05s')
    """
    if seconds < _MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"


_MINUTE: Final = 60


def told(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a sentence for each run of entries that differ in the name alone."""
    for (_, what), run in groupby(entries, key=lambda entry: (entry.who, entry.what)):
        found = list(dict.fromkeys(entry.name for entry in run))
        yield what.replace("{}", listed(_ranges(found)))


def _ranges(found: list[str]) -> Iterator[str]:
    """Yield names, neighbours of one series as one.

    >>> list(_ranges(["pi-worker-0", "pi-worker-2", "pi-worker-1", "pi-launcher"]))
    ['pi-worker-0 to 2', 'pi-launcher']
    """
    numbered = [_NUMBERED.fullmatch(name) for name in found]
    series: dict[str, list[int]] = {}
    for name, match in zip(found, numbered, strict=True):
        if match and len(match[2]) <= len("2147483647"):
            series.setdefault(match[1], []).append(int(match[2]))
        else:
            series[name] = []
    for base, numbers in series.items():
        yield from (f"{base}{part}" for part in _runs(sorted(numbers)))


_NUMBERED: Final = re.compile(r"(.*-)(0|[1-9][0-9]*)")


def _runs(numbers: list[int]) -> Iterator[str]:
    if not numbers:
        yield ""
    first = 0
    for index, number in enumerate(numbers, 1):
        if index == len(numbers) or numbers[index] != number + 1:
            start = numbers[first]
            yield str(start) if start == number else f"{start} to {number}"
            first = index


# --- The table ---------------------------------------------------------------------

HEADINGS: Final = ("TIME", "WHAT HAPPENED", "WHAT THE OPERATOR DID", "STATUS")

# Two columns of sentences beside a time and a status, on a screen of 132 characters.
WIDTHS: Final = (9, 38, 42, 40)


@frozen
class Row:
    """One row of the table: its cells, each of several lines."""

    time: str
    happened: tuple[str, ...]
    did: tuple[str, ...]
    status: str  # Empty where it is as in the row before.


def rows(timeline: Timeline) -> Iterator[Row]:
    """Yield what the table shows, for whoever draws it."""
    before = ""
    for moment in timeline.moments:
        ours = [entry for entry in moment.entries if entry.who == OPERATOR]
        others = [entry for entry in moment.entries if entry.who != OPERATOR]
        now = state(moment.status)
        happened = tuple(_with_who(others))
        shown = "" if now == before else now
        yield Row(clock(moment.at), happened, tuple(told(ours)), shown)
        before = now


def _with_who(entries: Iterable[Entry]) -> Iterator[str]:
    for who, run in groupby(entries, key=lambda entry: entry.who):
        for sentence in told(run):
            yield f"{who}: {sentence}"


def render(timeline: Timeline) -> str:
    """Return the timeline as a plain table."""
    lines = [_line(HEADINGS)]
    for row in rows(timeline):
        cells = ((row.time,), row.happened, row.did, (row.status,))
        columns = [
            [part for text in cell for part in _wrapped(text, width)]
            for cell, width in zip(cells, WIDTHS, strict=True)
        ]
        height = max(map(len, columns))
        padded = [column + [""] * (height - len(column)) for column in columns]
        lines += [_line(line) for line in zip(*padded, strict=True)]
    return "\n".join([*lines, "", timeline.end, ""])


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def _line(cells: Iterable[str]) -> str:
    padded = (f"{cell:{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return "  ".join(padded).rstrip()
