# SPDX-License-Identifier: Apache-2.0
"""`mpijob replay`: ask the function once more what the controller asked it."""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import mpijob
from mpijob.loose import mapping, mappings
from mpijob_operator import hook_request
from mpijob_operator.field_path import printable
from mpijob_operator.requests import request_of
from mpijob_operator.streams import Streams

DIFFERENT: Final = 1


# A refusal in the cluster's words, and the path of what was refused.
_LINE_MAX: Final = 300


_NO_RECORDING: Final = "this is no recording of `mpijob run`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="what `mpijob run --record` wrote, or a folder of it",
    )


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Replay each recording; exit 1 where one comes out otherwise or cannot be read."""
    same = [_replayed(each, streams) for name in arguments.files for each in _in(name)]
    return 0 if all(same) else DIFFERENT


def _in(name: str) -> list[str]:
    """Return the recordings of a folder, as they were written; a file as it is."""
    folder = Path(name)
    if not folder.is_dir():
        return [name]
    return [str(path) for path in sorted(folder.glob("*.json"))] or [name]


def _replayed(name: str, streams: Streams) -> bool:
    shown = printable(name)
    try:
        recording = mapping(json.loads(Path(name).read_text("utf-8")))
        if "request" not in recording:
            streams.error(f"{shown}: there is no request in it", _NO_RECORDING)
            return False
        answers = mappings(recording.get("answers"))
        asked = hook_request.question(recording["request"])
    except RecursionError:
        streams.error(f"{shown}: it is nested too deeply", _NO_RECORDING)
        return False
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            streams.error(f"{shown}: {printable(str(error.strerror))}")
        else:
            streams.error(f"{shown}: this is not JSON: {error}", _NO_RECORDING)
        return False
    except hook_request.Malformed as error:
        streams.error(f"{shown}: {error}", _NO_RECORDING)
        return False
    job = asked.job
    answer = mpijob.reconcile(job, asked.observed, asked.world)
    plan = mpijob.plan(job, asked.observed, answer)
    now = [[_as_json(job, action) for action in step] for step in plan]
    streams.print(f"{shown}: MPIJob {job.namespace}/{job.name} {answer.stage.name}")
    streams.print(f"  {answer.because}")
    for sent in answers:
        keys = ("code", "method", "path", "message")
        line = " ".join(str(sent.get(key, "")) for key in keys)
        streams.print(printable(f"  {line}", _LINE_MAX))
    if now == recording.get("steps"):
        streams.print("  Asked again, the function plans the same.")
        return True
    from mpijob_operator import differences  # noqa: PLC0415 - seldom needed.

    streams.print("  Asked again, the function plans something else:")
    for difference in differences.differences(recording.get("steps"), now):
        streams.print(f"  {difference}")
    return False


def _as_json(job: mpijob.MPIJob, action: mpijob.Action) -> Any:  # noqa: ANN401 - JSON.
    return json.loads(json.dumps(request_of(job, action).as_json(), default=dict))
