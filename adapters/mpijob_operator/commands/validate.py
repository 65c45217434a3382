# SPDX-License-Identifier: Apache-2.0
"""`mpijob validate`: every problem of every manifest, with file, line and a hint."""

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import mpijob
from mpijob_operator import documents, manifests, offline, options
from mpijob_operator.documents import Documents, InputError
from mpijob_operator.manifests import Manifested
from mpijob_operator.offline import Asked, Planned
from mpijob_operator.streams import Streams, said, wants_colour


class Finding(NamedTuple):
    """One thing to mend, or to think about."""

    severity: str  # error or warning.
    source: str
    line: int | None
    path: str  # Empty: the fault is not in one field.
    message: str
    hint: str

    def __str__(self) -> str:
        """Return it as compilers say it, without the severity."""
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.path} {self.message}".replace(":  ", ": ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    options.add_files(parser, required=True)
    options.add_world(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="as what to print what is found (default: text)",
    )


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Print what is found; exit 1 where anything is wrong."""
    world = options.world(arguments, streams)
    if world is None:
        return 1
    read = documents.read(options.names(arguments.filename), streams.stdin)
    others = list(manifests.others_of(read.documents))
    for other in others:
        streams.note(other)
    jobs = list(manifests.jobs_of(read.documents, arguments.namespace))
    findings = list(_findings(read, jobs, world))
    if arguments.output == "json":
        streams.print(json.dumps([each._asdict() for each in findings], indent=2))
    else:
        _print(findings, streams)
        streams.print(_summary(len(jobs), findings))
    if not jobs and not read.errors:
        streams.error("there is no MPIJob in what was given", offline.AN_MPIJOB)
        return 1
    return 1 if any(each.severity == "error" for each in findings) else 0


def _findings(
    read: Documents, jobs: Iterable[Manifested | InputError], world: mpijob.World
) -> Iterator[Finding]:
    """Give what is found, document by document, from the top of each to its end."""
    for error in read.errors:
        yield _of_input(error)
    jobs = list(jobs)
    for error in manifests.repeated(j for j in jobs if isinstance(j, Manifested)):
        yield _of_input(error, "warning")
    for job in jobs:
        if isinstance(job, Manifested):
            planned = offline.planned(Asked(job, job.value), world)
            yield from sorted(_of_job(planned), key=lambda each: each.line or 0)
        else:
            yield _of_input(job)


def _of_input(error: InputError, severity: str = "error") -> Finding:
    return Finding(severity, error.source, error.line, "", error.message, error.hint)


def _of_job(planned: Planned) -> Iterator[Finding]:
    document = planned.asked.manifested.document
    kinds = (("error", planned.problems), ("warning", planned.warnings))
    for severity, problems in kinds:
        for problem in problems:
            line = document.line_of(problem.path)
            yield Finding(severity, document.source, line, *problem)


def _print(findings: Iterable[Finding], streams: Streams) -> None:
    """Print the findings on stdout: they are what was asked for."""
    colour = wants_colour(streams.stdout)
    for each in findings:
        streams.print(said(each.severity, str(each), colour=colour))
        if each.hint:
            streams.print(said("hint", each.hint, colour=colour))


def _summary(jobs: int, findings: Iterable[Finding]) -> str:
    severities = [each.severity for each in findings]
    errors, warnings = (severities.count(word) for word in ("error", "warning"))
    counts = (
        _counted(jobs, "MPIJob"),
        _counted(errors, "error"),
        _counted(warnings, "warning"),
    )
    return ", ".join(counts)


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
