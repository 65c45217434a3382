# SPDX-License-Identifier: Apache-2.0
"""Where each safeguard is looked for when it is missing: the smallest scene for it."""

from typing import Final

from properties.world.scene import (
    DELETES,
    DELETES_LAUNCHER,
    EDITS,
    MEDDLES,
    OCCUPIES,
    RESUMES_LAUNCHER,
    SCALES,
    SUSPENDS,
    Scene,
)
from properties.world.state import Left

QUIET: Final = Scene("one worker, a crash", 1, left=Left(1, 0, 0))
FAILING: Final = Scene(
    "two workers, a crash, two failures", 2, runs=True, left=Left(1, 0, 2)
)
SUSPENDED: Final = Scene(
    "one worker, suspended and resumed",
    1,
    runs=True,
    left=Left(0, 2, 0),
    deeds=SUSPENDS,
)
MEDDLED: Final = Scene(
    "one worker, things deleted", 1, runs=True, left=Left(0, 2, 0), deeds=MEDDLES
)
ANEW: Final = Scene(
    "one worker, deleted and anew", 1, runs=True, left=Left(0, 2, 0), deeds=DELETES
)
WAITING: Final = Scene(
    "two workers, the launcher waits",
    2,
    spec={"launcherCreationPolicy": "WaitForWorkersReady"},
    left=Left(0, 0, 0),
)
SCALED: Final = Scene(
    "two workers, scaled", 2, runs=True, left=Left(0, 2, 0), deeds={**SCALES, **EDITS}
)
OCCUPIED: Final = Scene(
    "one worker, its name taken", 1, runs=True, left=Left(0, 2, 1), deeds=OCCUPIES
)
STARTED: Final = Scene(
    "one worker, suspended at its start", 1, left=Left(0, 1, 0), deeds=SUSPENDS
)
STARTED_TROUBLED: Final = Scene(
    "one worker, suspended at its start, a fault",
    1,
    left=Left(1, 1, 0),
    deeds=SUSPENDS,
)
CONTESTED: Final = Scene(
    "no workers, the launcher Job resumed by somebody",
    0,
    runs=True,
    left=Left(0, 2, 0),
    deeds=RESUMES_LAUNCHER,
)
ALONE: Final = Scene(
    "no workers, the launcher Job deleted",
    0,
    left=Left(0, 2, 0),
    deeds=DELETES_LAUNCHER,
)
CLEANED: Final = Scene(
    "one worker, all cleaned up",
    1,
    run_policy={"cleanPodPolicy": "All"},
    runs=True,
    left=Left(1, 0, 0),
)
TIMED: Final = Scene(
    "one worker, a deadline",
    1,
    runs=True,
    run_policy={"activeDeadlineSeconds": 1000},
    left=Left(0, 0, 0),
)
