# SPDX-License-Identifier: Apache-2.0
"""What the status of a Job may say after what it said: a table.

It is taken of Kubernetes 1.37.2 and 1.35.4, for Jobs without indexes: of
`ValidateJobStatusUpdate` in `pkg/apis/batch/validation`, as
`pkg/registry/batch/job/strategy` asks for it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen

from mpijob.loose import Manifest, integer, mapping, mappings, strings
from mpijob_operator.simulation.checks import INVALID, REQUIRED, Fault, Versioned


@frozen
class Standing:
    """Where a Job stands by its status."""

    job: Manifest

    def said(self, field: str) -> Any:  # noqa: ANN401 - JSON.
        """Return what the status says, None for nothing."""
        return mapping(self.job.get("status")).get(field)

    def count(self, field: str) -> int:
        """Return a number of the status."""
        return integer(self.said(field)) or 0

    def true(self, *types: str) -> bool:
        """Tell whether one of some conditions is True."""
        return self._is(types, "True")

    @property
    def resumed(self) -> bool:
        """Whether it was suspended once, and is no more."""
        return self._is(("Suspended",), "False")

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.true("Complete", "Failed")

    def _is(self, types: tuple[str, ...], status: str) -> bool:
        said = map(strings, mappings(self.said("conditions")))
        return any(c.get("type") in types and c.get("status") == status for c in said)


Broken = Callable[[Standing, Standing], bool]
"""Tells whether a rule is broken, by what was said and what would be."""


@frozen
class Rule(Versioned):
    """What a status may not say, in what words and of which field that is told."""

    field: str
    reason: str
    words: str
    broken: Broken


def _other(old: Standing, new: Standing, *names: str) -> bool:
    """Tell whether conditions, with capitals, or fields are not what they were."""
    return any(
        old.true(name) != new.true(name)
        if name[0].isupper()
        else old.said(name) != new.said(name)
        for name in names
    )


def _ended(old: Standing, new: Standing, *names: str) -> bool:
    """Tell whether a Job has ended, and that or something else is new."""
    is_new = old.finished != new.finished or _other(old, new, *names)
    return new.finished and is_new


def _starts_anew(old: Standing, new: Standing) -> bool:
    """Tell whether a Job starts anew that is not suspended, nor was until now."""
    resumed = old.true("Suspended") and new.resumed
    may = mapping(new.job.get("spec")).get("suspend") is True or resumed
    is_new = old.said("startTime") is not None and _other(old, new, "startTime")
    return is_new and not may


def _negative(name: str) -> Broken:
    return lambda _, new: new.count(name) < 0


def _fewer(name: str) -> Broken:
    return lambda old, new: new.count(name) < old.count(name)


def _left(name: str) -> Broken:
    return lambda old, new: new.count(name) > 0 and _ended(old, new, name)


def _no_more(end: str) -> Broken:
    return lambda old, new: old.true(end) and not new.true(end)


RULES: Final = (
    *(
        Rule(name, INVALID, "must be at least 0", _negative(name))
        for name in ("active", "ready", "terminating")
    ),
    *(
        Rule(name, INVALID, f"cannot decrease the {name} counter", _fewer(name))
        for name in ("failed", "succeeded")
    ),
    *(
        Rule(name, INVALID, f"{name}>0 is invalid for finished job", _left(name))
        for name in ("active", "terminating")
    ),
    *(
        Rule("conditions", INVALID, f"cannot disable {end}=True", _no_more(end))
        for end in ("Failed", "Complete", "FailureTarget", "SuccessCriteriaMet")
    ),
    # What else does not go together lacks what it rests on, or has this.
    Rule(
        "conditions",
        INVALID,
        "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
        lambda _, new: new.true("SuccessCriteriaMet") and new.true("FailureTarget"),
    ),
    Rule(
        "conditions",
        INVALID,
        "cannot set Failed=True condition without FailureTarget",
        lambda o, n: (
            n.true("Failed") and not n.true("FailureTarget") and _other(o, n, "Failed")
        ),
    ),
    Rule(
        "conditions",
        INVALID,
        "cannot set Complete=True condition without SuccessCriteriaMet",
        lambda o, n: (
            n.true("Complete")
            and not n.true("SuccessCriteriaMet")
            and _other(o, n, "Complete", "SuccessCriteriaMet")
        ),
    ),
    Rule(
        "completionTime",
        INVALID,
        "cannot set completionTime when there is no Complete=True condition",
        lambda o, n: (
            n.said("completionTime") is not None
            and not n.true("Complete")
            and _other(o, n, "Complete", "completionTime")
        ),
    ),
    Rule(
        "completionTime",
        REQUIRED,
        "completionTime is required for Complete jobs",
        lambda o, n: (
            n.said("completionTime") is None
            and n.true("Complete")
            and _other(o, n, "Complete", "completionTime")
        ),
    ),
    Rule(
        "completionTime",
        INVALID,
        "must be equal to or after `startTime`",
        lambda o, n: (
            "" < (n.said("completionTime") or "") < (n.said("startTime") or "")
            and _other(o, n, "startTime", "completionTime")
        ),
    ),
    Rule(
        "completionTime",
        INVALID,
        "field is immutable",
        lambda o, n: (
            None not in (o.said("completionTime"), n.said("completionTime"))
            and _other(o, n, "completionTime")
        ),
    ),
    Rule(
        "startTime",
        REQUIRED,
        "startTime is required for finished job",
        lambda o, n: n.said("startTime") is None and _ended(o, n, "startTime"),
    ),
    Rule(
        "startTime",
        REQUIRED,
        "startTime cannot be removed for unsuspended job",
        _starts_anew,
        until=35,
    ),
    Rule(
        "startTime",
        INVALID,
        "field is immutable for unsuspended job once set",
        _starts_anew,
        since=36,
    ),
    Rule(
        "ready",
        INVALID,
        "cannot set more ready pods than active",
        lambda o, n: (
            n.said("ready") is not None
            and n.count("ready") > n.count("active")
            and _other(o, n, "ready", "active")
        ),
    ),
)


def mistakes_of(after: Manifest, before: Manifest, minor: int) -> Iterator[Fault]:
    """Yield all for which the API server refuses the status of a Job."""
    old, new = Standing(before), Standing(after)
    for rule in RULES:
        if rule.holds(minor) and rule.broken(old, new):
            yield Fault(f"status.{rule.field}", rule.reason, rule.words)
