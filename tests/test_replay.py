# SPDX-License-Identifier: Apache-2.0
"""`mpijob replay`, and `mpijob run` where it cannot even begin."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

import mpijob
from mpijob.names import Child
from mpijob_operator.cli import main
from mpijob_operator.controller.controller import Look
from mpijob_operator.controller.recorder import Recorder
from mpijob_operator.controller.store import Key, Seen, Store, ref_of
from mpijob_operator.executor import Answer, start
from mpijob_operator.streams import Streams
from tests.builders import a_manifest

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PI = Key("hpc", "pi")
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "pi-ssh",
        "namespace": "hpc",
        "labels": {"training.kubeflow.org/job-name": "pi"},
    },
    "data": {"ssh-privatekey": "c2VjcmV0"},
}


def run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(words, Streams(io.BytesIO(), out, err))
    return code, out.getvalue(), err.getvalue()


def a_look() -> Look:
    """A start of which the first write was answered."""
    store = Store(keeps_manifests=True)
    manifest = a_manifest()
    metadata = {"name": "pi", "namespace": "hpc", "uid": "u", "resourceVersion": "7"}
    store.put_job({**manifest, "metadata": metadata})
    store.put(SECRET)
    job = store.jobs[PI]
    refusal = mpijob.Refusal(Child.WORKER, "pi-worker-0", "Forbidden", "no")
    classes = (mpijob.PriorityClass("high", 10),)
    seen = mpijob.Observed(refusals=(refusal,))
    world = mpijob.World(NOW, mpijob.Settings(), classes)
    answer = mpijob.reconcile(job, seen, world)
    plan = mpijob.plan(job, seen, answer)
    execution = start(job, plan)
    said = Answer(403, {"message": "not you"})
    call = execution.ready()[0]
    execution = execution.answered(call.number, said)
    sights: tuple[Seen, ...] = tuple(store.bucket(PI).values())
    return Look(
        PI,
        job,
        seen,
        sights,
        store.manifests[PI],
        world,
        answer,
        plan,
        execution,
        ((call.action, said),),
    )


def test_a_recording_is_planned_alike(tmp_path: Path) -> None:
    Recorder(str(tmp_path)).acted(a_look())
    (path,) = tmp_path.glob("*.json")
    assert path.name == "20300101T000000-000001-hpc-pi.json"
    assert "c2VjcmV0" not in path.read_text()
    # The Secret counts as there in the replay; the look above saw nothing.
    recording = json.loads(path.read_text())
    recording["request"]["observed"] = []
    path.write_text(json.dumps(recording))
    code, out, err = run("replay", str(path))
    assert (code, err) == (0, "")
    assert "403 PUT" in out
    assert "not you" in out
    assert "the function plans the same" in out


def test_what_is_planned_otherwise_is_told(tmp_path: Path) -> None:
    Recorder(str(tmp_path)).acted(a_look())
    (path,) = tmp_path.glob("*.json")
    code, out, _ = run("replay", str(path))
    assert code == 1
    assert "the function plans something else" in out


def test_a_folder_is_replayed_in_its_order(tmp_path: Path) -> None:
    recorder, look = Recorder(str(tmp_path)), a_look()
    for second in (2, 1):
        world = look.world._replace(now=NOW.replace(second=second))
        recorder.acted(evolve(look, world=world))
    _, out, err = run("replay", str(tmp_path))
    assert err == ""
    assert out.index("T000001-") < out.index("T000002-")


@pytest.mark.parametrize("key", ["answers", "steps"])
@pytest.mark.parametrize("value", [7, "x", [7], {"a": 1}, None])
def test_a_damaged_recording_is_replayed_as_far_as_it_goes(
    tmp_path: Path, key: str, value: object
) -> None:
    Recorder(str(tmp_path)).acted(a_look())
    (path,) = tmp_path.glob("*.json")
    recording = json.loads(path.read_text())
    path.write_text(json.dumps({**recording, key: value}))
    code, out, err = run("replay", str(path))
    assert (code, err) == (1, "")
    assert "Asked again" in out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "this is not JSON: Expecting"),
        ("{}", "there is no request in it"),
        ("[]", "there is no request in it"),
        ('{"request": {}}', "version is missing"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    code, _, err = run("replay", str(path))
    assert code == 1
    assert told in err


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, _, err = run("replay", str(tmp_path / "none.json"))
    assert code == 1
    assert "none.json: No such file" in err


def test_the_oldest_recordings_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpijob_operator.controller.recorder.FILES_MAX", 2)
    recorder, look = Recorder(str(tmp_path)), a_look()
    for second in range(3):
        world = look.world._replace(now=NOW.replace(second=second))
        recorder.acted(evolve(look, world=world))
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_a_folder_takes_no_more_room_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = a_look()
    Recorder(str(tmp_path)).acted(look)
    (first,) = tmp_path.glob("*.json")
    room = int(2.5 * first.stat().st_size)
    monkeypatch.setattr("mpijob_operator.controller.recorder.BYTES_MAX", room)
    recorder = Recorder(str(tmp_path))
    for second in range(1, 5):
        world = look.world._replace(now=NOW.replace(second=second))
        recorder.acted(evolve(look, world=world))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.json")) <= room
    assert not first.exists()


def test_what_we_did_not_write_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder may hold other files, and may be cleared while we write."""
    (tmp_path / "0-package.json").write_text("{}")
    monkeypatch.setattr("mpijob_operator.controller.recorder.FILES_MAX", 1)
    recorder, look = Recorder(str(tmp_path)), a_look()
    recorder.acted(look)
    for path in tmp_path.glob("2*.json"):
        path.unlink()
    for second in (1, 2):
        world = look.world._replace(now=NOW.replace(second=second))
        recorder.acted(evolve(look, world=world))
    assert (tmp_path / "0-package.json").exists()
    assert len([*tmp_path.glob("*.json")]) == 2


def test_a_disk_that_is_full_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(str(tmp_path / "gone"))
    recorder.acted(a_look())
    recorder.took(0.0)
    recorder.left(PI)
    assert "cannot record" in caplog.text


def test_an_operator_without_a_cluster_says_so(tmp_path: Path) -> None:
    code, _, err = run("run", "--kubeconfig", str(tmp_path / "none"))
    assert code == 1
    assert "there is no way to a cluster" in err


def test_a_flag_that_cannot_be_is_a_usage_error() -> None:
    code, _, err = run("run", "--threadiness=none")
    assert code == 2
    assert "--threadiness" in err


def test_where_an_object_is_counts_its_namespace() -> None:
    assert ref_of({"kind": "Pod"}).namespace == "default"
