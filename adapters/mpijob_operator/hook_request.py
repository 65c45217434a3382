# SPDX-License-Identifier: Apache-2.0
"""From a request of the JSON contract to the arguments of the function.

Rule: what a request may hold is said once, by the published schema, which is what
refuses here as well. The envelope is strict, so that a misspelt field is no silent
default; the Kubernetes objects inside are as open as the API server's.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import evolve, frozen

import mpijob
from mpijob import sightings
from mpijob.loose import Manifest, integer, mapping, mappings, sequence
from mpijob.names import Child
from mpijob.observed import Live
from mpijob.wire import time_of
from mpijob_operator.field_path import path_text, printable, type_word

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

VERSION: Final = "v1"
SCHEMA_FILE: Final = Path(__file__).parent / "schemas" / f"hook-{VERSION}.json"

# How the contract calls the children: a word each, as roles and kinds are spelled.
CHILD_WORDS: Final[Mapping[Child, str]] = {
    Child.WORKLOAD: "Workload",
    Child.POD_GROUP: "PodGroup",
    Child.SERVICE: "Service",
    Child.CONFIG_MAP: "ConfigMap",
    Child.SECRET: "Secret",
    Child.WORKER: "Worker",
    Child.LAUNCHER: "Launcher",
}
CHILDREN: Final = {word: child for child, word in CHILD_WORDS.items()}

LIVE_WORDS: Final[Mapping[Live, str]] = {
    Live.PODS: "Pods",
    Live.LAUNCHER: "LauncherJob",
}
LIVES: Final = {word: live for live, word in LIVE_WORDS.items()}

# Room on either side for the longest time that a job can name (a century).
YEARS: Final = range(1970, 9000)

# Enough to mend a request by; a wrong type in each of 10,000 pods is one mistake.
PROBLEMS_MAX: Final = 20


@frozen
class Question:
    """A request that was understood: the three arguments of the function."""

    job: mpijob.MPIJob
    observed: mpijob.Observed
    world: mpijob.World


class Malformed(Exception):  # noqa: N818 - it says what the request is.
    """The request is not one of the contract."""

    def __init__(self, problems: Iterable[mpijob.Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def schema() -> dict[str, Any]:
    """Return the published schema."""
    parsed: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return parsed


@functools.cache
def _validator() -> "Draft202012Validator":
    # Here, because `mpijob plan` must not wait for it.
    from jsonschema_rs import Draft202012Validator  # noqa: PLC0415 - see above.

    only_request = {"$ref": "#/$defs/request", "$defs": schema()["$defs"]}
    return Draft202012Validator(only_request, validate_formats=True)


def question(document: object) -> Question:
    """Read a request.

    Raises:
        Malformed: With every problem, up to `PROBLEMS_MAX`.
    """
    problems = [
        problem
        for error in _validator().iter_errors(cast("Any", document))
        for problem in _problems(error)
    ]
    if problems:
        raise Malformed(problems[:PROBLEMS_MAX])
    request = mapping(document)
    job = mpijob.decode(request["job"])
    return Question(job, _observed(request, job), world(mapping(request["world"])))


def _problems(error: "ValidationError") -> Iterator[mpijob.Problem]:
    path, kind = tuple(error.instance_path), error.kind
    keyword, limit, value = kind.name, kind.value, cast("object", error.instance)
    if keyword == "additionalProperties":
        for key in sequence(limit):
            message = f"is no field of the contract {VERSION}"
            yield mpijob.Problem(path_text((*path, key)), message)
        return
    if keyword == "required":
        path, words = (*path, str(limit)), "is missing, and must be given"
    elif keyword in ("const", "enum"):
        options = sequence(limit) if keyword == "enum" else [limit]
        known = ", ".join(str(option) for option in options if option)
        words = f"is {_shown(value)}, and must be one of {known}"
    elif keyword == "type":
        words = f"is {type_word(value)}, and must be {' or '.join(sequence(limit))}"
    elif keyword == "not":
        words = f"is {_shown(value)}, and must be the kind of one object"
    else:
        words = f"is {_shown(value)}, and must have {keyword} {limit}"
    yield mpijob.Problem(path_text(path), words)


# A name is recognised in this; a key or a certificate is not given away by it.
_SHOWN_MAX: Final = 32


def _shown(value: object) -> str:
    if isinstance(value, str | int | float):
        return printable(json.dumps(value, ensure_ascii=False), _SHOWN_MAX)
    return type_word(value)


def _observed(request: Manifest, job: mpijob.MPIJob) -> mpijob.Observed:
    seen = sightings.observed(mappings(request.get("observed")), job)
    return evolve(
        seen,
        unknown=frozenset(CHILDREN[word] for word in sequence(request.get("unknown"))),
        live=frozenset(LIVES[word] for word in sequence(request.get("live"))),
        refusals=tuple(
            mpijob.Refusal(
                CHILDREN[entry["child"]],
                entry["name"],
                entry["reason"],
                entry["message"],
            )
            for entry in mappings(request.get("refusals"))
        ),
    )


def world(value: Manifest) -> mpijob.World:
    """Read the surroundings.

    Raises:
        Malformed: The time is of no calendar of ours.
    """
    now = time_of(value["now"])
    if now is None or now.year not in YEARS:
        first, last = YEARS[0], YEARS[-1]
        message = f"is {_shown(value['now'])}, and must be a time of {first} to {last}"
        hint = "write it as 2030-01-01T00:00:00Z"
        raise Malformed([mpijob.Problem("world.now", message, hint)])
    classes = priority_classes(mappings(value.get("priorityClasses")))
    return mpijob.World(now, _settings(mapping(value.get("settings"))), classes)


# What of the settings is spelled and typed alike on both sides.
_SETTINGS: Final[Mapping[str, str]] = {
    "clusterDomain": "cluster_domain",
    "gangScheduler": "gang_scheduler",
    "workloadApi": "workload_api",
    "ttlKeepsJob": "ttl_keeps_job",
    "observedGeneration": "observed_generation",
}


def _settings(value: Manifest) -> mpijob.Settings:
    given = {_SETTINGS[key]: value[key] for key in _SETTINGS if key in value}
    if "refusedTimeoutSeconds" in value:
        timeout = timedelta(seconds=value["refusedTimeoutSeconds"])
        given["refused_timeout"] = timeout
    return mpijob.Settings(**given)


def priority_classes(objects: Iterable[Manifest]) -> tuple[mpijob.PriorityClass, ...]:
    """Read PriorityClasses of `scheduling.k8s.io/v1`."""
    return tuple(
        mpijob.PriorityClass(
            str(mapping(value.get("metadata")).get("name", "")),
            integer(value.get("value")) or 0,
            value.get("globalDefault") is True,
        )
        for value in objects
    )


def clock() -> datetime:
    """Return the time, for hosts whose requests carry none."""
    return datetime.now(UTC)
