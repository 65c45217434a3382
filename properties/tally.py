# SPDX-License-Identifier: Apache-2.0
"""What the laws were tried with, kept where the proof makes its report of it.

Nothing is kept unless ``KEEP_TALLY`` is set, as `make proof` does. A file holds what
one test came to: `build/proof/laws`, by the test's id.
"""

import json
import os
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "build/proof/laws"
# What each test of this process came to by now.
_KEPT: Final[dict[str, Counter[str]]] = {}
_STAKES: Final[dict[str, Counter[str]]] = {}


def is_kept() -> bool:
    """Tell whether this is the run of which the report is made."""
    return "KEEP_TALLY" in os.environ


def keep(
    *,
    examples: int = 0,
    states: int = 0,
    transitions: int = 0,
    stakes: Mapping[str, int] | None = None,
) -> None:
    """Add to what the test that runs was tried with.

    Args:
        examples: Inputs that were drawn, or given one by one.
        states: Moments that a search visited, each once.
        transitions: Moves that led from one to another.
        stakes: How often what a law speaks of was the case.
    """
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if not is_kept() or not test:
        return
    told = _KEPT.setdefault(test, Counter())
    told.update(examples=examples, states=states, transitions=transitions)
    _STAKES.setdefault(test, Counter()).update(stakes or {})
    FOLDER.mkdir(parents=True, exist_ok=True)
    value = {"test": test, **told, "stakes": _STAKES[test]}
    path = FOLDER / f"{zlib.crc32(test.encode()):08x}.json"
    path.write_text(json.dumps(value, indent=1), "utf-8")


def of_test(test: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return what a test came to, all its parameters together; nothing if unknown.

    Args:
        test: Its id, without parameters.
        folder: Where it is kept.
    """
    told, stakes = Counter[str](), Counter[str]()
    for path in folder.glob("*.json"):
        value: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if value.pop("test").partition("[")[0] == test:
            stakes.update(value.pop("stakes"))
            told.update(value)
    return {**told, "stakes": dict(stakes)} if told else {}
