# SPDX-License-Identifier: Apache-2.0
"""Search the scenes, put the bugs in, and write down what came of it.

``python -m tests.tools.proof`` searches and writes ``docs/proof.md``; ``--states N``
says how many moments of each wide scene, ``--only whole|wide|bugs`` which part. What
was measured is kept in ``build/proof``, so that parts can be done one by one.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from properties.world.bugs import BUGS
from properties.world.scene import WHOLE, WIDE, Scene
from properties.world.search import Result, Search
from tests.tools import source

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/proof.md"
KEPT: Final = ROOT / "build/proof"

# What the page promises of the widest three scenes.
STATES_WIDE: Final = 300_000
STATES_OTHER: Final = 60_000
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
        "seconds": round(result.seconds, 1),
        "exhausted": result.exhausted,
        "sometimes": result.sometimes,
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


def search_scenes(part: str, scenes: Sequence[Scene], states: Sequence[int]) -> bool:
    """Search as shipped; tell whether no law was broken."""
    good = True
    for scene, most in zip(scenes, states, strict=True):
        result = measured(Search(scene).run(most))
        keep(part, scene.name, result)
        good = good and not result["law"]
    return good


def search_bugs() -> bool:
    """Search without each safeguard; tell whether each was missed."""
    good = True
    for bug in BUGS:
        result = measured(Search(bug.scene, bug.engine).run(STATES_BUG))
        result["scene"] = bug.scene.name
        keep("bugs", bug.name, result)
        good = good and bool(result["law"])
    return good


# --- The page -------------------------------------------------------------------------


def page() -> Iterator[str]:
    """Yield the lines of the measured part of the page."""
    scenes = [
        *kept("whole", [scene.name for scene in WHOLE]),
        *kept("wide", [scene.name for scene in WIDE]),
    ]
    yield "### As shipped"
    yield ""
    yield (
        "| scene | moments | moves | of them at rest | longest way to rest | "
        "per second | seen whole | laws broken |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for each in scenes:
        pace = each["states"] / max(each["seconds"], 0.1)
        cells = (
            each["name"],
            f"{each['states']:,}",
            f"{each['transitions']:,}",
            f"{each['rests']:,}",
            f"{each['longest']} moves",
            f"{pace:,.0f}",
            "yes" if each["exhausted"] else "no",
            each["law"] or "none",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "### How often each law was at stake"
    yield ""
    yield "| law | times |"
    yield "| --- | --- |"
    times = Counter[str]()
    for each in scenes:
        times.update(each["sometimes"])
    for law, count in sorted(times.items()):
        yield f"| {law} | {count:,} |"
    yield ""
    yield from _bugs()


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
    parser.add_argument("--only", choices=("whole", "wide", "bugs", "page"))
    given = parser.parse_args(words)
    good = True
    if given.only in (None, "whole"):
        good = search_scenes("whole", WHOLE, [STATES_WHOLE] * len(WHOLE)) and good
    if given.only in (None, "bugs"):
        good = search_bugs() and good
    if given.only in (None, "wide"):
        others = [min(STATES_OTHER, given.states)] * (len(WIDE) - WIDEST)
        states = [*[given.states] * WIDEST, *others]
        good = search_scenes("wide", WIDE, states) and good
    source.rewrite(PAGE, "measured", "\n".join(page()))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
