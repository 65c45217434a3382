# SPDX-License-Identifier: Apache-2.0
"""What is read of what a user names after `-f`, and what is said of the rest.

YAML itself is in test_kubectl_yaml; here are files, folders, streams and Lists.
"""

import builtins
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpijob_operator import documents
from mpijob_operator.documents import Document, InputError, read

POD = "apiVersion: v1\nkind: Pod\n"
POD_JSON = '{"apiVersion": "v1", "kind": "Pod"}'
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*/mpijob.yaml"))


def given_on_stdin(text: str | bytes) -> documents.Documents:
    data = text.encode() if isinstance(text, str) else text
    return read(["-"], io.BytesIO(data))


def named(text: str, name: str) -> str:
    return f"{text}metadata:\n  name: {name}\n"


def names(given: documents.Documents) -> list[object]:
    return [document.value.get("metadata") for document in given.documents]


READ = {
    "one document": (POD, 1),
    "two documents": (f"{POD}---\n{POD}", 2),
    "a comment behind the dashes": (f"{POD}--- # second\n{POD}", 2),
    "empty documents between": (f"---\n---\n{POD}---\n# nothing\n---\n{POD}---\n", 2),
    "null as a document": (f"null\n---\n{POD}", 1),
    "lines that end as on Windows": (f"{POD}---\n{POD}".replace("\n", "\r\n"), 2),
    "a byte order mark": (f"\ufeff{POD}", 1),
    "JSON": (POD_JSON, 1),
    "JSON after JSON": (f"{POD_JSON}{POD_JSON}\n{POD_JSON}\n", 3),
    "JSON, then YAML": (f"{POD_JSON}\n---\n{POD}", 2),
    "JSON with a comment, which is YAML": (f"{POD_JSON}\n# a comment\n", 1),
    "YAML that begins like JSON": ("{apiVersion: v1, kind: Pod}", 1),
    "a List": (f"apiVersion: v1\nkind: List\nitems: [{POD_JSON}, {POD_JSON}]", 2),
    "a List in a List": (
        f'{{"kind": "List", "items": [{{"kind": "List", "items": [{POD_JSON}]}}]}}',
        1,
    ),
    "an empty List": ("apiVersion: v1\nkind: List\nitems: []\n", 0),
    "a List of null": ("apiVersion: v1\nkind: List\nitems: null\n", 0),
    "a kind that only ends in List": ("apiVersion: v1\nkind: WaitList\nitems: 3\n", 1),
    "dashes inside a text": (f"{POD}text: |\n  ---\n", 1),
}


@pytest.mark.parametrize(("text", "count"), READ.values(), ids=list(READ))
def test_documents_are_found_as_kubectl_finds_them(text: str, count: int) -> None:
    given = given_on_stdin(text)
    assert given.errors == ()
    assert len(given.documents) == count


def test_numbers_in_json_are_those_of_kubernetes() -> None:
    text = '{"apiVersion": "v1", "kind": "Pod", "a": [1.0, 1e3, 0.5, 1e20, %s]}'
    (document,) = given_on_stdin(text % 2**63).documents
    assert json.dumps(document.value["a"]) == json.dumps([1, 1000, 0.5, 1e20, 2.0**63])


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000, "NaN", "Infinity"])
def test_a_number_beyond_all_bounds_is_text_as_in_yaml(number: str) -> None:
    (document,) = given_on_stdin(POD_JSON[:-1] + f', "a": {number}}}').documents
    assert document.value["a"] == number


def test_half_a_character_in_json_is_replaced_as_in_go() -> None:
    text = r'"\ud83d\ude00 \ud83d \\ud83d \uDE00"'
    (document,) = given_on_stdin(POD_JSON[:-1] + f', "a": {text}}}').documents
    assert document.value["a"] == "\U0001f600 \ufffd \\ud83d \ufffd"


def test_items_of_a_typed_list_get_the_kind_that_it_tells() -> None:
    text = '{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {}}]}'
    (document,) = given_on_stdin(text).documents
    assert (document.api_version, document.kind) == ("v1", "Pod")


LINES = f"""\
# two documents and a List
---
{POD}spec:
  containers:
  - name: a
---
apiVersion: v1
kind: List
items:
- {POD_JSON}
- apiVersion: v1
  kind: Pod
  metadata:
    labels:
      app.kubernetes.io/name: x
"""


