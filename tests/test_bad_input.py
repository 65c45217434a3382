# SPDX-License-Identifier: Apache-2.0
"""Whatever a user gives or does, the answer is a sentence and an exit code.

``{}`` in an expected line stands for the file. What a process alone can show, a closed
pipe and Ctrl-C, is shown by one.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpijob.loose import mapping, sequence
from mpijob_operator.cli import COMMANDS
from tests.states import new, said

MPIJOB = "apiVersion: kubeflow.org/v2beta1\nkind: MPIJob\n"
AN_OBJECT = "hint: an object begins with apiVersion and kind"

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{key}: &{key} [{','.join([f'*{before}'] * 9)}]\n"
    for before, key in zip("abcdefghi", "bcdefghij", strict=True)
)


def of_version(version: str) -> bytes:
    return f"apiVersion: kubeflow.org/{version}\nkind: MPIJob\nspec: {{}}\n".encode()


CASES = [
    pytest.param(b"", ["error: {}: there is no object in it", AN_OBJECT], id="nothing"),
    pytest.param(
        b"# to be written\n---\n",
        ["error: {}: there is no object in it", AN_OBJECT],
        id="comments alone",
    ),
    pytest.param(
        b"\x7fELF\0\1\2",
        ["error: {}:1: this is not text: it has a zero byte"],
        id="a binary",
    ),
    pytest.param(
        MPIJOB.encode("utf-16"),
        ["error: {}:1: this is UTF-16, and must be UTF-8", "hint: save it as UTF-8"],
        id="UTF-16",
    ),
    pytest.param(
        BOMB.encode(),
        [
            "error: {}:7: aliases repeat more than 3 MiB of this document",
            "hint: write out what differs; etcd takes 1.5 MiB for an object",
        ],
        id="a YAML bomb",
    ),
    pytest.param(
        b"[" * 10_000_000,
        ["error: {}:1: this is nested more than 100 levels deep"],
        id="10 MB of nesting",
    ),
    pytest.param(
        b'{"a":' * 2_000_000,
        ["error: {}:1: this is nested more than 100 levels deep"],
        id="10 MB of nesting in JSON",
    ),
    pytest.param(
        f"{MPIJOB}metadata:\n  name: a\n  name: b\n".encode(),
        [
            'error: {}:5: the key "name" is given again; line 4 has it, too',
            "hint: remove one; kubectl takes the last and drops the other",
        ],
        id="a key given twice",
    ),
    pytest.param(
        f"{MPIJOB}metadata:\n\tname: a\n".encode(),
        [
            "error: {}:4: this is not YAML: a tab stands where only spaces may",
            "hint: indent with spaces",
        ],
        id="tabs",
    ),
    pytest.param(
        b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n",
        [
            "note: {}:1: Deployment web is no MPIJob, and is passed over",
            "error: there is no MPIJob in what was given",
            "hint: an MPIJob begins with apiVersion: kubeflow.org/v2beta1",
        ],
        id="another kind",
    ),
    pytest.param(
        of_version("v1"),
        [
            (
                "error: {}:1: apiVersion is kubeflow.org/v1, and must be"
                " kubeflow.org/v2beta1"
            ),
            (
                "hint: cleanPodPolicy belongs under runPolicy, mainContainer is gone,"
                " and workers need sshd in their image"
            ),
        ],
        id="version v1",
    ),
    pytest.param(
        of_version("v2beta9"),
        [
            (
                "error: {}:1: apiVersion is kubeflow.org/v2beta9, and must be"
                " kubeflow.org/v2beta1"
            ),
            "hint: write kubeflow.org/v2beta1",
        ],
        id="a version that never was",
    ),
    pytest.param(
        b"kind: List\napiVersion: v1\nitems:\n- 5\n- apiVersion: v1\n  kind: Pod\n",
        [
            "error: {}:4: this is a number, and must be an object",
            AN_OBJECT,
            "note: {}:5: Pod is no MPIJob, and is passed over",
        ],
        id="a List of this and that",
    ),
    pytest.param(
        b"{} 5",
        [
            "error: {}:1: this object has no apiVersion and no kind",
            AN_OBJECT,
            "error: {}:1: this is a number, and must be an object",
            AN_OBJECT,
        ],
        id="JSON values in a row",
    ),
    pytest.param(
        b"- a\n- b\n",
        ["error: {}:1: this is a list, and must be an object", AN_OBJECT],
        id="a list",
    ),
]


@pytest.mark.parametrize("command", ["plan", "explain", "simulate"])
@pytest.mark.parametrize(("content", "expected"), CASES)
def test_a_file_that_cannot_be_used(
    content: bytes, expected: list[str], command: str, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_bytes(content)
    done = said(command, "-f", str(file))
    assert done.code == 1
    assert done.out == ""
    assert done.lines() == [line.replace("{}", str(file)) for line in expected]


@pytest.mark.parametrize(("content", "expected"), CASES)
def test_validate_says_the_same_and_counts(
    content: bytes, expected: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_bytes(content)
    done = said("validate", "-f", str(file))
    assert done.code == 1
    found = {line for line in done.lines() if not line[0].isdigit()}
    assert found - {done.out.splitlines()[-1]} == {
        line.replace("{}", str(file)) for line in expected
    }


def test_a_list_of_jobs_is_taken_apart() -> None:
    jobs = [json.loads(new(name=name, workers=0)) for name in ("a", "b")]
    given = {"apiVersion": "v1", "kind": "List", "items": jobs}
    done = said("validate", "-f", "-", stdin=json.dumps(given).encode())
    assert done.out.splitlines()[-1] == "2 MPIJobs, 2 errors, no warnings"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "mpijob.yaml").write_text(MPIJOB)
    done = said("plan", "-f", str(tmp_path / "mpijobs.yaml"))
    assert done.code == 1
    assert done.lines() == [
        f"error: {tmp_path}/mpijobs.yaml: there is no such file",
        f"hint: did you mean {tmp_path}/mpijob.yaml?",
    ]


def test_a_folder_without_manifests(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none here")
    done = said("validate", "-f", str(tmp_path))
    assert done.code == 1
    assert done.out.startswith(f"error: {tmp_path}: this folder has no file that ends")


def test_a_file_that_cannot_be_read() -> None:
    # Nobody, not even root, can read the first page of a process.
    done = said("plan", "-f", "/proc/self/mem")
    assert done.code == 1
    assert done.err == "error: /proc/self/mem: cannot be read: input/output error\n"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    with file.open("wb") as stream:
        stream.truncate(17 * 1024 * 1024)
    done = said("plan", "-f", str(file))
    assert "larger than 16 MiB" in done.err


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    job = f'{MPIJOB}metadata: {{name: "a\\e[31mb"}}\nspec: {{"x\\e[2J": 1}}\n'
    for command in ("plan", "validate", "explain"):
        done = said(command, "-f", "-", stdin=job.encode())
        assert done.code == 1
        assert "\x1b" not in done.out + done.err


def test_a_manifest_may_be_anything_that_json_is() -> None:
    whole = json.loads(new(workers=2))
    for path in places(whole):
        for odd in ODD:
            job: Any = json.loads(json.dumps(whole))
            holder = job
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = odd
            done = said("plan", "-f", "-", stdin=json.dumps(job).encode())
            assert done.code in (0, 1), (path, odd)


ODD: list[Any] = [None, [], {}, 7, "x", True, [{}], {"a": None}]


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of everything inside a value."""
    inside = [*mapping(value).items(), *enumerate(sequence(value))]
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


