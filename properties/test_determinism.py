# SPDX-License-Identifier: Apache-2.0
"""Equal questions get equal answers, to the byte, wherever and whenever asked.

The questions are asked again in processes in other places, in which the clock, chance,
the files and the network raise.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given

from properties import tally
from properties.answers import answers, to_json
from properties.lives import any_view
from properties.strategies import Question

ROOT = Path(__file__).parents[1]

# Where Turkish and Nepal are not installed, Python falls back to C and to UTC.
PLACES = (
    pytest.param({"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu"}, id="Kathmandu"),
    pytest.param(
        {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"},
        id="Turkish in Newfoundland",
    ),
    pytest.param(
        {"PYTHONHASHSEED": "random", "LC_ALL": "C", "PYTHONUTF8": "0"}, id="C"
    ),
)


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Return questions of all kinds, a line of JSON each."""
    lines: list[str] = []

    @given(any_view)
    def gather(question: Question) -> None:
        lines.append(json.dumps(to_json(question)))

    gather()
    return lines


@pytest.mark.parametrize("place", PLACES)
def test_equal_questions_get_equal_answers(
    asked: list[str], place: dict[str, str]
) -> None:
    """Equal questions get equal answers, on any machine, in any language and year."""
    done = subprocess.run(
        [sys.executable, "-m", "properties.answers"],
        cwd=ROOT,
        env={**os.environ, **place},
        input="\n".join(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == answers(asked)
    tally.keep(examples=len(asked), stakes={"asked elsewhere": len(asked)})


def test_equal_questions_get_equal_answers_at_once(asked: list[str]) -> None:
    """Many questions may be asked at once, for no answer leaves a trace."""
    alone = answers(asked)
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(answers, ([line] for line in asked * 2))
    assert [text for one in together for text in one] == alone * 2
