# SPDX-License-Identifier: Apache-2.0
"""One kind of trouble at a time, and what it must not change: where things end.

What a job comes to without trouble is found out first, whatever the order of things;
then trouble comes, at every moment at which it may. No check may fail, and no end may
be another, nor any pod or Job be made more often.
"""

import os
from typing import Final

import pytest
from attrs import evolve

from properties import tally
from properties.world import failures
from properties.world.bugs import BUGS
from properties.world.ends import End
from properties.world.engine import SHIPPED, Engine
from properties.world.scene import EVICTED, PAIR, QUIET, SUSPENDED, USUAL, Scene
from properties.world.search import Result, Search
from properties.world.state import LAGGING, PODS

THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
STATES: Final = 200_000 if THOROUGH else 600
# More than any search here needs that must be seen whole.
ALL: Final = 10_000

UNGATED: Final = "looks before its caches show its own writes"
UNTROUBLED: Final = (QUIET, SUSPENDED, EVICTED)

pytestmark = pytest.mark.rule("B8.2", "B8.3", "B4.5")


def name_of(scene: Scene) -> str:
    return scene.name.replace(" ", "-").replace(",", "")


def with_faults(scene: Scene, *faults: str) -> Scene:
    return evolve(scene, left=evolve(scene.left, faults=1), faults=frozenset(faults))


def searched(scene: Scene, states: int, engine: Engine = SHIPPED) -> Result:
    result = Search(scene, engine).run(states)
    assert result.found is None, failures.told(scene, result.found)
    tally.keep(
        states=result.states, transitions=result.transitions, stakes=result.troubles
    )
    return result


_ENDS: Final[dict[str, set[End]]] = {}


def ends_of(scene: Scene) -> set[End]:
    """Return every end that there is without trouble."""
    if scene.name not in _ENDS:
        result = searched(scene, ALL)
        assert result.exhausted
        _ENDS[scene.name] = result.ends
    return _ENDS[scene.name]


def changes_no_end(scene: Scene, *faults: str) -> None:
    result = searched(with_faults(scene, *faults), STATES)
    assert all(result.troubles.get(fault) for fault in faults)
    strange = result.ends - ends_of(scene)
    assert not strange, f"without trouble it never ended like this: {strange}"


@pytest.mark.parametrize("scene", UNTROUBLED, ids=name_of)
def test_a_crash_at_any_moment_changes_no_end(scene: Scene) -> None:
    """Dying between any two requests harms nothing, and all ends as it would have."""
    changes_no_end(scene, "crash")


@pytest.mark.parametrize("scene", UNTROUBLED, ids=name_of)
def test_no_answer_changes_no_end(scene: Scene) -> None:
    """A request without an answer, done or not or done later, changes no end."""
    changes_no_end(scene, "silence", "delay")


@pytest.mark.parametrize("scene", UNTROUBLED, ids=name_of)
def test_caches_that_lag_change_no_end(scene: Scene) -> None:
    """Each cache may show any past of its own, and nothing is harmed by it."""
    result = searched(evolve(scene, lags=frozenset(LAGGING)), STATES)
    assert result.troubles.get("lag")
    assert result.ends <= ends_of(scene)


@pytest.mark.parametrize("scene", UNTROUBLED, ids=name_of)
def test_trouble_of_every_kind_changes_no_end(scene: Scene) -> None:
    """With lags and faults of any kind each pod is made as often as without."""
    scene_lags = evolve(with_faults(scene, *USUAL), lags=frozenset(LAGGING))
    result = searched(scene_lags, STATES)
    assert result.troubles.keys() >= {"crash", "silence", "delay", "lag"}
    assert result.ends <= ends_of(scene)


def test_a_job_that_nobody_touches_has_one_end_of_each_kind() -> None:
    """In whatever order things happen, what runs, is done or stops is the same."""
    for scene, outcomes in (
        (QUIET, ("Running", "Succeeded")),
        (SUSPENDED, ("Running", "Suspended")),
        (EVICTED, ("Running",)),
        (PAIR, ("Running",)),
    ):
        ends = ends_of(scene)
        for outcome in outcomes:
            found = [end for end in ends if end.outcome.startswith(outcome)]
            assert len({end.form for end in found}) == 1, (scene.name, outcome, found)


def test_whoever_starts_from_what_was_does_harm() -> None:
    """P23: a process that starts from lists of another day does harm; ours does not."""
    (bug,) = (bug for bug in BUGS if not bug.engine.lists_anew)
    scene = evolve(bug.scene, lags=frozenset((PODS,)), faults=frozenset(("crash",)))
    found = Search(scene, bug.engine).run(ALL)
    assert found.found is not None
    shipped = searched(scene, STATES)
    assert shipped.troubles.get("crash")


def test_without_the_gate_the_guards_keep_all_but_the_count() -> None:
    """P22: who looks at any past leaves a pod uncounted; nothing else is broken.

    The gate holds a look until the caches show what we wrote. What else a stale
    look could do is stopped by the versions that its requests name, and this is the
    exact set of what is not.
    """
    (bug,) = (bug for bug in BUGS if bug.name == UNGATED)
    broken = set[str]()
    for scene in UNTROUBLED:
        stale = evolve(scene, lags=frozenset(LAGGING))
        search = Search(stale, bug.engine, goes_on=True)
        broken |= search.run(40_000 if THOROUGH else 1_500).broken.keys()
    assert broken == {"P26 no live pod is missing from active"}
