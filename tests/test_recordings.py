# SPDX-License-Identifier: Apache-2.0
"""What the running controller wrote down (`mpijob run --record`) is planned alike.

Whatever is dropped into `tests/recordings` is asked again, now and in each version to
come. A recording that is planned otherwise on purpose is made anew, and the difference
is for the changelog.
"""

import io
import json
from pathlib import Path
from typing import Any, Final

import pytest

from mpijob_operator.cli import main
from mpijob_operator.streams import Streams

RECORDINGS: Final = sorted((Path(__file__).parent / "recordings").glob("*.json"))
recordings = pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)


def replayed(path: Path) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(("replay", str(path)), Streams(io.BytesIO(), out, err))
    return code, out.getvalue() + err.getvalue()


def test_there_are_recordings() -> None:
    assert len(RECORDINGS) > 1


@pytest.mark.rule("B8.3")
@recordings
def test_what_was_recorded_is_planned_alike(path: Path) -> None:
    code, told = replayed(path)
    assert code == 0, told
    assert "the function plans the same" in told


@recordings
def test_a_recording_holds_every_answer(path: Path) -> None:
    recording = json.loads(path.read_text())
    sent = sum(map(len, recording["steps"]))
    assert recording["end"] == "DONE"
    assert len(recording["answers"]) == sent > 0


@pytest.mark.rule("B8.5")
@recordings
def test_no_key_is_recorded(path: Path) -> None:
    assert "PRIVATE KEY" not in path.read_text()
    recording = json.loads(path.read_text())
    secrets = [o for o in recording["request"]["observed"] if o["kind"] == "Secret"]
    assert not [o for o in secrets if o.keys() & {"data", "stringData"}]


@recordings
def test_another_answer_would_be_told(path: Path, tmp_path: Path) -> None:
    recording: dict[str, Any] = json.loads(path.read_text())
    recording["steps"] = recording["steps"][1:]
    other = tmp_path / path.name
    other.write_text(json.dumps(recording))
    code, told = replayed(other)
    assert code == 1
    assert "plans something else" in told
