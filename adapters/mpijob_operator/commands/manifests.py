# SPDX-License-Identifier: Apache-2.0
"""`mpijob manifests`: what runs the operator in a cluster, for `kubectl apply -f -`.

The flags of `mpijob run` are options here, and go to the Deployment; where jobs are
looked after also decides the kind of role.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import mpijob_crd
from mpijob_operator import installation, yaml_text
from mpijob_operator.controller.flags import FLAGS
from mpijob_operator.streams import Streams

Json = dict[str, Any]

# Of the flags of `mpijob run` those that a Deployment settles itself, or that mean
# something on one machine only.
NOT_HERE: Final = frozenset(
    {
        "kubeconfig",
        "master",
        "namespace",
        "lock_namespace",
        "health_port",
        "monitoring_port",
        "bind_address",
        "leader_elect",  # An update starts a pod before it ends one.
        "record",  # It needs a volume: `--recordings`.
    }
)
PASSED_ON: Final = tuple(field for field in FLAGS if field not in NOT_HERE)

_NAMESPACES: Final = FLAGS["namespace"][0]


def _namespace(text: str) -> str:
    names: tuple[str, ...] = _NAMESPACES(text)
    if len(names) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not one namespace")
    return names[0]


def _image(text: str) -> str:
    if not text or any(map(str.isspace, text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no image")
    return text


def _replicas(text: str) -> int:
    # More than a few only wait.
    if not text.isdecimal() or not 1 <= int(text[:4]) <= 10:  # noqa: PLR2004 - above.
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 10")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--namespace",
        metavar="NAME",
        type=_NAMESPACES,
        default=(),
        help="look after jobs in these alone, by commas: a Role in each (default: all)",
    )
    parser.add_argument(
        "--operator-namespace",
        metavar="NAME",
        type=_namespace,
        default=installation.NAMESPACE,
        help=f"where the operator runs (default: {installation.NAMESPACE})",
    )
    parser.add_argument(
        "--image", metavar="IMAGE", type=_image, help="the operator's image"
    )
    does = "how many run, of which one leads (default: 2)"
    parser.add_argument("--replicas", metavar="N", type=_replicas, default=2, help=does)
    for option, does in (
        ("--with-crd", "print the CustomResourceDefinition first"),
        ("--service-monitor", "have a Prometheus operator scrape it"),
        ("--recordings", "keep each look that changed something, for `mpijob replay`"),
        ("--network-policy", "let in nobody but namespaces labelled metrics=enabled"),
    ):
        parser.add_argument(option, action="store_true", help=does)
    parser.add_argument(
        "-o",
        "--output",
        choices=("yaml", "json"),
        default="yaml",
        help="as what to print it (default: yaml)",
    )
    passed_on = parser.add_argument_group("flags of `mpijob run`, for the Deployment")
    for field in PASSED_ON:
        read, does = FLAGS[field]
        flag = f"--{field.replace('_', '-')}"
        passed_on.add_argument(flag, metavar="VALUE", type=_checked(read), help=does)


def _checked(read: Any) -> Any:  # noqa: ANN401 - argparse's own types are no narrower.
    """Return a type of argparse that looks at a text, and leaves it as it is."""

    def checked(text: str) -> str:
        read(text)
        return text

    return checked


def default_image() -> str:
    """Return the image that `deploy/Containerfile` makes of this version."""
    from importlib import metadata  # noqa: PLC0415 - it takes 20 ms.

    return f"{installation.NAME}:{metadata.version('mpijob')}"


def _flags(arguments: argparse.Namespace) -> Mapping[str, str]:
    given = ((field, getattr(arguments, field)) for field in PASSED_ON)
    return {
        field.replace("_", "-"): value for field, value in given if value is not None
    }


def _objects(arguments: argparse.Namespace) -> Iterator[Json]:
    return installation.objects(
        installation.Installation(
            image=arguments.image or default_image(),
            namespace=arguments.operator_namespace,
            watched=arguments.namespace,
            replicas=arguments.replicas,
            flags=_flags(arguments),
            service_monitor=arguments.service_monitor,
            network_policy=arguments.network_policy,
            recordings=arguments.recordings,
        )
    )


def _crd() -> Iterator[Json]:
    from mpijob_operator import (  # noqa: PLC0415 - YAML is printed as it is.
        kubectl_yaml,
    )

    yield cast("Json", kubectl_yaml.value_of(mpijob_crd.text()))


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Print the objects."""
    found = _objects(arguments)
    if arguments.output == "json":
        items = [*(_crd() if arguments.with_crd else ()), *found]
        whole = {"apiVersion": "v1", "kind": "List", "items": items}
        streams.stdout.write(json.dumps(whole, indent=2) + "\n")
        return 0
    if arguments.with_crd:
        streams.stdout.write(f"{mpijob_crd.text()}---\n")
    streams.stdout.writelines(yaml_text.texts(found))
    return 0
