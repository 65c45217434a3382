# SPDX-License-Identifier: Apache-2.0
"""A story that the search told, lived again: what went wrong once is to end well.

A line is a move as the search tells it. After the last line everything goes on without
trouble until it rests.
"""

from collections.abc import Sequence

from attrs import evolve

from properties.world.canonical import Values
from properties.world.checks import Checks
from properties.world.moves import Moves
from properties.world.operator import SHIPPED, Engine, Looks
from properties.world.programs import Move
from properties.world.scene import Scene
from properties.world.search import ARRIVES_WITHIN
from properties.world.state import Left, State


class StoryEndsError(Exception):
    """There is no such move: the operator, or the cluster, does something else."""


class Story:
    """A scene, moved on line by line."""

    def __init__(self, scene: Scene, engine: Engine = SHIPPED) -> None:
        values = Values()
        self.checks = Checks(values)
        self.moves = Moves(scene, Looks(engine, values, scene.lags))
        self.state = scene.beginning()
        if scene.runs:
            left, self.state = self.state.left, _calm(self.state)
            while (move := self.moves.soon(self.state)) is not None:
                self.state = move.after
            self.state = evolve(self.state, left=left)

    def lives(self, lines: Sequence[str]) -> str:
        """Live a story and what follows; return the law that it breaks, or nothing."""
        for line in lines:
            calm = self.moves.fair(self.state)
            ways = [*self.moves.every(self.state), *([calm] if calm else [])]
            move = next((way for way in ways if way.what == line), None)
            if move is None:
                raise StoryEndsError(line)
            if wrong := self._happens(move):
                return wrong
        return self._rests()

    def _happens(self, move: Move) -> str:
        wrongs = [*self.checks.move(self.state, move)]
        self.state = move.after
        return "; ".join(f"{wrong.law}: {wrong.how}" for wrong in wrongs)

    def _rests(self) -> str:
        for _ in range(ARRIVES_WITHIN):
            move = self.moves.fair(self.state)
            if move is None:
                late = self.moves.in_ten_years(self.state)
                wrongs = self.checks.rest(self.state, late)
                return "; ".join(f"{wrong.law}: {wrong.how}" for wrong in wrongs)
            if wrong := self._happens(move):
                return wrong
        return "it comes to no rest"


def _calm(state: State) -> State:
    return evolve(state, left=Left(0, 0, 0))
