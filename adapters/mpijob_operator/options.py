# SPDX-License-Identifier: Apache-2.0
"""The options that several commands share, and the `World` that they describe.

What a controller knows from its cluster and its flags is given by hand here.
"""

import argparse
from datetime import UTC, datetime

import mpijob
from mpijob.wire import time_of
from mpijob_operator import documents, manifests
from mpijob_operator.streams import Streams

PRIORITY_CLASS = "PriorityClass"

# kubectl refuses the whole list where a cluster does not know one kind of it, and few
# clusters know PodGroup.
ALL = "kubectl get mpijob,job,pod,svc,cm,secret -o yaml"


def add_files(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Declare -f and -n."""
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        nargs="+",
        required=required,
        help="manifests: files, folders, or - for stdin",
    )
    parser.add_argument(
        "-n",
        "--namespace",
        metavar="NAME",
        type=_namespace,
        help="the namespace of what names none (default: default)",
    )


def add_observed(parser: argparse.ArgumentParser) -> None:
    """Declare --observed."""
    parser.add_argument(
        "--observed",
        metavar="STATE",
        action="append",
        nargs="+",
        help=f"what is there, as {ALL} (or json) prints it; with gang scheduling"
        " podgroup, too",
    )


def add_live(parser: argparse.ArgumentParser) -> None:
    """Declare --live."""
    parser.add_argument(
        "--live",
        action="store_true",
        help="read what is there from the cluster, and change nothing; what names no"
        " namespace is of the one of the kubeconfig's context",
    )
    parser.add_argument(
        "-A",
        "--all-namespaces",
        action="store_true",
        help="with --live: read every namespace",
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        default="",
        help="with --live: how to reach the cluster (default: as kubectl does)",
    )


def add_world(parser: argparse.ArgumentParser) -> None:
    """Declare what the operator would know from its flags and its cluster."""
    world = parser.add_argument_group("what the operator knows")
    world.add_argument(
        "--gang-scheduling",
        metavar="NAME",
        default="none",
        help="volcano, kubernetes, or the name of another gang scheduler",
    )
    world.add_argument(
        "--cluster-domain",
        metavar="DOMAIN",
        default="",
        help="what the host names end in, such as cluster.local",
    )
    world.add_argument(
        "--related",
        metavar="FILE",
        action="append",
        nargs="+",
        help="the PriorityClasses of the cluster",
    )
    world.add_argument(
        "--now",
        metavar="TIME",
        type=_time,
        help="the time, as 2030-01-01T12:00:00Z (default: now)",
    )


def _namespace(text: str) -> str:
    if not manifests.is_namespace(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a namespace")
    return text


def _time(text: str) -> datetime:
    time = time_of(text)
    if time is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time as 2030-01-01T12:00:00Z")
    return time


def names(given: list[list[str]] | None) -> list[str]:
    """Return the files of an option that may be repeated and take several."""
    return [name for some in given or () for name in some]


def world(arguments: argparse.Namespace, streams: Streams) -> mpijob.World | None:
    """Return the surroundings; None where --related could not be read, said aloud."""
    found = documents.read(names(arguments.related), streams.stdin)
    for error in found.errors:
        streams.error(str(error), error.hint)
    classes: tuple[mpijob.PriorityClass, ...] = ()
    if found.documents:
        from mpijob_operator import hook_request  # noqa: PLC0415 - seldom needed.

        values = [d.value for d in found.documents if d.kind == PRIORITY_CLASS]
        classes = hook_request.priority_classes(values)
    for document in found.documents:
        if document.kind != PRIORITY_CLASS:
            said = f"{document.place_of()}: {document.kind} is no {PRIORITY_CLASS}"
            streams.note(f"{said}, and is passed over")
    settings = mpijob.Settings(
        cluster_domain=arguments.cluster_domain,
        gang_scheduler=arguments.gang_scheduling or "none",
    )
    now = arguments.now or datetime.now(UTC)
    return None if found.errors else mpijob.World(now, settings, classes)
