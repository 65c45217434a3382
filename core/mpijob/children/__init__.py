# SPDX-License-Identifier: Apache-2.0
"""One module a child: from the job to a manifest (B2). Call them through here."""

from mpijob.children.config_map import config_map
from mpijob.children.launcher import launcher
from mpijob.children.pod_group import pod_group, workload
from mpijob.children.secret import secret
from mpijob.children.service import service
from mpijob.children.worker import workers

__all__ = [
    "config_map",
    "launcher",
    "pod_group",
    "secret",
    "service",
    "workers",
    "workload",
]
