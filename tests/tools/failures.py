# SPDX-License-Identifier: Apache-2.0
"""Live a story that ended badly again, move by move.

``python -m tests.tools.failures build/failures/NAME`` prints each move, then the law
that is broken; ``--stop N`` enters the debugger before the Nth move, where
``story.state`` is all that there is.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from properties.world import failures
from properties.world.stories import Story, StoryEndsError


def main(words: Sequence[str]) -> int:
    """Live a story again; exit 1 where it ends badly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stop", type=int, metavar="N")
    given = parser.parse_args(words)
    try:
        scene, engine, lines = failures.read(given.folder)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    story, wrong = Story(scene, engine), ""
    print(f"{scene.name}:")
    for number, line in enumerate(lines, 1):
        print(f"{number:4} {line}", flush=True)
        if number == given.stop:
            breakpoint()  # noqa: T100 - It was asked for.
        try:
            wrong = story.goes_on(line)
        except StoryEndsError:
            wrong = "There is no such move any more: something does otherwise."
        if wrong:
            break
    wrong = wrong or story.rests()
    print(wrong or "It ends well.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
