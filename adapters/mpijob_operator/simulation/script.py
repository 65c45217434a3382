# SPDX-License-Identifier: Apache-2.0
"""What happens to a job in a simulation, as a person writes it down, line by line.

    # How pods live, if not as usual.
    launcher runs 30s
    launcher exits 137 then 0
    # What happens, in the order of the lines.
    at 20s: evict worker 1
    10s after Running: suspend
    when Suspended: set spec.slotsPerWorker = 2
    at 2m: resume

A line waits for the line before it: a condition counts from then on.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, TypeVar

from attrs import evolve, frozen

from mpijob.status import ConditionType
from mpijob_operator.documents import InputError
from mpijob_operator.field_path import Path, parse_path, path_text, printable
from mpijob_operator.simulation import users
from mpijob_operator.simulation.nodes import AS_USUAL, Habits
from mpijob_operator.simulation.users import UserDeed

T = TypeVar("T")


@frozen
class Line:
    """One thing that happens, and when."""

    text: str
    after: float  # Seconds: since the start, or since the condition became True.
    condition: str  # Empty: the start.
    deed: UserDeed


@frozen
class Script:
    """How pods live, what happens, and when to stop looking."""

    habits: Habits = AS_USUAL
    lines: tuple[Line, ...] = ()
    until: float | None = None  # Seconds; None: until nothing more happens.


class _NotThat(Exception):  # noqa: N818 - it never leaves this module.
    """A word is not what stands in its place in a sentence."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


# --- Words -------------------------------------------------------------------------


_DURATION: Final = re.compile(
    r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+)ms)?"
)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

# A century, as for every other time of ours.
_SECONDS_MAX: Final = 100 * 365 * 86400.0


def duration(word: str) -> float:
    """Read a span of time.

    >>> duration("1m30s"), duration("250ms"), duration("0s")
    (90.0, 0.25, 0.0)
    """
    found = _DURATION.fullmatch(word)
    parts = {unit: n for unit, n in found.groupdict().items() if n} if found else {}
    seconds = sum(float(number) * _UNITS[unit] for unit, number in parts.items())
    if not parts or seconds > _SECONDS_MAX:
        message = f"{printable(word)} is no span of time"
        raise _NotThat(message, "such as 30s, 1m30s, 2h or 250ms")
    return seconds


def _number(word: str, highest: int, what: str, hint: str) -> int:
    # Ten digits are more than enough, and no text of digits is too long to read.
    fits = word.isascii() and word.isdecimal() and len(word) <= len("2147483647")
    if not fits or int(word) > highest:
        raise _NotThat(f"{printable(word)} is no {what}", hint)
    return int(word)


def _count(word: str) -> int:
    return _number(word, 2**31 - 1, "number", "a whole number, such as 0 or 4")


def _code(word: str) -> int:
    hint = "0 is success, 1 to 255 is not; 128 + n says killed by signal n"
    return _number(word, 255, "exit code", hint)


def _codes(words: str) -> tuple[int, ...]:
    return tuple(_code(word.strip()) for word in words.split("then"))


def _value(words: str) -> object:
    """Read a value as JSON has it; what is no JSON is text."""
    try:
        value: object = json.loads(words)
    except (ValueError, RecursionError):
        return words
    return value


def _path(word: str) -> Path:
    path = parse_path(word)
    sets = len(path) > 1 and path[0] in ("spec", "metadata")
    if not sets or path_text(path) != word:
        message = f"{printable(word)} is no field that can be set"
        raise _NotThat(message, "a path such as spec.slotsPerWorker")
    return path


_WORDS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    # Placeholder: the name of the argument, and what reads it.
    "INDEX": ("index", _count),
    "NUMBER": ("replicas", _count),
    "SEED": ("seed", _count),
    "CODE": ("code", _code),
    "CODES": ("codes", _codes),
    "TIME": ("seconds", duration),
    "TO": ("to", duration),
    "PATH": ("path", _path),
    "VALUE": ("value", _value),
    "KIND": ("kind", str),
    "NAME": ("name", str),
    "WORDS": ("words", str),
}

# Placeholders that take the rest of the line.
_LONG: Final = frozenset(("CODES", "VALUE", "WORDS"))


# --- Sentences ---------------------------------------------------------------------

# What may happen.
DEEDS: Final[Mapping[str, Callable[..., str]]] = {
    "suspend": users.suspend,
    "resume": users.resume,
    "delete": users.delete,
    "scale NUMBER": users.scale,
    "set PATH = VALUE": users.edit,
    "evict worker INDEX": users.evict_worker,
    "preempt worker INDEX": users.preempt_worker,
    "fail worker INDEX with CODE": users.fail_worker,
    "delete worker INDEX": users.delete_worker,
    "delete launcher": users.delete_launcher,
    "suspend launcher": users.suspend_launcher,
    "launcher exits CODE": users.exit_launcher,
    "refuse KIND because WORDS": users.refuse,
    "admit KIND": users.admit,
    "occupy KIND NAME": users.occupy,
    "vacate KIND NAME": users.vacate,
}


def _runs(script: Script, *, seconds: float) -> Script:
    return evolve(script, habits=evolve(script.habits, launcher_seconds=seconds))


def _runs_on(script: Script) -> Script:
    return evolve(script, habits=evolve(script.habits, launcher_seconds=None))


def _exits(script: Script, *, codes: tuple[int, ...]) -> Script:
    return evolve(script, habits=evolve(script.habits, launcher_codes=codes))


def _start(script: Script, *, seconds: float) -> Script:
    return _start_between(script, seconds=seconds, to=seconds)


def _start_between(script: Script, *, seconds: float, to: float) -> Script:
    span = (min(seconds, to), max(seconds, to))
    return evolve(script, habits=evolve(script.habits, start_seconds=span))


