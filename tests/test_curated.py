# SPDX-License-Identifier: Apache-2.0
"""The curated mutants: each fits the code as it is, and some are tried.

``python -m tests.tools.curated`` tries them all; its page is `docs/mutants.md`.
"""

import subprocess
import sys

import pytest

from properties.curated.laws import home_of, sayings
from properties.curated.mutant import CLASSES, Mutant
from properties.curated.scenes import scene_of
from properties.curated.table import ALL
from properties.curated.upstream import UPSTREAM, Known
from properties.numbered import NUMBERED, Home
from tests.tools import proof
from tests.tools.curated import PAGE, SAMPLE
from tests.tools.source import ROOT

ENOUGH = 60


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.bug)
def test_a_mutant_fits_the_code(mutant: Mutant) -> None:
    compile(mutant.source, mutant.module, "exec")
    assert mutant.source != mutant.path.read_text("utf-8")
    assert mutant.asked, "name a law that must notice"


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.bug)
def test_whoever_is_asked_is_there(mutant: Mutant) -> None:
    for asked in mutant.asked:
        prefix, _, rest = asked.partition(": ")
        if prefix == "scene":
            name, _, number = rest.partition(" | ")
            assert scene_of(name).name == name
            assert not number or home_of(number)
        elif rest:
            assert asked in sayings(), f"no law of that name: {asked}"
        else:
            assert (ROOT / f"properties/test_{asked}.py").exists()


def page() -> str:
    return PAGE.read_text("utf-8")


def test_there_are_enough_of_every_class() -> None:
    assert len({mutant.bug for mutant in ALL}) == len(ALL) >= ENOUGH
    assert {number for mutant in ALL for number in mutant.classes} == set(CLASSES)


def test_the_page_tells_of_every_mutant_and_every_number() -> None:
    missing = [mutant.bug for mutant in ALL if f"| {mutant.bug} |" not in page()]
    assert not missing, "python -m tests.tools.curated tries these and tells of them"
    assert all(f"| {number} | {home_of(number)} |" in page() for number in NUMBERED)


@pytest.mark.parametrize("number", NUMBERED)
def test_each_numbered_law_notices_a_mutant_at_its_home(number: str) -> None:
    """A law that no bug breaks where it is at home is empty, or looks too seldom."""
    where = NUMBERED[number]
    if isinstance(where, Home) and where.file.startswith("tests/cluster/"):
        return  # No mutant is put into a real control plane.
    row = next(r for r in page().splitlines() if r.startswith(f"| {number} | "))
    assert int(row.split(" | ")[2]) > 0, row


def test_each_mutant_is_noticed_or_explained() -> None:
    assert not [row for row in page().splitlines() if " | nobody | " in row]


@pytest.mark.parametrize("known", UPSTREAM, ids=lambda known: known.what)
def test_each_mistake_of_upstream_is_put_in_and_found(known: Known) -> None:
    assert known.mutants, "put it into the code, too"
    assert {*known.mutants} <= {mutant.bug for mutant in ALL}
    assert {*known.safeguards} <= {*proof.BUG_NAMES}
    row = next(r for r in page().splitlines() if r.startswith(f"| {known.what} | "))
    assert " | nobody | " not in row


@pytest.mark.slow
def test_a_sample_is_noticed() -> None:
    assert {mutant.bug for mutant in ALL} >= set(SAMPLE)
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.curated", "--sample"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
