# SPDX-License-Identifier: Apache-2.0
"""What is said of one MPIJob by the CRD, by `mpijob validate`, and by the function.

And the two lists of where they may differ, read from docs/beyond-the-crd.md, so that
what is told is what is held.
"""

import json
import pathlib
import re
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

import yaml

import mpijob
from mpijob.problems import Problem
from mpijob_operator import kubectl_json, manifests, offline
from mpijob_operator.documents import Document
from mpijob_operator.field_path import parse_path
from mpijob_operator.offline import Asked
from tests.controlplane.cases import job as plain_job
from tests.controlplane.offline import SCHEMA, refusals
from tests.tools import source

Json = dict[str, Any]

PAGE: Final = source.ROOT / "docs/beyond-the-crd.md"
ANYTHING: Final = "anything"
_ROW: Final = re.compile(r"^\| `(.*?)` \| `(.*?)` \| (.*?) \| (.*?) \| `(.*)` \|$")

# A gang that can never be complete is refused only where there is a gang scheduler.
WORLD: Final = mpijob.World(
    datetime(2030, 1, 1, tzinfo=UTC), mpijob.Settings(gang_scheduler="volcano")
)

# What the API server puts behind a generateName.
_RANDOM: Final = "x7k2p"

Path = tuple[str | int, ...]
Part = Any
"""What a field is set to: any JSON, or `ABSENT`."""

ABSENT: Final = object()


def changed(value: object, path: Path, part: Part) -> Part:
    """Return a copy with the part at the path; what is in its way gives way."""
    if not path:
        return part
    key, *rest = path
    if isinstance(key, int):
        items: list[Part] = [*value] if isinstance(value, list) else []
        inner = changed(items[key] if key < len(items) else None, tuple(rest), part)
        items[key : key + 1] = [] if inner is ABSENT else [inner]
        return items
    fields: Json = {**value} if isinstance(value, dict) else {}
    inner = changed(fields.pop(key, None), tuple(rest), part)
    return fields if inner is ABSENT else {**fields, key: inner}


class Rule(NamedTuple):
    """One way in which the two may differ."""

    id: str
    where: str
    words: str
    why: str
    example: str

    def covers(self, problem: Problem) -> bool:
        """Tell whether a problem is one of these."""
        where = re.escape(self.where).replace(r"\*", ".*")
        here = re.fullmatch(where, problem.path, re.DOTALL) is not None
        return here and (self.words == ANYTHING or self.words in problem.message)

    @property
    def job(self) -> Json:
        """The example: a good job but for one field."""
        path, _, text = self.example.partition(": ")
        part: Part = yaml.safe_load(text.replace("...", "x" * 4096))
        return cast("Json", changed(plain_job(), tuple(path.split(".")), part))


def rules(section: str, page: pathlib.Path = PAGE) -> tuple[Rule, ...]:
    """Read one of the two lists."""
    lines = (source.section(page, section) or "").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    found = [match for row in rows if (match := _ROW.match(row))]
    assert len(found) == len(rows) > 0, "a row of the list is not of its form"
    return tuple(Rule(*match.groups()) for match in found)


BEYOND: Final = rules("beyond")
LEFT: Final = rules("left")


def listed(problem: Problem, among: tuple[Rule, ...]) -> Rule | None:
    """Return the rule that a problem falls under."""
    return next((rule for rule in among if rule.covers(problem)), None)


class Heard(NamedTuple):
    """One manifest, and what each has to say against it."""

    manifest: Json
    crd: tuple[Problem, ...]
    by_schema: bool  # Then the CRD's rules were not asked.
    validate: tuple[Problem, ...]
    function: tuple[Problem, ...]  # Asked alone, without the schema's defaults.
    malformed: tuple[Problem, ...]  # With them, as a cluster has it.


def heard(given: object) -> Heard:
    """Ask everybody about one manifest, read as kubectl reads it."""
    ((value, _, _),) = kubectl_json.values_of(json.dumps(given))
    assert isinstance(value, dict)
    manifest = cast("Json", value)
    job = manifests.manifested(Document(manifest, "job.json", ("", 1)))
    seen = mpijob.Observed(live=offline.LIVE)
    alone = mpijob.reconcile(mpijob.decode(manifest), seen, WORLD)
    named = _named(manifest)
    return Heard(
        manifest,
        tuple(_problem(said) for said in refusals(named)),
        bool(SCHEMA.problems_of(named)),
        offline.planned(Asked(job, job.value), WORLD).problems,
        alone.problems,
        mpijob.decode(job.value).malformed,
    )


def _problem(said: str) -> Problem:
    path, _, message = said.partition(": ")
    return Problem(path, message)


def _named(manifest: Json) -> Json:
    """Return it as the CRD gets it: with a name, made up where one is asked for."""
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        return manifest
    fields = cast("Json", metadata)
    start = fields.get("generateName")
    if fields.get("name") or not isinstance(start, str):
        return manifest
    return {**manifest, "metadata": {**fields, "name": start + _RANDOM}}


def same_field(one: Problem, other: Problem) -> bool:
    """Tell whether two problems are of one field, or of one inside the other."""
    paths = parse_path(one.path), parse_path(other.path)
    return bool(paths[0]) and all(a == b for a, b in zip(*paths, strict=False))


def unmatched(
    asked: tuple[Problem, ...], answered: tuple[Problem, ...]
) -> tuple[Problem, ...]:
    """Return what the one says of fields of which the other says nothing."""
    return tuple(
        problem
        for problem in asked
        if not any(same_field(problem, other) for other in answered)
    )