# --- The command line ---------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(
            ["plam"],
            ["error: there is no command plam", "hint: did you mean plan?"],
            id="a command misspelt",
        ),
        pytest.param(
            ["frobnicate"],
            [
                "error: there is no command frobnicate",
                f"hint: there are {', '.join(COMMANDS)}",
            ],
            id="no command of ours",
        ),
        pytest.param(
            ["--verbose"],
            [
                "error: there is no option --verbose",
                f"hint: there are {', '.join(COMMANDS)}",
            ],
            id="an option before the command",
        ),
        pytest.param(
            ["plan"],
            ["error: there is nothing to plan", "hint: name a manifest with -f FILE"],
            id="-f is missing",
        ),
        pytest.param(
            ["explain"],
            [
                "error: there is nothing to explain",
                (
                    "hint: name what kubectl printed with --observed STATE,"
                    " or a manifest with -f"
                ),
            ],
            id="nothing to explain",
        ),
        pytest.param(
            ["validate"],
            [
                "error: the following arguments are required: -f/--filename",
                "hint: name a manifest: mpijob validate -f FILE",
            ],
            id="nothing to validate",
        ),
        pytest.param(
            ["plan", "--obsreved", "x"],
            [
                "error: mpijob plan takes no option --obsreved",
                "hint: did you mean --observed?",
            ],
            id="an option misspelt",
        ),
        pytest.param(
            ["crd", "twice"],
            [
                "error: mpijob crd takes no argument twice",
                "hint: `mpijob crd --help` shows what it takes",
            ],
            id="a word too many",
        ),
        pytest.param(
            ["plan", "-f", "-", "--now", "noon"],
            [
                "error: argument --now: 'noon' is no time as 2030-01-01T12:00:00Z",
                "hint: `mpijob plan --help` shows what it takes",
            ],
            id="a time that is none",
        ),
        pytest.param(
            ["plan", "-f", "-", "--with-ssh-key"],
            ["error: --with-ssh-key is for -o yaml and -o json alone"],
            id="a key that nobody would see",
        ),
        pytest.param(
            ["plan", "-f", "-", "--steps", "-o", "diff"],
            [
                "error: --steps has no -o diff",
                "hint: choose text, yaml or json",
            ],
            id="steps as a difference",
        ),
    ],
)
def test_a_command_line_that_is_none(words: list[str], expected: list[str]) -> None:
    done = said(*words)
    assert done.code == 2
    assert done.lines() == expected


# --- As a process -------------------------------------------------------------


def process(*words: str) -> subprocess.Popen[bytes]:
    # A job in the background ignores Ctrl-C, and so would all that it starts.
    anew = ("env", "--default-signal=INT")
    return subprocess.Popen(
        [*anew, sys.executable, "-m", "mpijob_operator", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_reader_who_leaves_is_not_an_error() -> None:
    with process("crd") as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait() == 128 + signal.SIGPIPE
        assert running.stderr is not None
        assert running.stderr.read() == b""


def test_ctrl_c_ends_without_a_word() -> None:
    with process("hook", "--lines") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(b"{}\n")
        running.stdin.flush()
        assert running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait() == 128 + signal.SIGINT
        assert running.stderr.read() == b""


def test_a_full_disk_is_said() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mpijob_operator", "crd"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write: no space left on device\n"


def test_no_arguments_print_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mpijob_operator"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "  plan       show what would be made" in done.stdout
