# SPDX-License-Identifier: Apache-2.0
"""Decide what should exist for an MPIJob, and change nothing.

answer = reconcile(job, observed, world)
steps = plan(job, observed, answer)
"""

from mpijob.actions import (
    Action,
    Apply,
    Confirm,
    Create,
    Delete,
    Desired,
    Event,
    Keep,
    Touch,
    WriteStatus,
)
from mpijob.job import MPIJob
from mpijob.observed import Live, Observed, Refusal
from mpijob.plan import HOLDS, Plan, plan
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
    "Event",
    "Keep",
    "Live",
    "MPIJob",
    "Observed",
    "Plan",
    "PriorityClass",
    "Problem",
    "Reconciliation",
    "Refusal",
    "Settings",
    "Touch",
    "World",
    "WriteStatus",
    "decode",
    "encode_status",
    "plan",
    "reconcile",
]
