# SPDX-License-Identifier: Apache-2.0
"""The function as a service: one request of JSON, one answer of JSON, whatever comes.

The bytes come from strangers and the answer goes to a program, so every request has an
answer of the published schema: a failure names its reason and where, and shows no
value. No request changes what another one is answered.
"""

import json
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final

import mpijob
from mpijob.loose import mapping
from mpijob_operator import hook_answer, hook_request, kubectl_json
from mpijob_operator.hook_request import VERSION, Malformed
from mpijob_operator.kubectl_scalars import Refused

# 10,000 pods are about 100 MB, as the API server prints them.
REQUEST_BYTES_MAX: Final = 128 * 1024 * 1024

TOO_LARGE: Final = f"a request has at most {REQUEST_BYTES_MAX} bytes"

# As the schema has it.
_ID_MAX: Final = 253

# What one kind of request is answered, once it is JSON.
Reply = Callable[[object], dict[str, Any]]


def reconcile(document: object) -> dict[str, Any]:
    """Answer a request of the contract.

    Raises:
        Malformed: It is none.
    """
    said = hook_answer.answer(hook_request.question(document))
    return {**_id(document), **said}


def answered(data: bytes, reply: Reply = reconcile) -> dict[str, Any]:
    """Answer the bytes of one request; a failure is an answer too."""
    document: object = None
    try:
        if len(data) > REQUEST_BYTES_MAX:
            return failure("TooLarge", TOO_LARGE)
        document = _parsed(data)
        return reply(document)
    except Malformed as error:
        said = failure("Malformed", str(error.problems[0]), error.problems)
        return {**_id(document), **said}
    except Refused as error:
        return failure("NotJson", error.message)
    except Exception as error:  # noqa: BLE001 - no request may end the service.
        return {**_id(document), **failure("Internal", _place_of(error))}


def text(said: dict[str, Any]) -> str:
    """Write an answer on one line, in ASCII: no locale can spoil it."""
    return json.dumps(said, separators=(",", ":"), allow_nan=False)


def failure(
    reason: str, message: str, problems: Iterable[mpijob.Problem] = ()
) -> dict[str, Any]:
    """Return the answer to a request that cannot be answered."""
    found = hook_answer.problems(problems)
    return {
        "version": VERSION,
        "error": {
            "reason": reason,
            "path": found[0]["path"] if found else "",
            "message": message,
            "problems": found,
        },
    }


def _parsed(data: bytes) -> object:
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"this is not UTF-8: byte {error.start} is of no text") from None
    if not found.lstrip().startswith("{"):
        raise Refused("a request is a JSON object, and begins with {")
    value, _, end = next(kubectl_json.values_of(found))
    if found[end:].strip():
        raise Refused("a request is one JSON object, and here something follows it")
    return value


def _id(document: object) -> dict[str, str]:
    """Return the caller's id, also where the rest of the request is refused."""
    value = mapping(document).get("id")
    return {"id": value} if isinstance(value, str) and len(value) <= _ID_MAX else {}


def _place_of(error: Exception) -> str:
    """Say where our mistake is, for a report; the values are the caller's own."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
    return f"this request met a mistake of ours: {type(error).__name__} at {where}"
