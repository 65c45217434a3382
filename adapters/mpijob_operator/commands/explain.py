# SPDX-License-Identifier: Apache-2.0
"""`mpijob explain`: where a job stands, which question decided, what it waits for."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mpijob_operator import explain, offline, options, page
from mpijob_operator.manifests import key_text
from mpijob_operator.offline import Planned
from mpijob_operator.streams import Streams

# A hint is a line: more names than these do not help to find a mistyped one.
NAMED_MAX: Final = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    # argparse would put the name last, where an option takes it for one more file.
    parser.usage = "%(prog)s [NAME] [-f FILE ...] [--observed STATE ...] [OPTIONS]"
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="the job, as NAME or NAMESPACE/NAME (default: each)",
    )
    options.add_files(parser, required=False)
    options.add_observed(parser)
    options.add_live(parser)
    options.add_world(parser)


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Explain each job, or the one that is named."""
    if arguments.live and arguments.observed:
        streams.error("--live and --observed are two states", "give one of them")
        return 2
    if not (arguments.filename or arguments.observed or arguments.live):
        hint = "name what kubectl printed with --observed STATE, or a manifest with -f"
        streams.error("there is nothing to explain", hint)
        return 2
    namespace, slash, _ = (arguments.name or "").partition("/")
    if slash and arguments.live and arguments.namespace is None:
        arguments.namespace = namespace  # No other is read.
    question = offline.question(arguments, streams)
    if name := _taken_for_a_file(arguments):
        hint = f"write it first: mpijob explain {name} ..."
        streams.note(f"if {name} is the name of a job, an option took it", hint)
    if question is None:
        return 1
    plans = [offline.planned(asked, question.world) for asked in question.asked]
    if arguments.name:
        chosen = [p for p in plans if arguments.name in _names(p)]
        if not chosen:
            streams.error(f"there is no MPIJob {arguments.name}", _there(plans))
            return 1
        plans = chosen
    if not (plans or question.failed):
        where = f" in namespace {arguments.namespace}" if arguments.namespace else ""
        streams.error(f"there is no MPIJob{where}")
        return 1
    wrong = [offline.report(planned, streams) for planned in plans]
    possible, now = offline.possible(plans, streams), question.world.now
    page.show_all((explain.page(planned, now) for planned in possible), streams)
    return 1 if question.failed or any(wrong) else 0


def _taken_for_a_file(arguments: argparse.Namespace) -> str:
    """Return the last of several files of an option, where there is no such file."""
    given = (*(arguments.filename or ()), *(arguments.observed or ()))
    last = (files[-1] for files in given if len(files) > 1)
    missing = (name for name in last if name != "-" and not Path(name).exists())
    return "" if arguments.name else next(missing, "")


def _names(planned: Planned) -> tuple[str, str]:
    job = planned.job
    return job.name, f"{job.namespace}/{job.name}"


def _there(plans: Sequence[Planned]) -> str:
    names = [key_text((p.job.namespace, p.job.name)) for p in plans]
    rest = len(names) - NAMED_MAX
    more = f" and {rest} more" if rest > 0 else ""
    return f"there are {', '.join(names[:NAMED_MAX])}{more}" if names else ""
