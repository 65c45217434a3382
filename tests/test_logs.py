# SPDX-License-Identifier: Apache-2.0
"""What the operator logs: one line a record, whatever others wrote into it."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from mpijob_operator.controller import logs
from tests.builders import cases

pytestmark = pytest.mark.rule("B8.5")

LOG = logging.getLogger("mpijob_operator.controller.reflector")
FORGED = 'fine\n{"level": "error", "event": "forged"}\r\x1b[31m\u2028\u202e\x00'


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    names = ("mpijob_operator", *logs.OTHERS)
    levels = {name: logging.getLogger(name).level for name in names}
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def logged(style: str = "json", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(style, level, stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_object() -> None:
    stream = logged()
    LOG.warning("cannot watch", extra={"kind": "Pod", "code": 410, "again_in_s": 0.5})
    (said,) = lines(stream)
    assert said.pop("time").endswith("Z")
    assert said == {
        "level": "warning",
        "logger": "reflector",
        "event": "cannot watch",
        "kind": "Pod",
        "code": 410,
        "again_in_s": 0.5,
    }


def test_a_time_is_that_of_the_record_in_utc() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "msg": "y", "created": 1767322984.0078}
    )
    said = json.loads(logs.Json().format(record))
    assert said["time"] == "2026-01-02T03:03:04.007Z"


def test_a_record_is_one_line_of_text() -> None:
    stream = logged("text")
    LOG.warning("cannot watch", extra={"kind": "Pod", "why": "no answer", "x": None})
    time, _, rest = stream.getvalue().partition(" ")
    assert time.endswith("Z")
    assert rest == ('WARNING reflector: cannot watch kind=Pod why="no answer" x=null\n')


def test_a_message_that_is_given_is_called_so() -> None:
    stream = logged()
    LOG.warning("cannot watch", extra={"message_": "too old"})
    assert lines(stream)[0]["message"] == "too old"


def test_no_key_takes_the_place_of_what_a_record_is() -> None:
    stream = logged()
    LOG.info("synced", extra={"level": "debug", "event": "x", "time": "never"})
    said = lines(stream)[0]
    assert (said["level"], said["event"]) == ("info", "synced")
    assert said["time"] != "never"


@pytest.mark.parametrize("style", ["json", "text"])
def test_nobody_can_write_a_line_of_ours(style: str) -> None:
    stream = logged(style)
    LOG.info("refused", extra={"why": FORGED, "job": FORGED})
    LOG.info(FORGED)
    LOG.info("said %s", FORGED)
    written = stream.getvalue()
    assert written.count("\n") == 3
    assert all(c == "\n" or c.isprintable() for c in written)
    if style == "json":
        assert written.isascii()
        assert [line["level"] for line in lines(stream)] == ["info"] * 3


def test_a_quoted_value_cannot_be_left() -> None:
    stream = logged("text")
    LOG.info("refused", extra={"why": 'a" level=error b', "who": "a=b"})
    assert stream.getvalue().endswith(r'why="a\" level=error b" who="a=b"' + "\n")


@cases(
    "value, expected",
    {
        "a long one is cut": ("x" * 9_999, "x" * (logs.VALUE_MAX - 3) + "..."),
        "a list is its text": (["a", "b"], "['a', 'b']"),
        "a number is a number": (7, 7),
        "truth is truth": (True, True),
        "nothing is nothing": (None, None),
        "an error is what it says": (ValueError("bad\n"), "bad\\n"),
    },
)
def test_a_value(value: object, expected: object) -> None:
    stream = logged()
    LOG.info("said", extra={"value": value})
    assert lines(stream)[0]["value"] == expected


def fail(words: str) -> None:
    raise ValueError(words)


def failing(words: str) -> None:
    try:
        fail(words)
    except ValueError:
        LOG.exception("cannot reconcile", extra={"job": "hpc/pi"})


def test_an_exception_is_told_with_its_trace() -> None:
    stream = logged()
    failing("bad")
    (said,) = lines(stream)
    assert said["exception"].endswith("ValueError: bad\n")
    assert "in failing" in said["exception"]


def test_a_trace_is_indented_and_forges_nothing() -> None:
    stream = logged("text")
    failing("bad\n2026 ERROR forged\x1b[31m")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("reflector: cannot reconcile job=hpc/pi")
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_of_a_long_trace_the_end_is_told() -> None:
    stream = logged()
    failing("x" * 50_000 + "the end")
    said = lines(stream)[0]["exception"]
    assert len(said) == logs.TRACE_MAX
    assert said.startswith("...")
    assert said.endswith("the end\n")


def test_an_exception_that_is_none_is_not_told() -> None:
    stream = logged()
    LOG.error("odd", exc_info=(None, None, None))
    assert "exception" not in lines(stream)[0]


def test_what_is_below_the_level_is_not_logged() -> None:
    stream = logged(level="warning")
    LOG.info("synced")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("name", ["kubernetes.aio.client.rest", "aiohttp.client"])
def test_no_flag_has_the_client_library_log_bodies(name: str) -> None:
    stream = logged(level="debug")
    logging.getLogger(name).debug("response body: %s", "-----BEGIN KEY-----")
    logging.getLogger(name).info("response body: %s", "-----BEGIN KEY-----")
    LOG.debug("looked")
    assert [line["event"] for line in lines(stream)] == ["looked"]
    logging.getLogger(name).warning("it is slow")
    assert lines(stream)[1]["logger"] == name


def test_warnings_are_logged_too() -> None:
    stream = logged()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old" in lines(stream)[0]["event"]


def test_configured_twice_nothing_is_logged_twice() -> None:
    logged()
    stream = logged()
    LOG.info("synced")
    assert len(lines(stream)) == 1
