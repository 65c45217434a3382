# SPDX-License-Identifier: Apache-2.0
"""What became of a program on the real control plane."""

from attrs import frozen

from tests.traces.programs import Program
from tests.traces.recorder import Written


@frozen
class Outcome:
    """What became of a program."""

    program: Program
    log: tuple[Written, ...]
    # Where the rest of a step was another than in memory.
    differences: tuple[str, ...] = ()
    # What users did, which the log alone does not tell.
    deeds: tuple[tuple[str, str], ...] = ()
