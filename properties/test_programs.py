# SPDX-License-Identifier: Apache-2.0
"""One MPIJob, its cluster, its operator, and everyone who may touch them, at random.

The moves are those of the exhaustive search; chance goes deeper where the search goes
everywhere. A program that fails shrinks to a story.
"""

from collections.abc import Callable

from hypothesis import event, note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from properties.world.canonical import Values
from properties.world.checks import Checks
from properties.world.moves import Moves
from properties.world.operator import SHIPPED, Looks
from properties.world.programs import Move
from properties.world.scene import WHOLE, WIDE, Scene
from properties.world.search import ARRIVES_WITHIN

WHICH = st.integers(0, 30)
# What is found out about an object is so in every program.
VALUES = Values()


def _at_work(machine: "AnyProgram") -> bool:
    return machine.state.deed is not None


class AnyProgram(RuleBasedStateMachine):
    """Whatever happens, in whatever order: it is safe, and it arrives."""

    @initialize(scene=st.sampled_from((*WHOLE[2:], *WIDE)))
    def somebody_creates_a_job(self, scene: Scene) -> None:
        looks = Looks(SHIPPED, VALUES)
        self.moves, self.checks = Moves(scene, looks), Checks(VALUES)
        self.state = scene.beginning()

    def _moves(self, wanted: Callable[[str], bool]) -> list[Move]:
        return [m for m in self.moves.every(self.state) if wanted(m.what)]

    def _goes_on(self, which: int, *who: str) -> None:
        moves = self._moves(lambda what: what.startswith(who))
        if moves:
            self._happens(moves[which % len(moves)])

    def _happens(self, move: Move) -> None:
        note(move.what)
        for wrong in self.checks.move(self.state, move):
            raise AssertionError(f"{wrong.law}: {wrong.how}")
        self.state = move.after

    @rule(which=WHICH)
    def operator_looks_or_sends(self, which: int) -> None:
        moves = self._moves(_is_ordinary)
        if moves:
            self._happens(moves[which % len(moves)])

    @precondition(_at_work)
    @rule(count=st.integers(1, 12))
    def operator_goes_on_for_a_while(self, count: int) -> None:
        for _ in range(count):
            if self.state.deed is not None:
                self.operator_looks_or_sends(0)

    @rule(which=WHICH)
    def the_cluster_does_something(self, which: int) -> None:
        self._goes_on(which, "Job controller", "garbage collector")

    @rule(which=WHICH)
    def a_pod_goes_on(self, which: int) -> None:
        self._goes_on(which, "pod")

    @rule(which=WHICH)
    def a_user_does_something(self, which: int) -> None:
        self._goes_on(which, "user")

    @rule(which=WHICH)
    def trouble_comes(self, which: int) -> None:
        moves = self._moves(_is_trouble)
        if moves:
            self._happens(moves[which % len(moves)])

    @rule(count=st.integers(1, 30))
    def everything_goes_on_for_a_while(self, count: int) -> None:
        for _ in range(count):
            if (move := self.moves.fair(self.state)) is not None:
                self._happens(move)

    def teardown(self) -> None:
        """Let it come to rest without more trouble, and look at what is there."""
        if not hasattr(self, "state"):
            return
        for _ in range(ARRIVES_WITHIN):
            move = self.moves.fair(self.state)
            if move is None:
                break
            self._happens(move)
        else:
            raise AssertionError("it comes to no rest")
        for wrong in self.checks.rest(self.state):
            raise AssertionError(f"{wrong.law}: {wrong.how}")
        for law in self.checks.sometimes:
            event(law)


def _is_trouble(what: str) -> bool:
    return "crashes" in what or "hears nothing" in what or "lands" in what


def _is_ordinary(what: str) -> bool:
    return what.startswith("operator") and not _is_trouble(what)


TestAnyProgram = AnyProgram.TestCase
