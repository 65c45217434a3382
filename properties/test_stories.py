# SPDX-License-Identifier: Apache-2.0
"""The stories that the search told of what was wrong: each must end well by now.

What follows the stories of the operators without a safeguard is in `docs/proof.md`;
these were of the shipped one, and of its cluster in memory.
"""

import json
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from mpijob_operator import cli
from properties.world import failures
from properties.world.bugs import BUGS, Bug
from properties.world.rare_scenes import NAMED
from properties.world.scene import Scene
from properties.world.search import Search
from properties.world.stories import Story, StoryEndsError
from tests.tools.failures import main as lived_again


@frozen
class Told:
    """What was wrong once, where, and how it came to it."""

    what: str
    scene: Scene
    lines: tuple[str, ...]


STORIES: Final = (
    Told(
        "a Job whose owner goes while it waits for its pods stays for ever",
        NAMED["one worker, kept for a minute"],
        (
            "pod pi-launcher-ckx2k exits with 0",
            "Job controller takes note",
            "Job controller Job pi-launcher is SuccessCriteriaMet: CompletionsReached",
            "Job controller Job pi-launcher is Complete",
            "operator is told 1 of MPIJob, 3 of launcher Job and looks",
            "operator sends WriteStatus: done",
            "operator crashes, Delete Job pi-launcher was done",
            "user deletes the job",
        ),
    ),
)


@pytest.mark.rule("B5.5", "B8.3")
@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.what)
def test_what_was_wrong_once_is_right(told: Told) -> None:
    """A story that ended badly once ends well."""
    assert not Story(told.scene).lives(told.lines)


@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if not bug.slow][:6], ids=lambda bug: bug.name
)
def test_a_story_is_told_again_as_it_was_told(bug: Bug) -> None:
    """What the search tells of an operator can be lived again, to the same harm."""
    found = Search(bug.scene, bug.engine).run(2_000).found
    assert found is not None
    lines = [line for line in found.story if line != "nothing more happens"]
    try:
        again = Story(bug.scene, bug.engine).lives(lines)
    except StoryEndsError as end:
        pytest.fail(f"there is no such move: {end}")
    assert again.startswith(found.wrong.law)


@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if not bug.slow][:6], ids=lambda bug: bug.name
)
def test_a_story_that_was_kept_can_be_lived_and_replayed(
    bug: Bug, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a search found is kept as files; each look in it can be replayed."""
    found = Search(bug.scene, bug.engine).run(1_000).found
    assert found is not None
    kept = failures.kept(bug.scene, found.story, bug.name, folder=tmp_path)
    assert lived_again([str(kept)]) == 1
    assert found.wrong.law in capsys.readouterr().out
    looks = sorted(map(str, kept.glob("look-*.json")))
    code = cli.main(["replay", *looks])
    told = capsys.readouterr().out
    assert told.count("Asked again, the function plans") == len(looks) > 0
    # The shipped function plans something else, unless it is the shell that errs.
    assert code == int("plans something else" in told)


def test_a_story_that_ends_well_is_replayed_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the shipped operator did, look by look, it would do again."""
    told = STORIES[0]
    kept = failures.kept(told.scene, told.lines, folder=tmp_path)
    assert lived_again([str(kept)]) == 0
    assert "It ends well." in capsys.readouterr().out
    looks = sorted(map(str, kept.glob("look-*.json")))
    assert cli.main(["replay", *looks]) == 0
    assert capsys.readouterr().out.count("plans the same") == len(looks) > 0


def test_a_look_that_was_kept_holds_every_answer(tmp_path: Path) -> None:
    """A start without trouble could be dropped among the recordings as it is."""
    kept = failures.kept(NAMED["one worker, nothing amiss"], (), folder=tmp_path)
    recorded = [json.loads(path.read_text()) for path in kept.glob("look-*.json")]
    assert recorded
    for look in recorded:
        assert look["end"] == "DONE"
        assert len(look["answers"]) == sum(map(len, look["steps"]))
