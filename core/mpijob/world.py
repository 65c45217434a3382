# SPDX-License-Identifier: Apache-2.0
"""What the core cannot know by itself: the time, the settings, the priority classes."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

NO_GANG: Final = "none"
VOLCANO: Final = "volcano"
KUBERNETES: Final = "kubernetes"


class Settings(NamedTuple):
    """How the operator was started."""

    cluster_domain: str = ""  # Empty: host names end in `.svc`.
    gang_scheduler: str = NO_GANG  # B7.1, B7.6.
    # What the cluster serves of `scheduling.k8s.io`; v1alpha2 up to Kubernetes 1.36.
    workload_api: str = "v1beta1"
    ttl_keeps_job: bool = False  # `--ttl=children` (B5.6).
    # How long the API server may call every pod invalid before the job has failed
    # (B1.7). Long enough for a webhook or a policy to be mended by its owner.
    refused_timeout: timedelta = timedelta(minutes=10)
    # Whether the installed CRD declares status.observedGeneration; upstream's does not.
    observed_generation: bool = True


class PriorityClass(NamedTuple):
    """A `scheduling.k8s.io/v1` PriorityClass, as far as it counts (B7.4)."""

    name: str
    value: int = 0
    global_default: bool = False


class World(NamedTuple):
    """The surroundings of one call."""

    now: datetime  # Aware.
    settings: Settings = Settings()
    priority_classes: tuple[PriorityClass, ...] = ()


def later(start: datetime | None, seconds: float | None) -> datetime | None:
    """Return a time so many seconds on; None where either is, or the calendar ends.

    Negative seconds are a mistake in the spec, which validation tells: None.
    """
    if start is None or seconds is None or seconds < 0:
        return None
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        return None


def is_over(moment: datetime | None, now: datetime) -> bool:
    """Tell whether a moment has come; one that is None never does."""
    return moment is not None and now >= moment
