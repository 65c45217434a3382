# SPDX-License-Identifier: Apache-2.0
"""An answer and its plan as one text, the same for equal answers, to the byte."""

import enum
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from attrs import asdict

from mpijob import plan
from properties.strategies import Question


def canonical(question: Question) -> str:
    """Return the answer to a question, and the plan, as text."""
    job, observed = question.job, question.observed
    answer = question.answer
    return text_of([answer, plan(job, observed, answer)])


def text_of(value: object) -> str:
    """Return any value of ours as text."""
    return json.dumps(_plain(value), sort_keys=True, indent=1)


def _plain(value: object) -> object:
    match value:
        case enum.Enum() | datetime() | timedelta():
            return str(value)
        case None | str() | int() | float():
            return value
        case Mapping():
            fields = cast("Mapping[object, object]", value)
            return {str(key): _plain(part) for key, part in fields.items()}
        case frozenset():
            return sorted(map(text_of, cast("frozenset[object]", value)))
        case list() | tuple():
            parts = cast("list[object]", value)
            name = [type(parts).__name__] if hasattr(parts, "_fields") else []
            return [*name, *map(_plain, parts)]
        case _:
            known = asdict(cast("Any", value), recurse=False)
            return _plain({"": type(value).__name__, **known})
