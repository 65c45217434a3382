# SPDX-License-Identifier: Apache-2.0
"""One MPIJob, its cluster, its operator, and everyone who may touch them, at random.

The moves are those of the exhaustive search; chance goes deeper where the search goes
everywhere. A program that fails shrinks to a story. Each draws which faults there may
be in it, how many, and which caches lag: what is left out makes room for the rest.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, NoReturn

from attrs import evolve
from hypothesis import event, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from properties import tally
from properties.world import failures
from properties.world.canonical import Values
from properties.world.checks import Checks, Wrong
from properties.world.engine import SHIPPED
from properties.world.moves import Moves
from properties.world.operator import Looks
from properties.world.programs import Move
from properties.world.rare_scenes import EVERY
from properties.world.scene import REFUSING, USUAL, Scene
from properties.world.state import LAGGING, Left

WHICH = st.integers(0, 30)
# What is found out about an object is so in every program.
VALUES = Values()
SCENES: Final = EVERY[2:]
FAULTS: Final = sorted(USUAL | REFUSING)
POLICIES: Final[tuple[dict[str, int], ...]] = (
    {},
    {"activeDeadlineSeconds": 1000},
    {"activeDeadlineSeconds": 1000, "ttlSecondsAfterFinished": 60},
)
# How often each trouble came, in all programs of this process.
TROUBLES: Final = Counter[str]()


def _at_work(machine: "AnyProgram") -> bool:
    return machine.state.deed is not None


class AnyProgram(RuleBasedStateMachine):
    """Whatever happens, in whatever order: it is safe, and it arrives."""

    @initialize(
        scene=st.sampled_from(SCENES),
        faults=st.frozensets(st.sampled_from(FAULTS), min_size=1),
        lags=st.frozensets(st.sampled_from(LAGGING)),
        policy=st.sampled_from(POLICIES),
        left=st.builds(Left, st.integers(1, 4), *[st.integers(0, 3)] * 3),
    )
    def somebody_creates_a_job(
        self,
        scene: Scene,
        faults: frozenset[str],
        lags: frozenset[tuple[str, str]],
        policy: dict[str, int],
        left: Left,
    ) -> None:
        policy = {**policy, **scene.run_policy}
        drawn = evolve(scene, faults=faults, lags=lags, left=left)
        scene = evolve(drawn, run_policy=policy)
        looks = Looks(scene.set_up(SHIPPED), VALUES, lags)
        self.moves, self.checks = Moves(scene, looks), Checks(VALUES, scene)
        self.state, self.lines = scene.beginning(), list[str]()

    def _goes_on(self, which: int, *who: str) -> None:
        self._one_of(which, lambda m: m.what.startswith(who) and not _is_trouble(m))

    def _one_of(self, which: int, wanted: Callable[[Move], bool]) -> bool:
        moves = [move for move in self.moves.every(self.state) if wanted(move)]
        if moves:
            self._happens(moves[which % len(moves)])
        return bool(moves)

    def _happens(self, move: Move) -> None:
        note(move.what)
        self.lines.append(move.what)
        for wrong in self.checks.move(self.state, move):
            self._fails(wrong)
        self.state = move.after

    def _fails(self, wrong: Wrong) -> NoReturn:
        # It began when the job was created, whatever its scene.
        scene = evolve(self.moves.scene, runs=False)
        note(failures.words(failures.kept(scene, self.lines, name="program")))
        del self.state  # It is over.
        raise AssertionError(f"{wrong.law}: {wrong.how}")

    @rule(which=WHICH)
    def operator_looks_or_sends(self, which: int) -> None:
        self._goes_on(which, "operator")

    @precondition(_at_work)
    @rule(count=st.integers(1, 12))
    def operator_goes_on_for_a_while(self, count: int) -> None:
        for _ in range(count):
            if self.state.deed is not None:
                self.operator_looks_or_sends(0)

    @rule(choices=st.lists(WHICH, min_size=1, max_size=20))
    def anything_happens(self, choices: list[int]) -> None:
        for which in choices:
            self._one_of(which, lambda _: True)

    @rule(which=WHICH)
    def the_cluster_does_something(self, which: int) -> None:
        self._goes_on(which, "Job controller", "garbage collector")

    @rule(which=WHICH)
    def a_pod_goes_on(self, which: int) -> None:
        self._goes_on(which, "pod")

    @rule(which=WHICH)
    def a_user_does_something(self, which: int) -> None:
        self._goes_on(which, "user")

    @rule(which=WHICH, patience=st.integers(0, 9))
    def trouble_comes(self, which: int, patience: int) -> None:
        self._after_a_while(which, patience, _is_trouble)

    @rule(patience=st.integers(0, 9))
    def time_passes(self, patience: int) -> None:
        self._after_a_while(0, patience, lambda move: move.trouble == "time")

    def _after_a_while(
        self, which: int, patience: int, wanted: Callable[[Move], bool]
    ) -> None:
        """Let all go on until something can happen, then let it happen."""
        while not self._one_of(which, wanted) and patience:
            move, patience = self.moves.soon(self.state), patience - 1
            if move is None:
                return
            self._happens(move)

    @rule(count=st.integers(1, 30))
    def everything_goes_on_for_a_while(self, count: int) -> None:
        for _ in range(count):
            if (move := self.moves.fair(self.state)) is not None:
                self._happens(move)

    def teardown(self) -> None:
        """Let it come to rest without more trouble, and look at what is there."""
        if not hasattr(self, "state"):
            return
        # Twice what the search asks for: more may be under way.
        for _ in range(2 * self.moves.scene.arrives_within):
            move = self.moves.fair(self.state)
            if move is None:
                break
            self._happens(move)
        else:
            self._fails(Wrong("P28 it arrives: and rests", "it comes to no rest"))
        for wrong in self.checks.rest(self.state, self.moves.in_ten_years(self.state)):
            self._fails(wrong)
        for law in self.checks.sometimes:
            event(law)
        tally.keep(
            examples=1, transitions=len(self.lines), stakes=self.checks.sometimes
        )
        TROUBLES.update(self.checks.troubles)


def _is_trouble(move: Move) -> bool:
    return move.trouble in FAULTS or "lands" in move.what


TestAnyProgram = AnyProgram.TestCase


# Of each some must have come in some dozen programs; in hundreds, nearly every one.
KINDS: Final = ({"crash"}, {"silence", "delay"}, REFUSING, {"lag"}, {"time"})


def test_every_fault_came_in_some_program() -> None:
    """No fault that is to be borne is left out of every program."""
    if not TROUBLES:
        run_state_machine_as_test(AnyProgram)
    if settings().max_examples >= 500:
        # Seldom is anything read live, and that fails: docs/proof.md counts it.
        often = {*FAULTS, "lag", "time"} - {"unreadable"}
        assert TROUBLES.keys() >= often, TROUBLES
    assert all(TROUBLES.keys() & kind for kind in KINDS), TROUBLES
