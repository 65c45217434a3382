# SPDX-License-Identifier: Apache-2.0
"""A story that the search told, lived again: what went wrong once is to end well.

A line is a move as the search tells it. After the last line everything goes on without
trouble until it rests.
"""

from collections.abc import Sequence

from attrs import evolve

from mpijob_operator.controller.controller import Look
from mpijob_operator.executor import Answer, Call
from properties.world.canonical import Values
from properties.world.checks import Checks
from properties.world.engine import SHIPPED, Engine
from properties.world.moves import Moves
from properties.world.operator import Looks
from properties.world.programs import Move
from properties.world.scene import Scene
from properties.world.search import NOTHING_MORE
from properties.world.sending import DONE, told
from properties.world.state import Left, State


class StoryEndsError(Exception):
    """There is no such move: the operator, or the cluster, does something else."""


class Story:
    """A scene, moved on line by line."""

    def __init__(self, scene: Scene, engine: Engine = SHIPPED) -> None:
        values = Values()
        self.checks = Checks(values, scene)
        self.moves = Moves(scene, Looks(scene.set_up(engine), values, scene.lags))
        self.state = scene.beginning()
        self.looks = list[Look]()  # Those that led to a plan.
        if scene.runs:
            left, self.state = self.state.left, _calm(self.state)
            while (move := self.moves.soon(self.state)) is not None:
                self.state = move.after
            self.state = evolve(self.state, left=left)

    def lives(self, lines: Sequence[str]) -> str:
        """Live a story and what follows; return the law that it breaks, or nothing."""
        for line in lines:
            if wrong := self.goes_on(line):
                return wrong
        return self.rests()

    def goes_on(self, line: str) -> str:
        """Make one move; return the law that it breaks, or nothing.

        Raises:
            StoryEndsError: There is no such move.
        """
        if line == NOTHING_MORE:
            return self.rests()
        calm = self.moves.fair(self.state)
        ways = [*self.moves.every(self.state), *([calm] if calm else [])]
        move = next((way for way in ways if way.what == line), None)
        if move is None:
            raise StoryEndsError(line)
        return self._happens(move)

    def _happens(self, move: Move) -> str:
        wrongs = [*self.checks.move(self.state, move)]
        if look := self.moves.looks.taken(self.state, move.after):
            self.looks.append(look)
        for call, answer in move.heard:
            self.looks[-1] = _heard(self.looks[-1], call, answer)
        self.state = move.after
        return "; ".join(f"{wrong.law}: {wrong.how}" for wrong in wrongs)

    def rests(self) -> str:
        """Let it come to rest without more trouble; return the law that it breaks."""
        for _ in range(self.moves.scene.arrives_within):
            move = self.moves.fair(self.state)
            if move is None:
                late = self.moves.in_ten_years(self.state)
                wrongs = self.checks.rest(self.state, late)
                return "; ".join(f"{wrong.law}: {wrong.how}" for wrong in wrongs)
            if wrong := self._happens(move):
                return wrong
        return "it comes to no rest"


def _heard(look: Look, call: Call, answer: Answer) -> Look:
    """Return a look with an answer, and with the Events that are told then."""
    execution, events = told(look.execution.answered(call.number, answer))
    after = ((call.action, answer), *((event, DONE) for event in events))
    return evolve(look, execution=execution, answers=(*look.answers, *after))


def _calm(state: State) -> State:
    return evolve(state, left=Left(0, 0, 0))
