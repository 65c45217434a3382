# SPDX-License-Identifier: Apache-2.0
"""How a law is written: any input, one known truth, and proof that it was at stake.

A law that says "whenever A, then B" is empty where A never holds. So a law names what
must happen now and then among the inputs, calls `sometimes` where it does, and fails
when a whole run went by without it.
"""

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from hypothesis import event, given, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

from properties import tally

# Fewer tries than this (`make mutants`) may miss what is only frequent.
_ENOUGH_TRIES: Final = 100
# A machine takes a hundred steps a run where others take one.
MACHINE_RUNS: Final = 200
# What one run missed has so many more, each of other inputs, to happen.
_MORE_RUNS: Final = 9

_SEEN: Final[Counter[str]] = Counter()
# How many inputs there were; a machine notes its runs by itself.
_TRIES: Final[Counter[str]] = Counter()


def sometimes(what: str, *, when: bool = True) -> bool:
    """Note that something happened in this try, and say whether it did."""
    if when:
        _SEEN[what] += 1
        event(what)  # For `pytest --hypothesis-show-statistics`.
    return when


def one_more() -> None:
    """Note one more input: for a machine, whose runs only it can count."""
    _TRIES["inputs"] += 1


def law(
    *inputs: SearchStrategy[object], often: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Try a law on these inputs; what is `often` must happen at least once."""

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        @functools.wraps(check)
        def counted(**drawn: Any) -> None:  # noqa: ANN401 - What the law asks for.
            one_more()
            check(**drawn)

        def again(run: int) -> None:
            seed(run)(given(*inputs)(counted))()

        return _as_test(check, given(*inputs)(counted), again, often)

    return decorate


def machine_law(
    machine: type[RuleBasedStateMachine], often: tuple[str, ...] = ()
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Try a law that a machine checks as it goes; what is `often` is as for `law`."""

    def decorate(check: Callable[[], None]) -> Callable[[], None]:
        def tried() -> None:
            usual = settings()  # Of the profile.
            runs = min(usual.max_examples, MACHINE_RUNS)
            limits = settings(usual, max_examples=runs)
            run_state_machine_as_test(machine, settings=limits)

        def again(run: int) -> None:
            # A machine draws at random; told to repeat itself, it does.
            del run
            tried()

        return _as_test(check, tried, again, often)

    return decorate


def _as_test(
    check: Callable[..., None],
    tried: Callable[[], None],
    again: Callable[[int], None],
    often: tuple[str, ...],
) -> Callable[[], None]:
    def never() -> list[str]:
        return [what for what in often if not _SEEN[what]]

    def test() -> None:
        _SEEN.clear()
        _TRIES.clear()
        tried()
        if settings().max_examples < _ENOUGH_TRIES:
            return
        for run in range(_MORE_RUNS):
            if never():
                again(run)
        tally.keep(examples=_TRIES["inputs"], stakes=_SEEN)
        assert not never(), f"this law is empty: never {never()}"

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    test.__module__ = check.__module__
    return test
