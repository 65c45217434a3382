# SPDX-License-Identifier: Apache-2.0
"""The in-memory cluster applies as Kubernetes's own code does (tests/smd).

Two of these need Go, and no server. `python -m tests.smd.compare --sequences 20000`
tells more stories; `python -m tests.smd.mutants` breaks the model to see that they
notice.
"""

import pytest

from mpijob_operator.simulation.typed import TABLE
from tests.smd import compare, table
from tests.smd.mutants import MUTANTS
from tests.smd.openapi import ROOT

STORIES = 1000


@pytest.mark.controlplane
def test_kubernetes_tells_every_story_as_the_model_does() -> None:
    tally = compare.Tally()
    with compare.judge() as judge:
        found = list(compare.run(judge, range(STORIES), tally))
    assert not found, str(found[0])
    for what in ("apply", "force", "update", "clear", "conflicts", "other refusals"):
        assert tally.seen[what], f"no story has one: {what}"


@pytest.mark.controlplane
def test_the_table_of_types_is_what_the_openapi_says() -> None:
    assert TABLE.read_text("utf-8") == table.wanted(), "python -m tests.smd.table"


def test_every_mutant_has_a_place_in_the_model() -> None:
    for mutant in MUTANTS:
        source = mutant.path(ROOT / "adapters").read_text("utf-8")
        assert source.count(mutant.text) == 1, mutant.bug
        assert mutant.text != mutant.instead
