# SPDX-License-Identifier: Apache-2.0
"""A story that ended badly, kept as files: to live it again, and to look into it.

In a folder of its own are `story.json`, which `python -m tests.tools.failures FOLDER`
lives again move by move, and each look of the operator that led to a plan, as
`mpijob run --record` would have written it: `mpijob replay FOLDER/look-*.json` shows
what was decided and answered, and whether the function as it now is decides alike.
"""

import contextlib
import json
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import asdict, evolve

from mpijob_operator.controller import recorder
from properties.world.bugs import BUGS, Bug
from properties.world.engine import SHIPPED, Engine
from properties.world.rare_scenes import NAMED
from properties.world.scene import Scene
from properties.world.search import Found
from properties.world.state import Left
from properties.world.stories import Story, StoryEndsError

FOLDER: Final = Path(__file__).parents[2] / "build/failures"
STORY: Final = "story.json"
BY_NAME: Final[Mapping[str, Bug]] = {bug.name: bug for bug in BUGS}


def kept(
    scene: Scene,
    lines: Sequence[str],
    bug: str = "",
    *,
    name: str = "",
    folder: Path = FOLDER,
) -> Path:
    """Keep a story, and the looks in it; return its folder.

    Args:
        scene: Where it happened; of a scene in the tables, with other faults perhaps.
        lines: The moves that led to it, as the search or a program tells them.
        bug: The operator whose safeguard is missing, of the table of bugs.
        name: The folder's name, where one story takes the place of another: while it
            is shrunk. Else it is the scene's, and tells stories apart.
        folder: Where the folder of the story is made.
    """
    told = {
        "scene": scene.name,
        "bug": bug,
        "faults": sorted(scene.faults),
        "lags": sorted(scene.lags),
        "left": asdict(scene.left),
        "runPolicy": scene.run_policy,
        "runs": scene.runs,
        "lines": list(lines),
    }
    text = json.dumps(told, indent=1) + "\n"
    words = "-".join(scene.name.replace(",", "").split())
    place = folder / (name or f"{words}-{zlib.crc32(text.encode()):08x}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / STORY).write_text(text, "utf-8")
    story = Story(scene, BY_NAME[bug].engine if bug else SHIPPED)
    with contextlib.suppress(StoryEndsError):  # Who lives it again is told of it.
        story.lives(lines)
    for number, look in enumerate(story.looks, 1):
        (place / f"look-{number:03}.json").write_text(recorder.text(look), "utf-8")
    return place


def read(place: Path) -> tuple[Scene, Engine, list[str]]:
    """Return what is needed to live a story again."""
    told: dict[str, Any] = json.loads((place / STORY).read_text("utf-8"))
    bug = BY_NAME.get(told["bug"])
    scene = evolve(
        bug.scene if bug else NAMED[told["scene"]],
        faults=frozenset(told["faults"]),
        lags=frozenset((api, kind) for api, kind in told["lags"]),
        left=Left(**told["left"]),
        run_policy=told["runPolicy"],
        runs=told["runs"],
    )
    return scene, bug.engine if bug else SHIPPED, told["lines"]


def told(scene: Scene, found: Found) -> str:
    """Keep what a search found; say what it is, and what can be done with it."""
    lines = (f"  {line}" for line in found.story)
    wrong = f"{found.wrong.law}: {found.wrong.how}"
    return "\n".join((wrong, *lines, words(kept(scene, found.story))))


def words(place: Path) -> str:
    """Say what can be done with a story that was kept."""
    said = [f"kept in {place}"]
    said.append(f"  live it again: python -m tests.tools.failures {place}")
    if any(place.glob("look-*")):
        said.append(f"  look by look:  mpijob replay {place}/look-*.json")
    return "\n".join(said)
