# SPDX-License-Identifier: Apache-2.0
"""Answer questions in a process of its own: a line of JSON each, an answer a line.

Once the code is loaded, nothing may be asked of the machine: the clock, chance, files,
the network and the environment all raise.
"""

import datetime as dt
import json
import os
import random
import secrets
import socket
import sys
import time
import uuid
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from mpijob import PriorityClass, Settings, World
from properties.canonical import canonical
from properties.strategies import Json, Question


def to_json(question: Question) -> Json:
    """Write what a question is about, refusals and unread objects left out."""
    world = question.world
    settings = world.settings
    return {
        "manifest": question.manifest,
        "objects": list(question.objects),
        "now": world.now.isoformat(),
        "classes": [list(each) for each in world.priority_classes],
        "settings": {
            "cluster_domain": settings.cluster_domain,
            "gang_scheduler": settings.gang_scheduler,
            "workload_api": settings.workload_api,
        },
    }


def from_json(value: Json) -> Question:
    """Read a question."""
    classes = tuple(PriorityClass(*each) for each in value["classes"])
    now = dt.datetime.fromisoformat(value["now"])
    world = World(now, Settings(**value["settings"]), classes)
    return Question(value["manifest"], tuple(value["objects"]), world)


class NoClock(dt.datetime):
    """A datetime that does not know what time it is."""

    @classmethod
    def now(cls, tz: object = None) -> NoReturn:
        """Refuse."""
        raise AssertionError(f"the clock was asked, for {tz}")

    utcnow = today = now


# What Python calls what reaches out of it (its table of audit events).
_FORBIDDEN: Final = (
    "open",
    "os.",
    "socket.",
    "subprocess.",
    "time.",
    "import",
    "glob.",
)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError("the machine was asked")


def _no_event(event: str, _: object) -> None:
    if event.startswith(_FORBIDDEN):
        raise AssertionError(f"the machine was asked: {event}")


def close_the_world() -> None:
    """Let every way to the outside raise."""
    for module, names in (
        (time, ("time", "time_ns", "monotonic", "perf_counter", "sleep")),
        (random, ("random", "randint", "choice", "shuffle", "getrandbits")),
        (os, ("urandom", "getenv", "getpid", "listdir", "stat")),
        (secrets, ("token_bytes", "token_hex", "randbits")),
        (socket, ("socket", "gethostname")),
        (uuid, ("uuid1", "uuid4")),
    ):
        for name in names:
            setattr(module, name, _refuse)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "mpijob" and hasattr(module, "datetime"):
            module.__dict__["datetime"] = NoClock
    sys.addaudithook(_no_event)


def answers(lines: Iterable[str]) -> list[str]:
    """Answer a question a line."""
    asked: list[Any] = [json.loads(line) for line in lines]
    return [json.dumps(canonical(from_json(each))) for each in asked]


def main() -> None:
    """Read all questions, and then answer with the world closed."""
    lines = sys.stdin.read().splitlines()
    write = sys.stdout.write
    close_the_world()
    write("\n".join(answers(lines)))


if __name__ == "__main__":
    main()
