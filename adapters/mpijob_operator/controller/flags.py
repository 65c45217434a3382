# SPDX-License-Identifier: Apache-2.0
"""How the operator is started: flags, each also an environment variable.

The flags of mpi-operator v0.8.2 keep their names where they mean something here, so
that its Deployment starts ours. `FLAGS` is the table that the parser, the help and the
environment are read from.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from attrs import frozen

import mpijob
from mpijob.names import OPERATOR
from mpijob.world import NO_GANG

# A namespace's name (RFC 1123).
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@frozen
class Flags:
    """What was asked for; the names are the flags'."""

    namespace: tuple[str, ...] = ()  # Empty: all.
    kubeconfig: str = ""
    master: str = ""
    threadiness: int = 16
    # Unlike mpi-operator: requests are not limited by default, but for how many are
    # under way at once; at five a second 200 jobs wait for minutes.
    kube_api_qps: float = 0.0
    kube_api_burst: int = 0
    gang_scheduling: str = NO_GANG
    cluster_domain: str = ""
    lock_namespace: str = OPERATOR
    leader_elect: bool = True
    bind_address: str = ""  # Every address, of IPv4 and of IPv6.
    health_port: int = 8081
    monitoring_port: int = 0
    ttl: str = "job"
    refused_timeout: float = 600.0
    record: str = ""
    log_format: str = "json"
    log_level: str = "info"
    ignored: tuple[str, ...] = ()  # Flags that are taken and mean nothing here.

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces to watch; one that is empty stands for all."""
        return self.namespace or ("",)

    def settings(
        self, *, workload_api: str, observed_generation: bool
    ) -> mpijob.Settings:
        """Return what the core is told of it, and of the cluster."""
        return mpijob.Settings(
            cluster_domain=self.cluster_domain,
            gang_scheduler=self.gang_scheduling,
            workload_api=workload_api,
            ttl_keeps_job=self.ttl == "children",
            refused_timeout=timedelta(seconds=self.refused_timeout),
            observed_generation=observed_generation,
        )


def _namespaces(text: str) -> tuple[str, ...]:
    names = tuple(name for name in re.split(r"[,\s]+", text) if name)
    for name in names:
        if not _NAMESPACE.fullmatch(name):
            raise argparse.ArgumentTypeError(f"{name!r} is no name of a namespace")
    return tuple(dict.fromkeys(names))


def _folder(text: str) -> str:
    if text and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return text


def _truth(text: str) -> bool:
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    if (value := known.get(text.lower())) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return value


def _from(least: float, most: float, number: type[Any] = int) -> Callable[[str], Any]:
    def read(text: str) -> Any:  # noqa: ANN401 - of the type that was asked for.
        try:
            value = number(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            words = f"{text!r} is no number from {least:g} to {most:g}"
            raise argparse.ArgumentTypeError(words)
        return value

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in words:
            message = f"{text!r} is none of {', '.join(words)}"
            raise argparse.ArgumentTypeError(message)
        return text.lower()

    return read


_PORT: Final = _from(0, 65_535)
_DAY: Final = 86_400

# Field -> how it is read, and what it does.
FLAGS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = {
    "namespace": (_namespaces, "the namespaces to watch, by commas (default: all)"),
    "kubeconfig": (str, "the kubeconfig; outside of a cluster, or for another one"),
    "master": (str, "the URL of the API server, over the kubeconfig's"),
    "threadiness": (_from(1, 1_000), "how many jobs are worked on side by side"),
    "kube_api_qps": (_from(0, 1e6, float), "requests a second; 0 is as many as needed"),
    "kube_api_burst": (_from(0, 1_000_000), "requests at once after a rest"),
    "gang_scheduling": (str, "none, volcano, kubernetes, or another scheduler's name"),
    "cluster_domain": (str, "what host names end in, such as cluster.local"),
    "lock_namespace": (str, "where the Lease is that says who leads"),
    "leader_elect": (_truth, "whether to lead before acting: true or false"),
    "bind_address": (str, "where probes and metrics are served (default: everywhere)"),
    "health_port": (_PORT, "the port of /healthz and /readyz; 0: none"),
    "monitoring_port": (_PORT, "the port of /metrics; 0: none"),
    "ttl": (
        _one_of("job", "children"),
        "what goes when ttlSecondsAfterFinished is over: the job, or its children",
    ),
    "refused_timeout": (
        _from(0, 365 * _DAY, float),
        "seconds until a job has failed whose every pod the API server calls invalid",
    ),
    "record": (_folder, "a folder for a file of each look that changed something"),
    "log_format": (_one_of("json", "text"), "json or text"),
    "log_level": (_one_of("debug", "info", "warning", "error"), "what is logged"),
}

# Other words for a flag: upstream's, and what people type.
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "kubeconfig": ("--kubeConfig",),
    "threadiness": ("--concurrency",),
}
_UPSTREAMS_VARIABLE: Final = {"namespace": "KUBEFLOW_NAMESPACE"}

# Of klog and of client-go's queue. Whoever moves a Deployment over may leave them.
WITHOUT_EFFECT: Final = (
    "--alsologtostderr",
    "--controller-queue-burst",
    "--controller-queue-rate-limit",
    "--log_backtrace_at",
    "--log_dir",
    "--log_file",
    "--logtostderr",
    "--skip_headers",
    "--stderrthreshold",
    "--v",
    "--vmodule",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    for field, (_, does) in FLAGS.items():
        flag = f"--{field.replace('_', '-')}"
        words = (flag, *_ALSO.get(field, ()))
        default = getattr(Flags(), field)
        told = (
            "" if "default" in does or default in ("", ()) else f" (default: {default})"
        )
        # As text: the environment is read the same way, and says so itself.
        parser.add_argument(*words, metavar="VALUE", dest=field, help=does + told)
        # Go takes one dash for two, and Deployments have either.
        parser.add_argument(
            *(word[1:] for word in words),
            dest=field,
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
    for flag in WITHOUT_EFFECT:
        words = (flag, flag[1:]) if flag.startswith("--") else (flag,)
        parser.add_argument(
            *words, nargs="?", dest="ignored", action=_Note, help=argparse.SUPPRESS
        )


class _Note(argparse.Action):
    """Remembers that a flag without effect was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, values
        noted = getattr(namespace, self.dest, None) or ()
        setattr(namespace, self.dest, (*noted, option_string or ""))


def variable(field: str) -> str:
    """Return the environment variable that stands for a flag.

    >>> variable("gang_scheduling")
    'MPIJOB_GANG_SCHEDULING'
    """
    return f"MPIJOB_{field.upper()}"


class Misread(Exception):  # noqa: N818 - it says what happened to a word.
    """A flag or a variable has a value that it cannot have."""


def flags(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Flags:
    """Read the flags; where one is not given its variable counts.

    Raises:
        Misread: A value is none of its kind.
    """
    found: dict[str, Any] = {}
    for field, (read, _) in FLAGS.items():
        word, place = getattr(arguments, field, None), f"--{field.replace('_', '-')}"
        if word is None:
            place = variable(field)
            upstreams = _UPSTREAMS_VARIABLE.get(field, place)
            place = place if place in environment else upstreams
            word = environment.get(place)
        if word is None:
            continue
        try:
            found[field] = read(word)
        except argparse.ArgumentTypeError as error:
            raise Misread(f"{place}: {error}") from None
    return Flags(**found, ignored=getattr(arguments, "ignored", None) or ())
