# SPDX-License-Identifier: Apache-2.0
"""Run what a document shows, and compare.

A ``console`` block is a series of ``$ command`` lines, each followed by what it prints
(both streams, as a terminal shows them). A line of three dots stands for any lines. A
command starts at the top of the checkout, where a reader of these documents is.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from sybil import Example

ROOT: Final = Path(__file__).parents[2]
# Whoever reads along waits; what takes longer than this does not belong in a document.
PATIENCE_S: Final = 120
# These would start the tests from within the tests. That they exist is still checked.
RECURSIVE: Final = ("make test", "make check", "make cover")
ANY_LINES: Final = "..."


def run_console(example: Example) -> str | None:
    """Run each command of a block; return the first difference."""
    for command, expected in commands(str(example.parsed)):
        actual = output_of(command)
        if not matches(expected, actual):
            return (
                f"$ {command}\nexpected:\n{expected}\nactual:\n{actual}\n"
                "hint: read the difference, then mend the document or the code"
            )
    return None


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Give each command of a block, with what it is said to print."""
    lines = block.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise AssertionError(
            "a console block begins with `$ command`; "
            "use a text block for what is not run"
        )
    for start, end in pairwise([*starts, len(lines)]):
        yield lines[start][2:].strip(), "\n".join(lines[start + 1 : end]).strip()


def output_of(command: str) -> str:
    """Run one command as a reader would: from the root, with this Python first."""
    if command in RECURSIVE:
        command = command.replace("make", "make --dry-run", 1) + " >/dev/null"
    environment = os.environ | {
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "VENV": sys.prefix,
    }
    done = subprocess.run(
        ["bash", "-uo", "pipefail", "-c", command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip()


def matches(expected: str, actual: str) -> bool:
    """Tell whether the lines are the same, three dots standing for any lines."""
    parts = [
        r"(?:.*\n)*" if line.strip() == ANY_LINES else re.escape(line.rstrip()) + r"\n"
        for line in expected.splitlines()
    ]
    return re.fullmatch("".join(parts), actual + "\n" if actual else "") is not None
