# SPDX-License-Identifier: Apache-2.0
"""Search the scenes, put the bugs in, and write down what came of it.

``python -m tests.tools.proof`` searches and writes ``docs/proof.md``; ``--states N``
says how many moments of each wide scene, ``--only whole|wide|timed|bugs`` which part,
``--workers N`` how many processes. What was measured is kept in ``build/proof``, so
that parts can be done one by one.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from statistics import median
from typing import Any, Final

from attrs import frozen

from properties.world import failures
from properties.world.bugs import BUGS
from properties.world.rare_scenes import SCENES
from properties.world.search import Result, Search
from tests.tools import source

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/proof.md"
KEPT: Final = ROOT / "build/proof"

# What the page promises of the widest three scenes.
STATES_WIDE: Final = 300_000
STATES_OTHER: Final = 25_000
STATES_WHOLE: Final = 2_000_000
STATES_BUG: Final = 150_000
# The scenes with two workers, which the proof is measured by.
WIDEST: Final = 3


def measured(result: Result) -> dict[str, Any]:
    """Return what is kept of a search."""
    found = result.found
    return {
        "name": result.scene.name,
        "states": result.states,
        "transitions": result.transitions,
        "rests": result.rests,
        "longest": result.longest,
        "depth": result.depth,
        "exhausted": result.exhausted,
        "sometimes": result.sometimes,
        "troubles": result.troubles,
        "law": found.wrong.law if found else "",
        "how": found.wrong.how if found else "",
        "story": list(found.story) if found else [],
    }


def keep(part: str, name: str, what: Mapping[str, Any]) -> None:
    """Write down what a search came to."""
    folder = KEPT / part
    folder.mkdir(parents=True, exist_ok=True)
    file = "-".join(name.replace(",", "").split())
    (folder / f"{file}.json").write_text(json.dumps(what, indent=1))
    says = f"{what['states']:,} moments, {what['seconds']} s"
    print(f"{part}: {name}: {says}; {what['law'] or 'no law broken'}", flush=True)


def kept(part: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what was written down, in the order of the names."""
    for name in names:
        path = KEPT / part / f"{'-'.join(name.replace(',', '').split())}.json"
        if path.exists():
            yield {**json.loads(path.read_text()), "name": name}


PARTS: Final = (*SCENES, "bugs")
BUG_NAMES: Final = tuple(bug.name for bug in BUGS)


def kept_of_scenes() -> Iterator[dict[str, Any]]:
    """Yield what was written down of every scene, in their order."""
    for part in ("whole", "wide", "timed"):
        yield from kept(part, [scene.name for scene in SCENES[part]])


@frozen
class Task:
    """One search: a scene as shipped, or an operator without a safeguard."""

    part: str
    number: int
    states: int

    @property
    def name(self) -> str:
        """What it is kept by."""
        if self.part == "bugs":
            return BUGS[self.number].name
        return SCENES[self.part][self.number].name

    def search(self) -> dict[str, Any]:
        """Search, and tell what came of it, in seconds of this process alone."""
        began = time.process_time()
        if self.part == "bugs":
            bug = BUGS[self.number]
            result = Search(bug.scene, bug.engine).run(self.states)
        else:
            scene = SCENES[self.part][self.number]
            result = Search(scene).run(self.states)
            if result.found is not None:
                print(failures.told(scene, result.found))
        seconds = round(time.process_time() - began, 1)
        return {**measured(result), "scene": result.scene.name, "seconds": seconds}

    def is_good(self, result: Mapping[str, Any]) -> bool:
        """Tell whether no law was broken, or one was that had to be."""
        return bool(result["law"]) == (self.part == "bugs")


def tasks(parts: Sequence[str], states: int) -> Iterator[Task]:
    """Yield every search of some parts, the longest first."""
    for part in parts:
        if part == "bugs":
            yield from (Task(part, n, STATES_BUG) for n in range(len(BUGS)))
            continue
        for number in range(len(SCENES[part])):
            most = STATES_WHOLE if part == "whole" else min(STATES_OTHER, states)
            if part == "wide" and number < WIDEST:
                most = states
            yield Task(part, number, most)


