# SPDX-License-Identifier: Apache-2.0
"""`mpijob crd`: the CustomResourceDefinition, for `kubectl apply -f -`."""

import argparse
import json

import mpijob_crd
from mpijob_operator.streams import Streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "-o",
        "--output",
        choices=("yaml", "json"),
        default="yaml",
        help="as what to print it (default: yaml)",
    )


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Print the CRD."""
    text = mpijob_crd.text()
    if arguments.output == "json":
        from mpijob_operator import (  # noqa: PLC0415 - YAML is printed as it is.
            kubectl_yaml,
        )

        text = json.dumps(kubectl_yaml.value_of(text), indent=2) + "\n"
    streams.stdout.write(text)
    return 0
