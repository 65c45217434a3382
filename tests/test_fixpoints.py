# SPDX-License-Identifier: Apache-2.0
"""P40: what a version left at rest, each later version leaves at rest.

``tests/fixpoints/VERSION.jsonl`` holds all that there is when a life has come to rest,
as that version made it. ``ACCEPT=1 pytest tests/test_fixpoints.py`` writes the file of
the version at hand anew. A file of a version before stays as it is: what a look would
plan on it would be done to every such job on the day of the upgrade.
"""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest

import mpijob
from mpijob.job import KIND
from mpijob_operator.observe import ALL_LIVE, observe
from mpijob_operator.simulation import script as scripts
from mpijob_operator.simulation.life import START, simulate
from tests.corpus_case import yaml
from tests.tools.source import ROOT

FOLDER: Final = Path(__file__).parent / "fixpoints"
OURS: Final = FOLDER / f"{metadata.version('mpijob')}.jsonl"
JOBS: Final = (
    "examples/01-pi",
    "examples/04-gang",
    "tests/corpus/field-all",
    "tests/corpus/field-clean-none",
)
LIVES: Final = {
    "running": "launcher runs forever",
    "suspended": "launcher runs forever\n10s after Running: suspend",
    "resumed": "launcher runs forever\n10s after Running: suspend\n"
    "10s after Suspended: resume",
    "scaled down": "launcher runs forever\n10s after Running: scale 1",
    "a worker evicted": "launcher runs forever\n10s after Running: evict worker 0",
    "succeeded": "launcher exits 0",
    "failed": "launcher exits 1 then 1",
}
# A while before anything that a job sets a time for, and after all else.
REST: Final = timedelta(minutes=10)


def two_workers(path: Path) -> dict[str, Any]:
    """Return the MPIJob of a file, with two workers."""
    job = yaml(path)
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 2
    return job


def rests() -> Iterator[dict[str, Any]]:
    """Yield what each life comes to, but where nothing is left."""
    for folder in JOBS:
        job = two_workers(ROOT / folder / "mpijob.yaml")
        for life, words in LIVES.items():
            script, errors = scripts.read(f"{words}\nuntil {REST.seconds}s")
            assert not errors
            objects = simulate(job, script).objects
            if objects:
                yield {"name": f"{folder}: {life}", "objects": objects}


def lines() -> str:
    """Return the file of this version."""
    return "".join(f"{json.dumps(rest, sort_keys=True)}\n" for rest in rests())


def test_this_version_has_its_file() -> None:
    if os.environ.get("ACCEPT"):
        FOLDER.mkdir(exist_ok=True)
        OURS.write_text(lines())
    told = f"ACCEPT=1 writes {OURS.name} anew; what differs is for the changelog"
    assert OURS.exists(), told
    assert OURS.read_text() == lines(), told


@pytest.mark.rule("B8.3")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.jsonl")), ids=lambda p: p.stem)
def test_what_a_version_left_at_rest_stays_at_rest(path: Path) -> None:
    """P40: no version plans anything for what one before has done with."""
    for line in path.read_text().splitlines():
        rest = json.loads(line)
        (held,) = (each for each in rest["objects"] if each["kind"] == KIND)
        job = mpijob.decode(held)
        seen = observe(rest["objects"], job, live=ALL_LIVE)
        answer = mpijob.reconcile(job, seen, mpijob.World(START + REST))
        assert not mpijob.plan(job, seen, answer), rest["name"]
