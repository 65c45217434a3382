# SPDX-License-Identifier: Apache-2.0
"""`mpijob simulate`: a job's whole life in a cluster in memory, as a timeline."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import mpijob
from mpijob_operator import manifests, offline, options, simulation
from mpijob_operator.field_path import printable
from mpijob_operator.offline import Asked
from mpijob_operator.simulation import Script, Surroundings
from mpijob_operator.simulation.script import DEEDS, HABITS
from mpijob_operator.streams import Streams

# Far more than a person writes; a script has a limit of lines as well.
SCRIPT_BYTES_MAX: Final = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    options.add_files(parser, required=True)
    options.add_world(parser)
    parser.add_argument(
        "--events",
        metavar="SCRIPT",
        help="a file (or -) of what happens, a sentence a line, such as `at 20s: evict"
        " worker 1`, `10s after Running: suspend`, `launcher exits 137 then 0`",
    )
    parser.epilog = (
        f"A SCRIPT says how pods live ({'; '.join(HABITS)}), and what happens, "
        "each line with its time (at TIME: ...; when CONDITION: ...; TIME after "
        f"CONDITION: ...): {'; '.join(DEEDS)}."
    )
    # There is no cluster but the one in memory.
    parser.set_defaults(observed=None)


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Play the life of each job."""
    script = _script(arguments, streams)
    question = offline.question(arguments, streams)
    if script is None or question is None:
        return 1
    plans = [offline.planned(asked, question.world) for asked in question.asked]
    wrong = [offline.report(planned, streams) for planned in plans]
    # One without a name was told of, and nothing can be made of it.
    possible = [p.asked for p in offline.possible(plans, streams) if p.job.name]
    for text in _told(possible, script, question.world):
        streams.stdout.write(text)
    return 1 if question.failed or any(wrong) else 0


def _told(jobs: Iterable[Asked], script: Script, world: mpijob.World) -> Iterator[str]:
    """Give the timeline of each job, each under its name where there are several."""
    surroundings = Surroundings(world.settings, world.priority_classes)
    for number, asked in enumerate(jobs):
        title = f"MPIJob {manifests.key_text(asked.manifested.key)}\n\n"
        timeline = simulation.simulate(asked.manifest, script, surroundings)
        yield ("\n" if number else "") + title + simulation.render(timeline)


def _script(arguments: argparse.Namespace, streams: Streams) -> Script | None:
    """Read what happens; None where it cannot be understood, said aloud."""
    name = arguments.events
    if name is None:
        return Script()
    source = "stdin" if name == "-" else printable(name)
    try:
        if name == "-":
            data = streams.stdin.read(SCRIPT_BYTES_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(SCRIPT_BYTES_MAX + 1)
        text = data.decode()
    except FileNotFoundError:
        streams.error(f"{source}: there is no such file")
        return None
    except UnicodeDecodeError:
        streams.error(f"{source}: this is not UTF-8 text")
        return None
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else fault
        streams.error(f"{source}: cannot be read: {str(reason).lower()}")
        return None
    if len(data) > SCRIPT_BYTES_MAX:
        streams.error(f"{source}: this is larger than {SCRIPT_BYTES_MAX >> 20} MiB")
        return None
    script, errors = simulation.read(text, source)
    for error in errors:
        streams.error(str(error), error.hint)
    return None if errors else script