def _stop(script: Script, *, seconds: float) -> Script:
    return evolve(script, habits=evolve(script.habits, stop_seconds=seconds))


def _seed(script: Script, *, seed: int) -> Script:
    return evolve(script, habits=evolve(script.habits, seed=seed))


def _until(script: Script, *, seconds: float) -> Script:
    return evolve(script, until=seconds)


# How it is from the beginning.
HABITS: Final[Mapping[str, Callable[..., Script]]] = {
    "launcher runs forever": _runs_on,
    "launcher runs TIME": _runs,
    "launcher exits CODES": _exits,
    "pods start in TIME": _start,
    "pods start in TIME to TO": _start_between,
    "pods stop in TIME": _stop,
    "seed SEED": _seed,
    "until TIME": _until,
}


def _arguments(sentence: str, text: str) -> dict[str, object] | None:
    """Return what stands for the placeholders, None where it is another sentence."""
    slots = sentence.split()
    words = text.split(maxsplit=len(slots) - 1)
    rest_fits = slots[-1] in _LONG or len(text.split()) == len(slots)
    fixed = zip(slots, words, strict=False)
    same = all(slot == word for slot, word in fixed if slot not in _WORDS)
    if len(words) != len(slots) or not rest_fits or not same:
        return None
    return {
        _WORDS[slot][0]: _WORDS[slot][1](word)
        for slot, word in zip(slots, words, strict=True)
        if slot in _WORDS
    }


def _read(
    sentences: Mapping[str, Callable[..., T]], text: str
) -> tuple[Callable[..., T], dict[str, object]]:
    for sentence, function in sentences.items():
        arguments = _arguments(sentence, text)
        if arguments is not None:
            return function, arguments
    raise _NotThat(f"cannot read {printable(text)!r}", _nearest(sentences, text))


def _nearest(sentences: Iterable[str], text: str) -> str:
    """Return the sentence that was probably meant, else all of them."""
    first = text.split()[:1]
    alike = [s for s in sentences if s.split()[:1] == first]
    close = alike or difflib.get_close_matches(text, list(sentences), n=1, cutoff=0.5)
    return "say " + " | ".join(close or sentences)


# --- Lines -------------------------------------------------------------------------

_CONDITIONS: Final = tuple(condition.value for condition in ConditionType)


def _condition(word: str) -> str:
    if word not in _CONDITIONS:
        message = f"{printable(word)} is no condition of an MPIJob"
        raise _NotThat(message, f"one of {', '.join(_CONDITIONS)}")
    return word


def _when(text: str) -> tuple[float, str]:
    """Read the part of a line before the colon."""
    match text.split():
        case ["at", time]:
            return duration(time), ""
        case ["when", condition]:
            return 0.0, _condition(condition)
        case [time, "after", condition]:
            return duration(time), _condition(condition)
        case _:
            hint = "say at TIME: ... | when CONDITION: ... | TIME after CONDITION: ..."
            raise _NotThat(f"cannot read when {printable(text)!r} is", hint)


_WHEN: Final = re.compile(r"((?:at|when)\b[^:=]*|\S+\s+after\b[^:=]*):(.*)")
_TIMED: Final = re.compile(r"(?:at|when)\b|\S+\s+after\b")


def _line(script: Script, text: str) -> Script:
    found = _WHEN.fullmatch(text)
    if found is None:
        return _habit(script, text)
    after, condition = _when(found[1])
    function, arguments = _read(DEEDS, found[2].strip())
    deed = partial(function, **arguments)
    _in_order(script, after, condition)
    return evolve(script, lines=(*script.lines, Line(text, after, condition, deed)))


def _in_order(script: Script, after: float, condition: str) -> None:
    before = [line.after for line in script.lines if not line.condition]
    if not condition and after < max(before, default=0.0):
        hint = "lines happen in their order: put the earlier one first"
        raise _NotThat("this is before the line above it", hint)


def _habit(script: Script, text: str) -> Script:
    try:
        function, arguments = _read(HABITS, text)
    except _NotThat:
        if any(_arguments_fit(sentence, text) for sentence in DEEDS):
            hint = f"say at 30s: {text} | when Running: {text}"
            raise _NotThat("this does not say when it happens", hint) from None
        if _TIMED.match(text):
            hint = "a colon follows the time, as in at 30s: suspend"
            raise _NotThat(f"cannot read {printable(text)!r}", hint) from None
        if _begins(DEEDS, text) and not _begins(HABITS, text):
            hint = f"{_nearest(DEEDS, text)}, after the time, as in at 30s: suspend"
            raise _NotThat(f"cannot read {printable(text)!r}", hint) from None
        raise
    return function(script, **arguments)


def _begins(sentences: Iterable[str], text: str) -> bool:
    return text.split()[:1] in [sentence.split()[:1] for sentence in sentences]


def _arguments_fit(sentence: str, text: str) -> bool:
    try:
        return _arguments(sentence, text) is not None
    except _NotThat:
        return True


# Longer than any script that a person writes.
LINES_MAX: Final = 10_000


def read(text: str, source: str = "script") -> tuple[Script, tuple[InputError, ...]]:
    """Read a script; return what could be read of it, and each mistake."""
    script, errors = Script(), list[InputError]()
    rows = text.splitlines()
    for number, row in enumerate(rows[:LINES_MAX], 1):
        content = re.sub(r"(^|\s)#.*", "", row).strip()
        if not content:
            continue
        try:
            script = _line(script, content)
        except _NotThat as error:
            errors.append(InputError(source, number, error.message, error.hint))
    if len(rows) > LINES_MAX:
        message = f"this has more than {LINES_MAX} lines"
        errors.append(InputError(source, LINES_MAX + 1, message))
    return script, tuple(errors)