def test_each_field_has_its_line_in_the_file() -> None:
    first, second, third = given_on_stdin(LINES).documents
    assert first.line_of("spec.containers[0].name") == 7
    assert first.place_of(("spec", "containers", 0, "image")) == "stdin:7"
    assert second.line_of() == 12
    assert third.line_of("metadata.labels[app.kubernetes.io/name]") == 17


def test_json_has_lines_too() -> None:
    second = POD_JSON[:-1] + ',\n "spec":\n {"a": [\n1]}}'
    given = given_on_stdin(f"{POD_JSON}\n\n{second}")
    assert given.documents[0].line_of("kind") == 1
    assert given.documents[1].line_of("spec.a[0]") == 6


TOO_DEEP = "this is nested more than 100 levels deep"
BAD: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "stdin: there is no object in it"),
    "a comment": ("# c\n", "stdin: there is no object in it"),
    "dashes": ("---\n---\n", "stdin: there is no object in it"),
    "a binary": (b"\x7fELF\n\0\0", "stdin:2: this is not text: it has a zero byte"),
    "a picture": (b"\x89PNG\r\n", "stdin:1: this is not UTF-8: it has the byte 0x89"),
    "Latin-1": (b"a: b\nb: \xe9\n", "stdin:2: this is not UTF-8: it has the byte 0xe9"),
    "UTF-16": (POD.encode("utf-16"), "stdin:1: this is UTF-16, and must be UTF-8"),
    "a list": ("- a\n", "stdin:1: this is a list, and must be an object"),
    "a word": ("hello\n", "stdin:1: this is text, and must be an object"),
    "a number": ("---\n5\n", "stdin:1: this is a number, and must be an object"),
    "no kind": ("apiVersion: v1\n", "stdin:1: this object has no kind"),
    "neither": ("a: 1\n", "stdin:1: this object has no apiVersion and no kind"),
    "a kind that is a number": ("apiVersion: v1\nkind: 5", "this object has no kind"),
    "an item that is a number": (
        f"apiVersion: v1\nkind: List\nitems:\n- {POD_JSON}\n- 5\n",
        "stdin:5: this is a number, and must be an object",
    ),
    "an item without a kind": (
        "apiVersion: v1\nkind: List\nitems:\n- a: 1\n",
        "stdin:4: this object has no apiVersion and no kind",
    ),
    "text behind dashes": (f"{POD}--- foo\n", "stdin:3: \"---\" is followed by 'foo'"),
    "four dashes": (f"{POD}----\n", "stdin:3: \"---\" is followed by '-'"),
    "a tab": (f"{POD}\ta: 1\n", "stdin:3: this is not YAML: a tab stands where"),
    "a key twice": (
        f"{POD}kind: Job\n",
        'stdin:3: the key "kind" is given again; line 2',
    ),
    "a key twice in JSON": (
        '{"apiVersion": "v1",\n"kind": "Pod",\n"kind": "Job"}',
        'stdin:3: the key "kind" is given again; line 2 has it, too',
    ),
    "JSON cut off": ('{"a": 1,\n"b": {"c": 2', "stdin:2: this is not JSON: expecting"),
    "YAML in braces": ("{a: 1,\nb: [ }", "stdin:2: this is not YAML: did not find"),
    "deep JSON": ('{"a": ' * 101 + "1" + "}" * 101, f"stdin:1: {TOO_DEEP}"),
    "lists deep in JSON": ('{"a": ' + "[" * 101 + "]" * 101 + "}", TOO_DEEP),
    "ten megabytes of braces": ('{"a":' * 2_000_000, f"stdin:1: {TOO_DEEP}"),
    "ten megabytes of brackets": ("[" * 10_000_000, f"stdin:1: {TOO_DEEP}"),
    "more than is read": (
        b"a" * (16 << 20) + b"a",
        "stdin: this is larger than 16 MiB",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), BAD.values(), ids=list(BAD))
def test_bad_input_gets_one_sentence_with_its_place(
    text: str | bytes, sentence: str
) -> None:
    given = given_on_stdin(text)
    (error,) = given.errors
    assert sentence in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 160


def test_a_mistake_in_one_document_hides_no_other() -> None:
    given = given_on_stdin(
        f"{POD}---\na: [\n---\n{POD}---\n- x\n---\n{POD}a: 1\na: 2\n"
    )
    assert len(given.documents) == 2
    assert [error.line for error in given.errors] == [4, 8, 14]


