# SPDX-License-Identifier: Apache-2.0
"""Break the model on purpose: Kubernetes's own code must notice each time.

``python -m tests.smd.mutants`` prints which story told first. Each mutant is a bug that
a model of server-side apply may well have. Needs Go.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.smd.openapi import ROOT

STORIES: Final = 5000
COMPARISON: Final = ("-m", "tests.smd.compare", "--first", f"--sequences={STORIES}")
PACKAGE: Final = Path("mpijob_operator") / "simulation"


@frozen
class Mutant:
    """A bug, as another text in one of the model's modules."""

    bug: str
    module: str
    text: str
    instead: str

    def path(self, adapters: Path) -> Path:
        """Return where the module is in the package, or in a copy of it."""
        return adapters / PACKAGE / f"{self.module}.py"

    def plant(self, adapters: Path) -> None:
        """Put the bug into a copy of the package.

        Raises:
            AssertionError: The module does not have the text exactly once.
        """
        path = self.path(adapters)
        source = path.read_text("utf-8")
        assert source.count(self.text) == 1, f"{self.bug}: {self.text!r} is not there"
        path.write_text(source.replace(self.text, self.instead), "utf-8")


MUTANTS: Final = (
    Mutant(
        "updates do not stand in an apply's way",
        "fields",
        "    for who in sorted(others):\n",
        "    for who in sorted(o for o in others if o.operation == APPLY):\n",
    ),
    Mutant(
        "equal values conflict",
        "fields",
        "conflicts = tuple(_conflicts(others, changes))",
        "conflicts = tuple(_conflicts(others, merging.Changes(added=set(asked))))",
    ),
    Mutant(
        "force takes what is equal, too",
        "fields",
        "    left = {who: _less(what, changes) for who, what in others.items()}\n"
        "    return Outcome",
        "    left = {who: _less(others[who] - asked, changes) for who in others}\n"
        "    return Outcome",
    ),
    Mutant(
        "a refused apply takes its fields all the same",
        "fields",
        "return Outcome(live, owners, conflicts) if conflicts",
        "return Outcome(live, {**owners, config.owner: NO_FIELDS}, conflicts)"
        " if conflicts",
    ),
    Mutant(
        "an apply adds to what its manager owned",
        "fields",
        "{**left, owner: asked - IDENTITY}",
        "{**left, owner: (last | asked) - IDENTITY}",
    ),
    Mutant(
        "nothing is pruned",
        "fields",
        "    if not last <= asked:\n",
        "    if not last <= asked and not last:\n",
    ),
    Mutant(
        "an updater's fields are pruned",
        "fields",
        "owned = NO_FIELDS.union(*owners.values())",
        "owned = NO_FIELDS.union(*(owners[k] for k in owners if k.operation == APPLY))",
    ),
    Mutant(
        "what nobody owns is pruned with what it is in",
        "fields",
        "return without(gone & declared(last))",
        "return kept if gone else kept",
    ),
    Mutant(
        "what others own is not looked at where a prune begins",
        "fields",
        "    if not last <= asked:\n",
        "    if not last <= NO_FIELDS.union(asked, *owners.values()):\n",
    ),
    Mutant(
        "a declared object stays when it is empty",
        "merging",
        "        found.update(_declared_above(path, type_))\n",
        "        found.update(() if type_ else _declared_above(path, type_))\n",
    ),
    Mutant(
        "what a prune empties is an empty object",
        "merging",
        "            return _map_without(_map(value), fields, shape) or None",
        "            return _map_without(_map(value), fields, shape)",
    ),
    Mutant(
        "a removed field stays with its owner",
        "fields",
        "return owned - changes.modified - changes.added - changes.removed",
        "return owned - changes.modified - changes.added",
    ),
    Mutant(
        "an owner of nothing is kept",
        "fields",
        "return {who: what for who, what in owners.items() if what}",
        "return dict(owners)",
    ),
    Mutant(
        "nobody owns what was there before the first apply",
        "fields",
        "held = owners or created(live, first, type_)",
        "held = owners",
    ),
    Mutant(
        "what was there before the first apply is of no subresource",
        "fields",
        "Owner(UPDATE, BEFORE_FIRST_APPLY, config.owner.subresource)",
        "Owner(UPDATE, BEFORE_FIRST_APPLY)",
    ),
    Mutant(
        "a client's updates are its applies' own",
        "fields",
        "for who, what in owners.items() if who != owner}",
        "for who, what in owners.items() if who.manager != owner.manager}",
    ),
    Mutant(
        "an update takes all that it sends",
        "fields",
        "gained = (changes.modified | changes.added) - IDENTITY",
        "gained = merging.fields_of(after, type_) - IDENTITY",
    ),
    Mutant(
        "an update shares what it changes",
        "fields",
        "    left = {who: _less(what, changes) for who, what in owners.items()}\n"
        "    return _somebodys({**left, owner: left",
        "    left = owners\n    return _somebodys({**left, owner: left",
    ),
    Mutant(
        "an object's name is owned",
        "fields",
        '                "name",\n',
        "",
    ),
    Mutant(
        "a list keeps its order",
        "merging",
        "    for pick in _picks([shape.step(entry) for entry in live], list(asked)):\n",
        "    for pick in [*known, *(s for s in asked if s not in known)]:\n"
        "        if pick not in asked:\n"
        "            result += known[pick]\n"
        "            continue\n",
    ),
    Mutant(
        "a live entry is passed over when it is next",
        "merging",
        "shared[0] != step",
        "shared[0] == step",
    ),
    Mutant(
        "an entry that is there twice is merged",
        "merging",
        "before = entries[0] if len(entries) == 1 else None",
        "before = entries[0]",
    ),
    Mutant(
        "null is nothing",
        "merging",
        "if inner is None or inner == {} or key",
        "if inner == {} or key",
    ),
    Mutant(
        "an empty object has no owner",
        "merging",
        "if inner is None or inner == {} or key",
        "if inner is None or key",
    ),
    Mutant(
        "an entry of a list is owned whole, not its fields",
        "merging",
        "                if len(entries) == 1:\n                    _add_fields(",
        "                if not shape.keys:\n                    _add_fields(",
    ),
    Mutant(
        "null empties what is merged",
        "merging",
        "case MapType(atomic=False) if _map(live) or _map(applied):",
        "case MapType(atomic=False) if _map(applied):",
    ),
    Mutant(
        "a key that is left out is empty, whatever its default",
        "typed",
        "given.get(key, self.defaults.get(key))",
        'given.get(key, "")',
    ),
    Mutant(
        "the whole is not added with its parts",
        "merging",
        "            self.added.add(at)\n        elif after is ABSENT:",
        "            pass\n        elif after is ABSENT:",
    ),
)


def verdict(mutant: Mutant) -> str:
    """Return how the comparison ends with a mutant."""
    with tempfile.TemporaryDirectory() as folder:
        adapters = Path(folder) / "adapters"
        shutil.copytree(ROOT / "adapters", adapters)
        mutant.plant(adapters)
        done = subprocess.run(
            [sys.executable, *COMPARISON],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(adapters)},
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.returncode:
        return "survived"
    told = re.match(r"(\d+) stories", done.stdout)
    return f"killed by story {told[1]}" if told else f"broken: {done.stderr[-200:]}"


def report() -> Iterator[str]:
    """Yield a line for each mutant."""
    for mutant in MUTANTS:
        yield f"{mutant.bug}: {verdict(mutant)}"


def main() -> None:
    """Try every mutant."""
    survived = 0
    for line in report():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        survived += not re.search(r": killed by story \d+$", line)
    sys.exit(bool(survived))


if __name__ == "__main__":
    main()
