# SPDX-License-Identifier: Apache-2.0
"""Write what each numbered law was tried with: `docs/report.md`.

Read are what the last `make proof` kept (`build/proof`) and what the curated mutants
came to (`build/curated`).
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from properties import tally
from properties.curated.laws import home_of, numbers_of
from properties.curated.table import ALL
from properties.numbered import NUMBERED, NUMBERS, Check, Home
from tests.tools import curated, proof, source

PAGE: Final = Path(__file__).parents[2] / "docs/report.md"
HEAD: Final = (
    "| law | its home | examples | moments | moves | at stake least often | times | "
    "bugs that broke it | of them at home |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
REAL: Final = "a real control plane alone: `make cluster-tests`"


def rows() -> Iterator[str]:
    """Yield the table, a row for each number."""
    yield HEAD
    scenes = [*proof.kept_of_scenes()]
    verdicts = filter(None, map(curated.kept, ALL))
    killers = [*map(curated.noticed, verdicts)]
    for number in NUMBERS:
        told: Mapping[str, Any] = {}
        home = NUMBERED[number]
        match home:
            case Check(law):
                told = of_check(law, scenes)
            case Home(file, test) if file.startswith("properties/"):
                told = tally.of_test(f"{file}::{test}")
            case _:
                pass
        yield _row(number, home, told, killers)


def of_check(law: str, scenes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a check of the search came to, where it was at stake."""
    stakes = {s["name"]: s["sometimes"].get(law, 0) for s in scenes}
    there = [scene for scene in scenes if stakes[scene["name"]]]
    if not there:
        return {}
    return {
        "states": sum(scene["states"] for scene in there),
        "transitions": sum(scene["transitions"] for scene in there),
        "stakes": {f"in {len(there)} of {len(scenes)} scenes": sum(stakes.values())},
    }


def _row(
    number: str,
    home: Home | Check,
    told: Mapping[str, Any],
    killers: list[tuple[str, ...]],
) -> str:
    name = home_of(number)
    there = sum(name in laws for laws in killers)
    anywhere = sum(any(number in numbers_of(law) for law in laws) for laws in killers)
    if isinstance(home, Home) and not home.file.startswith("properties/"):
        return f"| {number} | {name}: {REAL} | | | | | | {anywhere} | |"
    stakes: dict[str, int] = told.get("stakes") or {}
    rarest = min(stakes, key=lambda what: stakes[what], default="")
    figures = [told.get(what, 0) for what in ("examples", "states", "transitions")]
    cells = (
        number,
        name,
        *(f"{figure:,}" if figure else "" for figure in figures),
        rarest,
        f"{stakes[rarest]:,}" if rarest else "",
        str(anywhere),
        str(there),
    )
    return f"| {' | '.join(cells)} |"


def others() -> Iterator[str]:
    """Yield what all laws and programs came to, those with a number among them."""
    told = Counter[str]()
    files = sorted(tally.FOLDER.glob("*.json"))
    for path in files:
        value = json.loads(path.read_text("utf-8"))
        told.update({k: value[k] for k in ("examples", "states", "transitions")})
    yield (
        f"All {len(files)} tests of laws together were tried with {told['examples']:,} "
        f"examples, and made {told['transitions']:,} moves in programs at random and "
        f"in searches of {told['states']:,} moments; the scenes of the proof are apart."
    )


def main() -> int:
    """Write the page; exit 1 where a law was tried with nothing."""
    table = [*rows()]
    source.rewrite(PAGE, "report", "\n".join((*table, "", *others())))
    empty = [row.split("|")[1].strip() for row in table[1:] if "|  |  |  |  |" in row]
    for number in empty:
        print(f"error: {number} was tried with nothing: run `make proof` first")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
