# SPDX-License-Identifier: Apache-2.0
"""What an edit of the spec means for pods that exist already (B5.9)."""

from collections.abc import Iterator

from mpijob.case import Case
from mpijob.job import ReplicaSpec, Role
from mpijob.pods import template_hash


def outdated(case: Case) -> tuple[Role, ...]:
    """Return the roles of which something was made from another template.

    What carries no hash was made by somebody else, and tells nothing.
    """
    roles = case.job.replicas.items()
    return tuple(role for role, replica in roles if _differs(case, role, replica))


def _differs(case: Case, role: Role, replica: ReplicaSpec) -> bool:
    made_from = set(_hashes(case, role)) - {""}
    return bool(made_from) and made_from != {template_hash(case.job, replica)}


def _hashes(case: Case, role: Role) -> Iterator[str]:
    if role is Role.WORKER:
        yield from (p.template_hash for p in case.roster.workers.values() if p.live)
    elif case.roster.launcher is not None and not case.roster.launcher.finished:
        yield case.roster.launcher.template_hash
