# SPDX-License-Identifier: Apache-2.0
"""The stories that the search told of what was wrong: each must end well by now.

What follows the stories of the operators without a safeguard is in `docs/proof.md`;
these were of the shipped one, and of its cluster in memory.
"""

from typing import Final

import pytest
from attrs import frozen

from properties.world.bugs import BUGS, Bug
from properties.world.scene import TIMED, Scene
from properties.world.search import Search
from properties.world.stories import Story, StoryEndsError


@frozen
class Told:
    """What was wrong once, where, and how it came to it."""

    what: str
    scene: Scene
    lines: tuple[str, ...]


def scene_of(name: str) -> Scene:
    return next(scene for scene in TIMED if scene.name == name)


STORIES: Final = (
    Told(
        "a Job whose owner goes while it waits for its pods stays for ever",
        scene_of("one worker, kept for a minute"),
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
