# SPDX-License-Identifier: Apache-2.0
"""Everywhere that a scene can get to, breadth first, each moment once.

A wrong turn is told as the shortest story that leads to it. From every moment it is
also followed how things go on if no more trouble comes: they must come to rest, soon,
and in good order.
"""

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from attrs import define, evolve, field, frozen

from properties.world.canonical import Values, key_of
from properties.world.checks import Checks, Wrong
from properties.world.ends import End, end_of
from properties.world.engine import SHIPPED, Engine
from properties.world.moves import Moves
from properties.world.operator import Looks
from properties.world.scene import Scene
from properties.world.sending import REFUSED
from properties.world.state import Left, State

# The last line of a story that comes to rest where it must not.
NOTHING_MORE: Final = "nothing more happens"


@frozen
class Found:
    """A law that was broken, and the story of it."""

    wrong: Wrong
    story: tuple[str, ...]


@define
class Result:
    """What a search came to."""

    scene: Scene
    states: int = 0
    transitions: int = 0
    rests: int = 0
    longest: int = 0  # Moves from any moment to rest.
    depth: int = 0
    seconds: float = 0.0
    exhausted: bool = False
    broken: dict[str, Found] = field(factory=dict[str, Found])  # By law.
    sometimes: dict[str, int] = field(factory=dict[str, int])
    troubles: dict[str, int] = field(factory=dict[str, int])
    ends: set[End] = field(factory=set[End])

    @property
    def found(self) -> Found | None:
        """What was found first, if anything was."""
        return next(iter(self.broken.values()), None)


class Search:
    """One search."""

    def __init__(
        self,
        scene: Scene,
        engine: Engine = SHIPPED,
        *,
        arrives: bool = True,
        goes_on: bool = False,  # Past a law that is broken, to see which others are.
    ) -> None:
        self.scene, self.values = scene, Values()
        self.checks = Checks(self.values, scene)
        looks = Looks(scene.set_up(engine), self.values, scene.lags)
        self.moves = Moves(scene, looks)
        self.arrives, self.within = arrives, scene.arrives_within
        self.goes_on = goes_on
        self.result = Result(scene)
        self._numbers: dict[int, int] = {}
        self._parents = array("l")
        self._whats: list[str] = []
        self._words: dict[str, str] = {}
        self._good: dict[int, int] = {}  # Moves to rest, by moment.
        self._frontier: deque[tuple[int, int, State]] = deque()

    def run(
        self,
        states_max: int,
        seconds_max: float = float("inf"),
        says: Callable[[Result], None] | None = None,
    ) -> Result:
        """Search until a law is broken, everything was seen, or enough."""
        start, result = time.monotonic(), self.result
        self._enter(self._beginning(), -1, "", 0)
        while self._frontier and not self._is_over:
            number, depth, state = self._frontier.popleft()
            result.depth = depth
            self._expand(number, depth, state)
            result.states = len(self._numbers)
            result.seconds = time.monotonic() - start
            if result.states >= states_max or result.seconds > seconds_max:
                break
            if says is not None and not number % _SAYS_EACH:
                says(result)
        result.exhausted = not self._frontier and not self._is_over
        result.sometimes = dict(self.checks.sometimes)
        result.troubles = dict(self.checks.troubles)
        return result

    @property
    def _is_over(self) -> bool:
        return bool(self.result.broken) and not self.goes_on

    def _beginning(self) -> State:
        state = self.scene.beginning()
        if not self.scene.runs:
            return state
        untroubled = evolve(state, left=Left(0, 0, 0))
        while (move := self.moves.soon(untroubled)) is not None:
            untroubled = move.after
        return evolve(untroubled, left=state.left)

    def _expand(self, number: int, depth: int, state: State) -> None:
        for move in self.moves.every(state):
            self.result.transitions += 1
            if self._told(self.checks.move(state, move), number, (move.what,)):
                return
            self._enter(move.after, number, move.what, depth + 1)
        if self.arrives:
            self._follow(number, state)

    def _enter(self, state: State, parent: int, what: str, depth: int) -> None:
        key = hash(key_of(state, self.values))
        if key in self._numbers:
            return
        number = self._numbers[key] = len(self._numbers)
        self._parents.append(parent)
        self._whats.append(self._words.setdefault(what, what))
        self._frontier.append((number, depth, state))

    # --- Arriving -------------------------------------------------------------------

    def _follow(self, number: int, state: State) -> None:
        """Follow how it goes on without trouble, as far as that is not known yet."""
        path: list[int] = []
        whats: list[str] = []
        refused: list[str] = []
        while len(path) <= self.within:
            key = hash(key_of(state, self.values))
            if (known := self._good.get(key)) is not None:
                self._arrived(path, known)
                if self.result.longest > self.within:
                    break
                return
            path.append(key)
            move = self.moves.fair(state)
            if move is None:
                self.result.rests += 1
                self.result.ends.add(end_of(state))
                wrongs = self.checks.rest(state, self.moves.in_ten_years(state))
                if not self._told(wrongs, number, (*whats, NOTHING_MORE)):
                    self._arrived(path, -1)
                return
            whats.append(move.what)
            if move.answer.code >= REFUSED:
                refused.append(move.what)
            if self._told(self.checks.move(state, move), number, tuple(whats)):
                return
            state = move.after
        wrongs = self.checks.restless(self.within, refused)
        self._told(wrongs, number, tuple(whats[:40]))

    def _arrived(self, path: list[int], known: int) -> None:
        for count, key in enumerate(reversed(path), known + 1):
            self._good[key] = count
        self.result.longest = max(self.result.longest, known + len(path))

    def _told(
        self, wrongs: Iterable[Wrong], number: int, last: tuple[str, ...]
    ) -> bool:
        """Keep the first story of each law that is broken; tell if that ends it."""
        broken = self.result.broken
        for wrong in wrongs:
            if wrong.law not in broken:
                broken[wrong.law] = Found(wrong, (*self._story(number), *last))
            if self._is_over:
                return True
        return False

    def _story(self, number: int) -> tuple[str, ...]:
        story: list[str] = []
        while number > 0:
            story.append(self._whats[number])
            number = self._parents[number]
        return tuple(reversed(story))


_SAYS_EACH: Final = 10_000
