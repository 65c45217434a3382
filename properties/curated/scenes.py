# SPDX-License-Identifier: Apache-2.0
"""The scenes in which mutants are searched for, by name."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from properties.world.bugs import BUGS
from properties.world.checks import Checks, Wrong
from properties.world.rare_scenes import NAMED
from properties.world.scene import SCALES, SUSPENDS, Scene
from properties.world.search import Search
from properties.world.state import Left

_OWN: Final = (
    Scene(
        "one worker, a failure too many",
        1,
        run_policy={"backoffLimit": 0},
        runs=True,
        left=Left(faults=0, deeds=0, failures=1),
    ),
    Scene(
        "two workers, the launcher waits, scaled",
        2,
        spec={"launcherCreationPolicy": "WaitForWorkersReady"},
        left=Left(faults=0, deeds=1, failures=0),
        deeds=SCALES,
    ),
    Scene(
        "one worker, an eviction",
        1,
        runs=True,
        left=Left(faults=0, deeds=0, failures=1),
        fails=frozenset(("evicted",)),
    ),
    Scene(
        "no workers, suspended and resumed, nothing lags",
        0,
        runs=True,
        left=Left(faults=0, deeds=2, failures=0),
        deeds=SUSPENDS,
        lags=frozenset(),
    ),
)
_SCENES: Final[Mapping[str, Scene]] = {
    scene.name: scene
    for scene in (*(bug.scene for bug in BUGS), *NAMED.values(), *_OWN)
}


def scene_of(name: str) -> Scene:
    """Return the scene of a name."""
    return _SCENES[name]


class _Alone:
    """All checks, of which one is heard."""

    def __init__(self, checks: Checks, law: str) -> None:
        self._checks, self._law = checks, law

    def move(self, *sights: Any) -> Iterator[Wrong]:  # noqa: ANN401 - as they have it.
        return self._heard(self._checks.move(*sights))

    def rest(self, *sights: Any) -> Iterator[Wrong]:  # noqa: ANN401 - as they have it.
        return self._heard(self._checks.rest(*sights))

    def restless(self, *told: Any) -> Iterator[Wrong]:  # noqa: ANN401 - as they have it.
        return self._heard(self._checks.restless(*told))

    def _heard(self, wrongs: Iterator[Wrong]) -> Iterator[Wrong]:
        return (wrong for wrong in wrongs if wrong.law == self._law)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever they have.
        return getattr(self._checks, name)


def searched(
    name: str, law: str, states: int, seconds: float
) -> Iterator[tuple[str, int]]:
    """Yield the law that a search finds broken; any, or the one that is given.

    Beside it is the length of the story, in moves.
    """
    search = Search(scene_of(name))
    if law:
        search.checks = cast("Checks", _Alone(search.checks, law))
    found = search.run(states, seconds).found
    if found is not None:
        yield found.wrong.law, len(found.story)
