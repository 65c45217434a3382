# SPDX-License-Identifier: Apache-2.0
"""What the log says of jobs."""

import logging
from typing import Any

import pytest

from mpijob_operator.controller.journal import Journal
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Verb
from tests.room import Room

LOGGER = "mpijob_operator.controller.journal"
QUOTA = Answer(403, {"reason": "Forbidden", "message": "exceeded quota: pods"})


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the lines of the journal: the event, its level, and the keys."""
    keys = ("job", "reason", "kind", "name_", "code", "why", "others", "stage")
    return [
        {"event": record.message, "level": record.levelname}
        | {key: vars(record)[key] for key in keys if key in vars(record)}
        for record in caplog.records
        if record.name == LOGGER
    ]


@pytest.fixture
def room() -> Room:
    made = Room()
    made.controller.witnesses = (*made.controller.witnesses, Journal())
    made.submit()
    made.deliver()
    return made


def test_what_is_told_of_a_job_is_logged(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    room.look()
    (told,) = logged(caplog)
    assert told == {
        "event": "told",
        "level": "INFO",
        "job": "hpc/pi",
        "reason": "MPIJobCreated",
    }


def test_many_that_are_refused_are_one_line(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    room.api.instead[Verb.CREATE, "Pod"] = QUOTA
    room.look()
    (refused,) = logged(caplog)
    assert (refused["event"], refused["code"]) == ("not done", 403)
    assert (refused["kind"], refused["name_"]) == ("Pod", "pi-worker-0")
    assert refused["why"] == "exceeded quota: pods"


@pytest.mark.rule("B8.2")
def test_a_conflict_is_no_trouble(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    room.api.instead[Verb.REPLACE, "MPIJob"] = Answer(409, {"reason": "Conflict"})
    room.look()
    assert logged(caplog) == []


def test_every_look_and_request_is_there_for_who_asks(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    room.look()
    room.deliver()
    room.look()
    lines = logged(caplog)
    sent = {line["kind"] for line in lines if line["event"] == "sent"}
    assert sent >= {"MPIJob", "Service", "ConfigMap", "Secret", "Pod", "Job"}
    looked = [line["stage"] for line in lines if line["event"] == "looked"]
    assert looked == ["Starting", "Starting"]
    assert "PRIVATE" not in caplog.text
