# SPDX-License-Identifier: Apache-2.0
"""Every way in which a small cluster and its operator may go on, while time allows.

What is driven is shipped: the core, the executor, the controller's memory and store,
one request a step. `make proof` goes on where this stops; see `docs/proof.md`.
"""

from collections import Counter
from typing import Final

import pytest

from properties.numbered import NUMBERED, Check
from properties.world import failures
from properties.world.bugs import BUGS, Bug
from properties.world.rare_scenes import EVERY, SCENES
from properties.world.scene import REFUSING, USUAL, Scene
from properties.world.search import Result, Search

# Moments of each scene: some seconds of it. `make proof` sees a thousand times as many.
STATES_WHOLE: Final = 600
STATES_WIDE: Final = 200
STATES_AT_STAKE: Final = 300
STATES_BUG: Final = 1_000
BUGS_TRIED: Final = [bug for bug in BUGS if not bug.slow]

# Checks that are no number's home, and that few scenes put at stake.
SELDOM: Final = (
    "B7.5 a PodGroup is there exactly while the job is to run",
    "B7.5 the PodGroup is there before any pod",
    "P10 what was made too late is gone at rest",
    "P11 nothing is adopted",
    "P24 told all, a cache shows what a list would",
    "P28 it arrives: the status is true where an obstacle never goes",
    "P30 no pod of an old template is there after a resumption",
    "P33 nothing that is fixed is changed",
)

pytestmark = pytest.mark.rule("B4.5", "B8.2", "B8.3", "B6.1", "B5.2", "B4.9")


def name_of(case: Scene | Bug) -> str:
    return case.name.replace(" ", "-").replace(",", "")


def searched(scene: Scene, states: int) -> Result:
    result = Search(scene).run(states)
    assert result.found is None, failures.told(scene, result.found)
    return result


@pytest.mark.parametrize("scene", SCENES["whole"], ids=name_of)
def test_in_a_small_cluster_nothing_ever_goes_wrong(scene: Scene) -> None:
    """Whatever lags and crashes, in whatever order, all stays safe and arrives."""
    result = searched(scene, STATES_WHOLE)
    assert result.exhausted or result.states >= STATES_WHOLE
    assert result.sometimes["P26 no live pod is missing from active"]


@pytest.mark.parametrize("scene", [*SCENES["wide"], *SCENES["timed"]], ids=name_of)
def test_users_failures_and_faults_together_do_no_harm(scene: Scene) -> None:
    """Two users' deeds, a failure, a fault: each moment leads to rest in good order."""
    searched(scene, STATES_WIDE)


@pytest.mark.parametrize("bug", BUGS_TRIED, ids=name_of)
def test_without_any_one_of_its_safeguards_the_operator_does_harm(bug: Bug) -> None:
    """What a safeguard is for, the search can tell: without it a law is broken."""
    result = Search(bug.scene, bug.engine).run(STATES_BUG)
    assert result.found is not None, f"not in {result.states} moments"


def test_every_check_of_the_search_is_at_stake() -> None:
    """A check that was never at stake proves nothing: each is, in some scene."""
    sometimes, troubles = Counter[str](), Counter[str]()
    for scene in EVERY:
        result = searched(scene, STATES_AT_STAKE)
        sometimes.update(result.sometimes)
        troubles.update(result.troubles)
    homes = [home.law for home in NUMBERED.values() if isinstance(home, Check)]
    checks = (*homes, *SELDOM)
    assert not [law for law in checks if not sometimes[law]]
    assert troubles.keys() >= {*USUAL, *REFUSING, "lag", "time"} - {"unreadable"}
