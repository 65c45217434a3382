# SPDX-License-Identifier: Apache-2.0
"""Programs that were played on a real control plane, as they are kept in a file.

One line a program. Of objects there is what the automaton reads, and no more.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.traces.outcome import Outcome
from tests.traces.programs import read
from tests.traces.recorder import Written

Json = dict[str, Any]

KEPT: Final = Path(__file__).with_name("recorded.jsonl")

_POD_SPEC: Final = frozenset(
    ("nodeName", "nodeSelector", "restartPolicy", "terminationGracePeriodSeconds")
)
_POD_STATUS: Final = frozenset(("phase", "reason", "conditions", "containerStatuses"))


def write(outcomes: Iterable[Outcome], path: Path = KEPT) -> None:
    """Keep what became of programs."""
    path.write_text("".join(f"{_line(each)}\n" for each in outcomes), "utf-8")


def outcomes(path: Path = KEPT) -> Iterator[Outcome]:
    """Yield what became of programs."""
    for line in path.read_text("utf-8").splitlines():
        found = json.loads(line)
        log = tuple(Written(*each) for each in found["log"])
        deeds = tuple((kind, name) for kind, name in found["deeds"])
        yield Outcome(read(found["program"]), log, deeds=deeds)


def _line(outcome: Outcome) -> str:
    log = [(w.version, w.kind, w.gone, _trimmed(w.value)) for w in outcome.log]
    program, deeds = str(outcome.program), outcome.deeds
    return json.dumps({"program": program, "deeds": deeds, "log": log})


def _trimmed(value: Json) -> Json:
    metadata = {k: v for k, v in value["metadata"].items() if k != "managedFields"}
    if value["kind"] != "Pod":
        return {**value, "metadata": metadata}
    spec = {k: v for k, v in value["spec"].items() if k in _POD_SPEC}
    status = {k: v for k, v in value["status"].items() if k in _POD_STATUS}
    return {**value, "metadata": metadata, "spec": spec, "status": status}
