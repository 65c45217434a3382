# SPDX-License-Identifier: Apache-2.0
"""Decide what should exist for an MPIJob, and change nothing.

answer = reconcile(job, observed, world)
steps = plan(job, observed, answer)
"""

from mpijob.events import Event
from mpijob.family import Desired, Policy, Touch, Unwanted
from mpijob.job import MPIJob
from mpijob.observed import Live, Observed, Refusal
from mpijob.plan import (
    HOLDS,
    Action,
    Apply,
    Confirm,
    Create,
    Delete,
    Emit,
    Plan,
    WriteStatus,
    plan,
)
from mpijob.problems import Problem
from mpijob.reconcile import Reconciliation, reconcile
from mpijob.wire import decode, encode_status
from mpijob.world import PriorityClass, Settings, World

__all__ = [
    "HOLDS",
    "Action",
    "Apply",
    "Confirm",
    "Create",
    "Delete",
    "Desired",
    "Emit",
    "Event",
    "Live",
    "MPIJob",
    "Observed",
    "Plan",
    "Policy",
    "PriorityClass",
    "Problem",
    "Reconciliation",
    "Refusal",
    "Settings",
    "Touch",
    "Unwanted",
    "World",
    "WriteStatus",
    "decode",
    "encode_status",
    "plan",
    "reconcile",
]
