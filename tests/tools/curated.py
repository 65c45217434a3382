# SPDX-License-Identifier: Apache-2.0
"""Show the laws every curated mutant, and write down which of them noticed.

``python -m tests.tools.curated`` tries the mutants that were not tried as they now are,
and writes ``docs/mutants.md``; ``--again`` tries all. With words it tries the mutants
whose sentence has one of them, with ``--sample`` a few, and writes nothing. What came
of each is kept in ``build/curated``.
"""

import argparse
import json
import statistics
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import asdict

from properties.curated.judge import SCENE, UNLAWFUL, Verdict, judged
from properties.curated.laws import home_of, numbers_of
from properties.curated.mutant import CLASSES, Mutant
from properties.curated.table import ALL, TABLE
from properties.curated.upstream import UPSTREAM
from properties.numbered import NUMBERED, Home
from tests.tools import source

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/mutants.md"
KEPT: Final = ROOT / "build/curated"
# Of each part of the code one that is noticed in a second.
SAMPLE: Final = (
    "A condition that changes goes to the end of the list.",
    "Hosts are in the order of their names: ten before two.",
    "Of several delays the first counts, not the shortest.",
    "A late suspension undoes a launcher that has succeeded.",
)


def kept_at(mutant: Mutant) -> Path:
    """Return where it is kept what came of a mutant, as it and its judges now are."""
    words = json.dumps([mutant.module, mutant.text, mutant.instead, mutant.asked])
    return KEPT / f"{zlib.crc32(words.encode()):08x}.json"


def kept(mutant: Mutant) -> Verdict | None:
    """Return what came of a mutant, None where it was not tried."""
    path = kept_at(mutant)
    if not path.exists():
        return None
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return Verdict(tuple(told["killers"]), told["seconds"], told.get("moves", 0))


def tried(mutant: Mutant) -> Verdict:
    """Show a mutant to whom it names; keep what came of it."""
    verdict = judged(mutant, mutant.asked)
    told = {"bug": mutant.bug, **asdict(verdict)}
    KEPT.mkdir(parents=True, exist_ok=True)
    kept_at(mutant).write_text(json.dumps(told, indent=1), "utf-8")
    return verdict


def noticed(verdict: Verdict) -> tuple[str, ...]:
    """Return the laws that a mutant broke: that something raised is none."""
    return tuple(k for k in verdict.killers if not k.startswith(UNLAWFUL))


def whole(mutants: Sequence[Mutant]) -> bool:
    """Tell whether the code as it is breaks none of the laws that are asked."""
    asked = dict.fromkeys(each for mutant in mutants for each in mutant.asked)
    laws = [each for each in asked if not each.startswith(SCENE)]
    verdict = judged(None, laws, patience_s=len(laws) * 30)
    if verdict.killers:
        print(f"error: as it is, the code breaks {', '.join(verdict.killers)}")
    return not verdict.killers


def told(mutant: Mutant, verdict: Verdict) -> bool:
    """Print what came of a mutant; tell whether it is as it should be."""
    laws = noticed(verdict)
    good = bool(laws) != bool(mutant.same)
    words = "; ".join(laws or verdict.killers) or "nobody noticed"
    print(f"{'' if good else 'error: '}{mutant.bug}\n    {words}, {verdict.seconds} s")
    sys.stdout.flush()
    return good


# --- The page -------------------------------------------------------------------------


def page() -> Iterator[str]:
    """Yield the lines of the measured part of the page."""
    verdicts = {mutant.bug: verdict for mutant in ALL if (verdict := kept(mutant))}
    killed = [m for m in ALL if m.bug in verdicts and noticed(verdicts[m.bug])]
    known = [m for m in ALL if m.same]
    seconds = sum(verdict.seconds for verdict in verdicts.values())
    what = f"{len(ALL)} mutants, of which a law noticed {len(killed)}"
    yield f"{what}, and {len(known)} nobody could, in {seconds:.0f} s."
    for part, mutants in TABLE.items():
        yield f"\n### {part}\n"
        yield "| bug | class | noticed by | seconds |"
        yield "| --- | --- | --- | --- |"
        for mutant in mutants:
            yield _row(mutant, verdicts.get(mutant.bug))
    yield "\n### Bugs by class\n"
    yield "| class | what it is | mutants |"
    yield "| --- | --- | --- |"
    for number, what in CLASSES.items():
        count = sum(number in mutant.classes for mutant in killed)
        yield f"| {number} | {what} | {count} |"
    yield from _by_number([noticed(verdicts[m.bug]) for m in killed])


