# SPDX-License-Identifier: Apache-2.0
"""How the operator logs: one line a record, a constant message and keys.

Rule: what others wrote is data. It goes under a key, cut to a length, its control
characters escaped, so that nobody can write a line of ours. Bodies of requests and of
answers are never logged, so no private key can be (B8.5).

    {"time": "2026-01-02T03:04:05.678Z", "level": "warning", "logger": "reflector",
     "event": "cannot watch", "kind": "Pod", "message": "no answer"}

    2026-01-02T03:04:05.678Z WARNING reflector: cannot watch kind=Pod code=410
"""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Final, TextIO

from mpijob_operator.field_path import printable

# More than the message of an Event or of a condition may have.
VALUE_MAX: Final = 2_000
# The end of a trace says the most: where it happened, and what it was.
TRACE_MAX: Final = 12_000

# Packages whose words are handed on when they warn. At DEBUG the client library logs
# the bodies of answers: no flag of ours brings it there.
OTHERS: Final = ("aiohttp", "asyncio", "kubernetes", "urllib3")
_OURS: Final = "mpijob_operator"
_PACKAGE: Final = f"{_OURS}.controller."

# What a record has by itself; whatever else it has are keys that were given.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message"}

# A value that needs no quotes in a line of text.
_PLAIN: Final = re.compile(r"[!#-<>-~]+")

Value = str | int | float | bool | None


def configure(style: str, level: str, stream: TextIO) -> None:
    """Have everything logged to a stream, as `json` or as `text`, from a level on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json() if style == "json" else Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())
    for name in OTHERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class Json(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(_fields(record))


class Text(logging.Formatter):
    """A line for people; below it, indented, the trace of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and those of a trace."""
        fields = _fields(record)
        trace = str(fields.pop("exception", "")).splitlines()
        level = str(fields.pop("level")).upper()
        time, logger, event = (fields.pop(key) for key in ("time", "logger", "event"))
        keys = "".join(f" {key}={_word(value)}" for key, value in fields.items())
        line = f"{time} {level} {logger}: {event}{keys}"
        return "\n".join((line, *(f"    {printable(t, VALUE_MAX)}" for t in trace)))


def _fields(record: logging.LogRecord) -> dict[str, Value]:
    """Return what a record says, each value safe to be shown."""
    time = datetime.fromtimestamp(record.created, UTC)
    fields: dict[str, Value] = {
        "time": f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1_000:03}Z",
        "level": record.levelname.lower(),
        "logger": record.name.removeprefix(_PACKAGE).removeprefix(f"{_OURS}."),
        "event": printable(record.getMessage(), VALUE_MAX),
    }
    for key, value in vars(record).items():
        if key not in _OWN:
            # A record has a `message` of its own: one that is given is `message_`.
            fields.setdefault(key.rstrip("_"), _value(value))
    if record.exc_info and record.exc_info[1] is not None:
        fields["exception"] = _trace(record.exc_info[1])
    return fields


def _value(value: object) -> Value:
    if value is None or isinstance(value, int | float):
        return value
    return printable(str(value), VALUE_MAX)


def _trace(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    return text if len(text) <= TRACE_MAX else "..." + text[3 - TRACE_MAX :]


def _word(value: Value) -> str:
    """Return a value as a line of text has it, in quotes where it must be."""
    text = "null" if value is None else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
