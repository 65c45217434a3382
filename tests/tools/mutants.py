# SPDX-License-Identifier: Apache-2.0
"""Break the modules that decide, one mutant at a time; the quick tests must notice.

``python -m tests.tools.mutants [MODULE ...]`` tries all, or the modules named. No file
is touched: each mutant lives in a process of its own, which imports it in place of the
module. First the module's own tests are run, then every quick test. A mutant that no
test notices is a failure, unless ``tests/equivalent_mutants.toml`` says why it is none.
"""

import argparse
import os
import re
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import hypothesis
import pytest
from attrs import frozen

from tests.tools.importing import InPlaceOf, silence
from tests.tools.mutation import Mutant, mutants, unbroken

ROOT: Final = Path(__file__).parents[2]
EQUIVALENT: Final = ROOT / "tests/equivalent_mutants.toml"
DECIDING: Final = (
    "stage",
    "lifetimes",
    "conditions",
    "counts",
    "reconcile",
    "plan",
    "hostfile",
    "names",
)
# A mutant may loop. The longest quick run takes a third of this on a slow machine.
PATIENCE_S: Final = 400
PARALLEL: Final = min(2, os.cpu_count() or 1)
# What the tests import anyway, and no mutant touches: once, not once a mutant.
PRELOADED: Final = (hypothesis, pytest)
IMPORTS_US: Final = re.compile(r"^(?:from|import) mpijob\b", re.MULTILINE)
SURVIVED: Final = 0
# The house rules read the code as text, which a mutant leaves alone.
UNCONCERNED: Final = ("test_tidy.py",)


@frozen
class Case:
    """One mutant of one module."""

    module: str
    mutant: Mutant

    @property
    def key(self) -> tuple[str, str, str]:
        """Name the mutant by its words, which outlive its line number."""
        return self.module, self.mutant.before, self.mutant.after

    def __str__(self) -> str:
        mutant = self.mutant
        place = f"{path_of(self.module).relative_to(ROOT)}:{mutant.line}"
        return f"{place}: {mutant.kind}\n  - {mutant.before}\n  + {mutant.after}"


def path_of(module: str) -> Path:
    """Say where a module of the core is."""
    return ROOT / f"core/mpijob/{module}.py"


def in_place_of(case: Case) -> InPlaceOf:
    """Give what imports a mutant where its module is asked for."""
    name = f"mpijob.{case.module.replace('/', '.')}"
    return InPlaceOf(name, path_of(case.module), case.mutant.source)


def quick_tests() -> Sequence[Path]:
    """Give the tests that import the core itself."""
    return [
        path
        for folder in ("tests", "properties")
        for path in sorted((ROOT / folder).glob("test_*.py"))
        if IMPORTS_US.search(path.read_text()) and path.name not in UNCONCERNED
    ]


def tried(case: Case) -> int:
    """Run the tests against a mutant, in this process; return pytest's code."""
    sys.meta_path.insert(0, in_place_of(case))
    own = [p for p in quick_tests() if case.module.split("/")[-1] in p.stem]
    rest = [path for path in quick_tests() if path not in own]
    for paths in (own, rest):
        marks = ["-m", "not slow and not controlplane and not mpi"]
        # Nobody reads these failures, so asserts need no explaining.
        flags = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *marks]
        code = int(pytest.main([*flags, *map(str, paths)])) if paths else 0
        # 5: this module has no quick test of its own.
        if code not in {SURVIVED, int(pytest.ExitCode.NO_TESTS_COLLECTED)}:
            return code
    return SURVIVED


def start(case: Case) -> int:
    """Fork a process that tries a mutant in silence; return its id."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        signal.alarm(PATIENCE_S)
        silence()
        code = tried(case)
    finally:
        os._exit(code)


def survivors(cases: Sequence[Case]) -> Iterator[Case]:
    """Try all, a few at a time, and give those that no test noticed."""
    waiting, running = list(reversed(cases)), dict[int, Case]()
    done, began = 0, time.monotonic()
    while waiting or running:
        while waiting and len(running) < PARALLEL:
            case = waiting.pop()
            running[start(case)] = case
        child, status = os.wait()
        case = running.pop(child)
        done += 1
        if status == SURVIVED:
            yield case
        if done % 100 == 0:
            spent = time.monotonic() - began
            print(f"{done} of {len(cases)}, {spent:.0f} s", file=sys.stderr)


def reasons() -> dict[tuple[str, str, str], str]:
    """Read which mutants are no change at all, and why."""
    if not EQUIVALENT.exists():
        return {}
    listed = tomllib.loads(EQUIVALENT.read_text()).get("equivalent", [])
    return {(e["module"], e["before"], e["after"]): e["reason"] for e in listed}


def main() -> int:
    """Try the modules that are named, or all that decide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", default=DECIDING)
    modules: Sequence[str] = parser.parse_args().modules
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    assert "mpijob" not in sys.modules, "the parent must not have the core loaded"
    cases = [
        Case(module, mutant)
        for module in modules
        for mutant in mutants(path_of(module).read_text())
    ]
    whole = [Case(m, unbroken(path_of(m).read_text())) for m in modules]
    if len(list(survivors(whole))) < len(whole):
        print("error: the quick tests fail on the code as it is", file=sys.stderr)
        return 2
    known = reasons()
    survived = list(survivors(cases))
    new = [case for case in survived if case.key not in known]
    for case in new:
        print(f"survived: {case}")
    stale = {k for k in known if k[0] in modules} - {case.key for case in survived}
    for module, before, after in sorted(stale):
        print(f"no longer a survivor: {module}: {before} -> {after}")
    print(
        f"\n{len(cases)} mutants of {len(modules)} modules: "
        f"{len(cases) - len(survived)} noticed, "
        f"{len(survived) - len(new)} equivalent, {len(new)} survived"
    )
    return 1 if new or stale else 0


if __name__ == "__main__":
    sys.exit(main())
