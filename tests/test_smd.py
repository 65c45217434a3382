# SPDX-License-Identifier: Apache-2.0
"""The in-memory cluster applies as Kubernetes's own code does (tests/smd).

These need Go, and no server. `python -m tests.smd.compare --sequences 20000` tells more
stories, `python -m tests.smd.mutants` breaks the model to see that they notice.
"""

import pytest

from mpijob_operator.simulation.typed import TABLE
from tests.smd import compare, table

pytestmark = pytest.mark.controlplane

STORIES = 1000


def test_kubernetes_tells_every_story_as_the_model_does() -> None:
    tally = compare.Tally()
    with compare.judge() as judge:
        found = list(compare.run(judge, range(STORIES), tally))
    assert not found, str(found[0])
    for what in ("apply", "force", "update", "clear", "conflicts", "other refusals"):
        assert tally.seen[what], f"no story has one: {what}"


def test_the_table_of_types_is_what_the_openapi_says() -> None:
    assert TABLE.read_text("utf-8") == table.wanted(), "python -m tests.smd.table"