def test_large_json_that_is_broken_is_not_tried_as_yaml(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "MANIFEST_BYTES_MAX", 10)
    given = read(["-"], io.BytesIO(b"{apiVersion: v1, kind: Pod}"), bytes_max=1000)
    assert "this is not JSON" in str(given.errors[0])


def test_files_are_read_in_the_order_given(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml"):
        (tmp_path / name).write_text(named(POD, name))
    given = read(
        [str(tmp_path / "b.yaml"), "-", str(tmp_path / "a.yaml")],
        io.BytesIO(POD.encode()),
    )
    assert names(given) == [{"name": "b.yaml"}, None, {"name": "a.yaml"}]
    assert given.documents[0].source == str(tmp_path / "b.yaml")


def test_a_folder_gives_its_yaml_and_json_by_name(tmp_path: Path) -> None:
    for name in ("c.yml", "b.json", "a.yaml", "d.txt", "in/e.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(named(POD, name))
    (tmp_path / "f.yaml").mkdir()
    given = read([str(tmp_path)])
    assert given.errors == ()
    assert names(given) == [{"name": "a.yaml"}, {"name": "b.json"}, {"name": "c.yml"}]


def only_error(name: Path | str) -> InputError:
    given = read([str(name)])
    assert given.documents == ()
    (error,) = given.errors
    return error


def test_a_folder_without_yaml_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(POD)
    error = only_error(tmp_path)
    assert error.message == "this folder has no file that ends in .json, .yaml, .yml"
    assert error.line is None


def test_a_missing_file_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "mpijob.yaml").write_text(POD)
    error = only_error(tmp_path / "mpijobs.yaml")
    assert error.message == "there is no such file"
    assert error.hint == f"did you mean {tmp_path / 'mpijob.yaml'}?"
    assert only_error(tmp_path / "no" / "x.yaml").hint == ""


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in str(only_error("a\0b"))
    assert "cannot be read: file name too long" in str(
        only_error(tmp_path / ("a" * 999))
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    secret = tmp_path / "a.yaml"
    secret.write_text(POD)
    secret.chmod(0)
    assert "cannot be read: permission denied" in str(only_error(secret))


def test_a_folder_or_file_that_refuses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.yaml").write_text(POD)
    monkeypatch.setattr(builtins, "open", refuse)
    assert "a.yaml: cannot be read: permission denied" in str(only_error(tmp_path))
    monkeypatch.setattr(os, "listdir", refuse)
    assert "cannot be read: permission denied" in str(only_error(tmp_path))


def test_a_device_without_end_is_read_to_the_limit() -> None:
    assert "this is larger than 16 MiB" in str(only_error("/dev/zero"))


class Broken(io.BytesIO):
    def read(self, _: int | None = None) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_broken_or_missing_stdin_is_told() -> None:
    assert (
        str(read(["-"], Broken()).errors[0])
        == "stdin: cannot be read: input/output error"
    )
    assert str(read(["-"]).errors[0]) == "stdin: there is no object in it"


def test_control_characters_in_names_are_escaped(tmp_path: Path) -> None:
    evil = tmp_path / "a\x1b[31m\n.yaml"
    evil.write_text("a: [")
    assert "\\x1b[31m\\n" in str(only_error(evil))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.parent.name)
def test_every_manifest_of_the_corpus_is_read(path: Path) -> None:
    given = read([str(path)])
    assert given.errors == ()
    (document,) = given.documents
    assert document.kind == "MPIJob"
    assert document.line_of("kind") > 0


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No input makes the reader fail, and none is passed over in silence."""
    given = given_on_stdin(data)
    assert given.documents or given.errors


@given(
    st.lists(
        st.sampled_from([POD, POD_JSON + "\n", "a: [\n", "- x\n", "# c\n"]), min_size=1
    )
)
def test_documents_and_errors_add_up(parts: list[str]) -> None:
    """Each document is read or has its error; a mistake never spreads."""
    given = given_on_stdin("---\n".join(parts))
    bad = sum(part in ("a: [\n", "- x\n") for part in parts)
    good = sum(part in (POD, POD_JSON + "\n") for part in parts)
    assert len(given.documents) == good
    assert len(given.errors) == bad or (good == bad == 0 and len(given.errors) == 1)
    assert all(isinstance(document, Document) for document in given.documents)
