# SPDX-License-Identifier: Apache-2.0
"""Play random programs on the real control plane and in memory, and compare.

``python -m tests.traces --programs 100 --seed 1`` starts a control plane, plays, and
prints each disagreement with its story.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from attrs import frozen

from tests.controlplane.harness import ControlPlane, programs
from tests.controlplane.nodes import Nodes
from tests.traces import recorded
from tests.traces.inclusion import explained
from tests.traces.mutants import MUTANTS, killers
from tests.traces.outcome import Outcome
from tests.traces.play import Player
from tests.traces.programs import Program, drawn, read
from tests.traces.recorder import Recorder

NUMBERS: Final = count(1)
# Programs that are played side by side: most of the time each waits.
PLAYERS: Final = 24


@frozen
class Theatre:
    """A namespace with its recorder."""

    plane: ControlPlane
    nodes: Nodes
    recorder: Recorder

    def played(
        self, found: Iterable[Program], players: int = PLAYERS
    ) -> Iterator[Outcome]:
        """Play programs side by side; yield what became of each, in their order."""
        with ThreadPoolExecutor(players) as pool:
            yield from pool.map(self._play, found)

    def _play(self, program: Program) -> Outcome:
        name = f"p{next(NUMBERS)}"
        parts = self.plane, self.nodes, self.recorder
        return Player(*parts, program, name).play()


@contextmanager
def theatre(plane: ControlPlane, nodes: Nodes, namespace: str) -> Generator[Theatre]:
    """Make a namespace, and watch it."""
    body = {"metadata": {"name": namespace}}
    with contextlib.closing(plane.client()) as client:
        client.create("/api/v1/namespaces", body).expect(201)
    recorder = Recorder(plane, namespace)
    recorder.start()
    try:
        yield Theatre(plane, nodes, recorder)
    finally:
        recorder.stop()
        # Another connection: one that is idle for a minute and a half is hung up.
        with contextlib.closing(plane.client()) as client:
            client.delete(f"/api/v1/namespaces/{namespace}")


def gates_of(version: Path) -> dict[str, str]:
    """Return the flag by which an older Kubernetes suspends a Job as a newer one does.

    The model forgets startTime then, and a template may be edited however often a Job
    ran: KEP-5440, on by itself since 1.36.
    """
    _, minor, _ = version.name.split(".")
    gate = "MutableSchedulingDirectivesForSuspendedJobs=true"
    return {"feature-gates": gate} if int(minor) < _ON_SINCE else {}


_ON_SINCE: Final = 36


@contextmanager
def control_plane() -> Generator[tuple[ControlPlane, Nodes]]:
    """Start a control plane with controllers and nodes of one's own."""
    with tempfile.TemporaryDirectory() as folder:
        gates = gates_of(programs())
        plane = ControlPlane(programs(), Path(folder), flags=gates)
        nodes: Nodes | None = None
        try:
            plane.start()
            plane.start_controllers(gates)
            nodes = Nodes(plane.kubeconfig())
            nodes.start()
            yield plane, nodes
        finally:
            if nodes is not None:
                nodes.stop()
            plane.stop()


def told(margin: str, *lines: str) -> None:
    """Print lines."""
    sys.stdout.write("".join(f"{margin}{line}\n" for line in lines))


def main() -> int:
    """Play, print, and return how many disagreed."""
    parser = argparse.ArgumentParser(description="hold the model against the real")
    parser.add_argument("--programs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--races", action="store_true", help="do not wait for rest")
    parser.add_argument("--keep", action="store_true", help="write recorded.jsonl")
    parser.add_argument("--mutants", action="store_true", help="judge mistakes by it")
    parser.add_argument("--program", action="append", help="play this, as written")
    words = parser.parse_args()
    if words.mutants:
        return survivors()
    chance = Random(words.seed)  # noqa: S311 - to be the same in every run.
    chosen = [read(text) for text in words.program or ()]
    if not chosen:
        chosen = [drawn(chance, races=words.races) for _ in range(words.programs)]
    ways, wrong, began = Counter[str](), 0, time.monotonic()
    kept: list[Outcome] = []
    with control_plane() as (plane, nodes), theatre(plane, nodes, "traces") as stage:
        began = time.monotonic()
        for outcome in stage.played(chosen):
            verdict = explained(outcome)
            ways += verdict.ways
            kept.append(outcome)
            if outcome.differences or verdict.story:
                wrong += 1
                told("", str(outcome.program))
                told("    ", *outcome.differences)
                told("", verdict.story)
    seconds = time.monotonic() - began
    told("", f"{len(chosen)} programs in {seconds:.0f} s, {wrong} disagree")
    told("    ", *(f"{number} writes: {way}" for way, number in ways.most_common()))
    if words.keep and not wrong:
        recorded.write(kept)
    return min(wrong, 1)


def survivors() -> int:
    """Print which recorded log tells each mistake; return whether one is not told."""
    logs, survived = [*recorded.outcomes()], 0
    for mutant in MUTANTS:
        number = next(iter(killers(mutant, logs)), None)
        survived += number is None
        fate = "survived" if number is None else f"killed by program {number}"
        told("", f"{mutant.mistake}: {fate}")
    return min(survived, 1)


if __name__ == "__main__":
    sys.exit(main())
