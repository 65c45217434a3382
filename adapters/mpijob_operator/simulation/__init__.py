# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory: an API server, its programs, its users, and our operator.

It ships because `mpijob simulate` needs it, and drives the very core and executor that
a real cluster sees. `life` plays a whole job by the clock; `cluster` and the programs
beside it are for whoever wants to choose what happens next.
"""

from mpijob_operator.simulation.life import simulate
from mpijob_operator.simulation.operator import Surroundings
from mpijob_operator.simulation.script import Script, read
from mpijob_operator.simulation.timeline import Timeline, render, rows

__all__ = [
    "Script",
    "Surroundings",
    "Timeline",
    "read",
    "render",
    "rows",
    "simulate",
]