def upstream() -> Iterator[str]:
    """Yield the table of what mpi-operator has had."""
    # Not before every mutant was tried: it imports what they stand in the place of.
    from tests.tools import proof  # noqa: PLC0415 - see above.

    by_bug = {mutant.bug: mutant for mutant in ALL}
    safeguards = {told["name"]: told for told in proof.kept("bugs", proof.BUG_NAMES)}
    yield "| mpi-operator | where | noticed by | moves | seconds |"
    yield "| --- | --- | --- | --- | --- |"
    found: list[float] = []
    for known in UPSTREAM:
        verdicts = [v for bug in known.mutants if (v := kept(by_bug[bug]))]
        searches = [safeguards[n] for n in known.safeguards if n in safeguards]
        laws = [law for verdict in verdicts for law in noticed(verdict)]
        laws += [told["law"] for told in searches]
        moves = [v.moves for v in verdicts if v.moves]
        moves += [len(told["story"]) for told in searches]
        seconds = [v.seconds for v in verdicts] + [told["seconds"] for told in searches]
        found += seconds
        by = "<br>".join(dict.fromkeys(laws)) or "nobody"
        story = min(moves, default=0) or "a law"
        first = f"{min(seconds):.1f}" if seconds else ""
        yield f"| {known.what} | {known.where} | {by} | {story} | {first} |"
    if found:
        yield f"\nEach was found, the median in {statistics.median(found):.1f} s."


def _row(mutant: Mutant, verdict: Verdict | None) -> str:
    laws = noticed(verdict) if verdict else ()
    by = "<br>".join(laws) or mutant.same or "nobody"
    classes = ", ".join(map(str, mutant.classes))
    took = f"{verdict.seconds:.1f}" if verdict else ""
    return f"| {mutant.bug} | {classes} | {by} | {took} |"


def _by_number(killers: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield "\n### Numbered laws, and the mutants that broke them\n"
    yield "| law | its home | mutants that broke it there | anywhere |"
    yield "| --- | --- | --- | --- |"
    for number in sorted(NUMBERED, key=_in_order):
        home, where = home_of(number), NUMBERED[number]
        there = sum(home in laws for laws in killers)
        anywhere = sum(any(number in numbers_of(w) for w in laws) for laws in killers)
        real = isinstance(where, Home) and "cluster" in where.file.split("/")
        count = "on a real control plane alone" if real else there or "none"
        yield f"| {number} | {home} | {count} | {anywhere} |"


def _in_order(number: str) -> tuple[int, str]:
    return int(number.strip("Pb")), number


def main(words: Sequence[str]) -> int:
    """Try mutants, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--again", action="store_true", help="try all")
    parser.add_argument("--sample", action="store_true", help="try a few")
    parser.add_argument("--page", action="store_true", help="try none, and write")
    given = parser.parse_args(words)
    chosen = [m for m in ALL if not given.words or any(w in m.bug for w in given.words)]
    if given.sample:
        chosen = [m for m in ALL if m.bug in SAMPLE]
    anew = given.again or given.sample
    due = [m for m in chosen if anew or kept(m) is None]
    if given.page:
        due = []
    good = given.sample or not due or whole(due)
    for mutant in due if good else ():
        good = told(mutant, tried(mutant)) and good
    if not given.sample and not given.words:
        source.rewrite(PAGE, "measured", "\n".join(page()))
        source.rewrite(PAGE, "upstream", "\n".join(upstream()))
        print(next(page()))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
