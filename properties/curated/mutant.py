# SPDX-License-Identifier: Apache-2.0
"""What a mutant is: a text of one module, and another in its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final[Mapping[str, str]] = {
    "mpijob": "core",
    "mpijob_operator": "adapters",
}

# The kinds of bug that operators have had, by the numbers that the table gives them.
CLASSES: Final[Mapping[int, str]] = {
    1: "a crash between two writes",
    2: "acts on an old view",
    3: "must see each change",
    4: "a name used again",
    5: "a write of which nobody knows",
    6: "writes for ever",
    7: "an end that is taken back",
    8: "what was mended stays broken",
    9: "a field is ignored",
    10: "something is left behind",
    11: "somebody else's object",
    12: "who starts before whom",
    13: "resumed as it was before",
    14: "conditions and their times",
    15: "what goes is taken for alive",
    16: "fields and their owners",
    17: "bad input",
    18: "hangs on the order",
}


@frozen
class Mutant:
    """A bug, as another text in one module."""

    bug: str  # A sentence, whose subject is the operator or what is named.
    classes: tuple[int, ...]
    module: str
    text: str
    instead: str
    # Whom to ask: files of laws, and scenes to search.
    asked: tuple[str, ...]
    same: str = ""  # Why nobody could tell, where that is so.

    @property
    def path(self) -> Path:
        """Where the module is."""
        folder = FOLDERS[self.module.partition(".")[0]]
        return ROOT / folder / f"{self.module.replace('.', '/')}.py"

    @property
    def source(self) -> str:
        """The module with the bug in it.

        Raises:
            AssertionError: The module does not have the text exactly once.
        """
        source = self.path.read_text("utf-8")
        assert source.count(self.text) == 1, f"{self.bug}: not once in {self.module}"
        return source.replace(self.text, self.instead)
