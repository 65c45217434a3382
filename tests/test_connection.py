# SPDX-License-Identifier: Apache-2.0
"""Finding a cluster: what is wrong with a kubeconfig is said, without its words."""

import asyncio
from pathlib import Path
from typing import Final

import pytest
from kubernetes.aio import config

from mpijob_operator.controller.connection import connect, namespace
from tests.states import said

TOKEN: Final = "a-token-of-somebody"  # noqa: S105 - it opens nothing.
GOOD: Final = f"""\
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: k, cluster: {{server: "https://127.0.0.1:1/"CLUSTER}}}}]
contexts: [{{name: here, context: {{cluster: k, user: u}}}}]
users: [{{name: u, user: {{token: {TOKEN}USER}}}}]
"""


def kubeconfig(cluster: str = "", user: str = "") -> str:
    """Return one with more fields in its cluster and its user."""
    return GOOD.replace("CLUSTER", cluster).replace("USER", user)


NONE: Final = "it is no kubeconfig"
UNREAD: Final = "a certificate or a key in it cannot be read"
TEXT: Final = "aGVsbG8="
CA: Final = ", certificate-authority-data: "
PAIR: Final = f", client-certificate-data: {TEXT}, client-key-data: {TEXT}"
MISTAKES: Final[dict[str, tuple[str | bytes, str]]] = {
    "empty": ("", NONE),
    "binary": (bytes(range(256)), NONE),
    "a list": ("[1]", NONE),
    "a text": ("hello", NONE),
    "no YAML": (f"users:\n\t- {{token: {TOKEN}", NONE),
    "an authority that is none": (kubeconfig(f"{CA}'!!'"), UNREAD),
    "an authority that is a text": (kubeconfig(f"{CA}{TEXT}"), UNREAD),
    "a pair of keys that is a text": (kubeconfig(user=PAIR), UNREAD),
    "a context that is not there": (
        kubeconfig().replace("text: here", "text: x"),
        "name x",
    ),
}
mistakes = pytest.mark.parametrize(
    ("content", "words"), MISTAKES.values(), ids=MISTAKES.keys()
)


@pytest.fixture
def place(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def why(kubeconfig: Path) -> str:
    with pytest.raises(config.ConfigException) as raised:
        asyncio.run(connect(str(kubeconfig)))
    return str(raised.value)


@pytest.mark.rule("B8.5")
@mistakes
def test_what_is_wrong_with_a_kubeconfig_is_said(place: Path, words: str) -> None:
    told = why(place)
    assert str(place) in told
    assert words in told
    assert TOKEN not in told


@pytest.mark.rule("B8.5")
@mistakes
def test_who_asks_the_cluster_sees_no_traceback(place: Path, words: str) -> None:
    told = said("explain", "pi", "--live", "--kubeconfig", str(place))
    assert (told.code, told.out) == (1, "")
    assert words in told.err
    assert TOKEN not in told.err


def test_a_kubeconfig_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert why(tmp_path / "x") == f"{tmp_path / 'x'}: there is no such file"


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    assert why(tmp_path) == f"{tmp_path}: is a directory"


def test_a_server_that_is_named_stands_for_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig())
    found = asyncio.run(connect(str(path)))
    assert found.server == "https://127.0.0.1:1"
    assert asyncio.run(found.headers()) == {"Authorization": f"Bearer {TOKEN}"}
    assert TOKEN not in repr(found)
    assert asyncio.run(connect(str(path), "https://k8s/")).server == "https://k8s"


def test_the_namespace_is_that_of_the_context(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig())
    assert not namespace(str(path))
    path.write_text(kubeconfig().replace("user: u}", "user: u, namespace: hpc}"))
    assert namespace(str(path)) == "hpc"
    # Whoever connects says what is wrong.
    path.write_text("hello")
    assert not namespace(str(path))
    assert not namespace(str(tmp_path / "none"))
    assert capfd.readouterr() == ("", "")
