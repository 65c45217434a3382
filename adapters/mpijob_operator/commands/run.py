# SPDX-License-Identifier: Apache-2.0
"""`mpijob run`: the controller, in a cluster or beside it."""

import argparse
import os

from mpijob_operator.controller import flags
from mpijob_operator.keypair import key_pair
from mpijob_operator.streams import Streams

BAD_INPUT = 1
USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = (
        "Each flag is also an environment variable: --log-level is MPIJOB_LOG_LEVEL. "
        "The flags of mpi-operator v0.8.2 are taken; those of its logging and of its "
        "queue have no effect."
    )
    flags.add_arguments(parser)


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Run until a signal ends it, or the lease is lost."""
    try:
        asked = flags.flags(arguments, os.environ)
    except flags.Misread as error:
        streams.error(str(error), "`mpijob run --help` shows what it takes")
        return USAGE
    try:
        # Here, because whoever only plans needs none of it.
        from mpijob_operator.controller import process  # noqa: PLC0415 - see above.

        # No job is the first to find that keys cannot be drawn.
        key_pair()
    except ModuleNotFoundError as error:
        hint = "pip install 'mpijob[operator]'"
        streams.error(
            f"the controller needs {error.name}, which is not installed", hint
        )
        return BAD_INPUT
    return process.run(asked, streams)