def search(parts: Sequence[str], states: int, workers: int) -> bool:
    """Search side by side; tell whether each search came to what it should."""
    good = True
    # A search needs memory of its own: no process makes two.
    with ProcessPoolExecutor(workers, max_tasks_per_child=1) as pool:
        under_way = {pool.submit(task.search): task for task in tasks(parts, states)}
        for done in as_completed(under_way):
            task, result = under_way[done], done.result()
            keep(task.part, task.name, result)
            good = good and task.is_good(result)
    return good


# --- The page -------------------------------------------------------------------------


def page() -> Iterator[str]:
    """Yield the lines of the measured part of the page."""
    scenes = [*kept_of_scenes()]
    yield "### As shipped"
    yield ""
    yield (
        "| scene | moments | moves | of them at rest | deepest | longest way to rest | "
        "per second | seen whole | laws broken |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for each in scenes:
        pace = each["states"] / max(each["seconds"], 0.1)
        cells = (
            each["name"],
            f"{each['states']:,}",
            f"{each['transitions']:,}",
            f"{each['rests']:,}",
            f"{each['depth']} moves",
            f"{each['longest']} moves",
            f"{pace:,.0f}",
            "yes" if each["exhausted"] else "no",
            each["law"] or "none",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "### How often each law was at stake"
    yield ""
    yield "| law | times | in scenes |"
    yield "| --- | --- | --- |"
    times, where = Counter[str](), Counter[str]()
    for each in scenes:
        at_stake = {law: n for law, n in each["sometimes"].items() if n}
        times.update(at_stake)
        where.update(at_stake.keys())
    for law, count in sorted(times.items()):
        yield f"| {law} | {count:,} | {where[law]} |"
    yield ""
    yield from _troubles(scenes)
    yield ""
    yield from _bugs()


def _troubles(scenes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "### How often each trouble came"
    yield ""
    yield "| trouble | times |"
    yield "| --- | --- |"
    times = Counter[str]()
    for each in scenes:
        times.update(each.get("troubles", {}))
    for trouble, words in TROUBLES.items():
        yield f"| {words} | {times[trouble]:,} |"


TROUBLES: Final[Mapping[str, str]] = {
    "lag": "a look while a cache has not been told everything",
    "crash": "the operator dies between two requests, or side by side with some",
    "silence": "a request is done, and no answer comes",
    "delay": "a request is under way, no answer comes, and it may land later",
    "unreadable": "a live read fails",
    "conflict": "a good request is answered 409",
    "quota": "a good request is answered 403",
    "invalid": "a good request is answered 422",
    "throttled": "a good request is answered 429",
    "stranger": "a good request is answered 401",
    "time": "a timer of the operator is over before anything else happens",
}


def _bugs() -> Iterator[str]:
    found = [*kept("bugs", [bug.name for bug in BUGS])]
    yield "### Without its safeguards"
    yield ""
    yield "| the operator that ... | breaks | moves | moments | seconds |"
    yield "| --- | --- | --- | --- | --- |"
    for each in found:
        yield (
            f"| {each['name']} | {each['law'] or 'nothing found'} | "
            f"{len(each['story'])} | {each['states']:,} | {each['seconds']} |"
        )
    if found:
        middle = median(each["seconds"] for each in found)
        yield ""
        yield f"Half of them are found in under {max(middle, 0.1):.1f} s."
    for each in found:
        yield ""
        yield f"**It {each['name']}** ({each['scene']}). {each['how']}:"
        yield ""
        yield "```text"
        yield from each["story"]
        yield "```"


def main(words: Sequence[str]) -> int:
    """Search, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=STATES_WIDE)
    parser.add_argument("--only", choices=(*PARTS, "page"))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(words)
    parts = PARTS if given.only is None else [p for p in PARTS if p == given.only]
    good = search(parts, given.states, given.workers)
    source.rewrite(PAGE, "measured", "\n".join(page()))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
