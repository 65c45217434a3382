# SPDX-License-Identifier: Apache-2.0
"""What kubectl makes of YAML, fact by fact, and what we refuse of it.

Each fact was measured: sigs.k8s.io/yaml 1.6.0 was given the text on the left and
answered the JSON on the right.
"""

import json
import string

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mpijob_operator import kubectl_yaml
from mpijob_operator.kubectl_scalars import DEPTH_MAX, Refused
from mpijob_operator.kubectl_yaml import line_of, value_of

TRUE = "y Y yes Yes YES on On ON true True TRUE"
FALSE = "n N no No NO off Off OFF false False FALSE"
NULL = "~ null Null NULL"
TEXT = """
    tRUE nULL 1:30 190:20:30 1:30.5 = 2001-12-14 2001-12-14t21:59:43.10-05:00
    2001-12-14T21:59:43Z 2001-1-1 inf nan Infinity 0x 0o8 0b2 ._ _1 ._5 .e3 1e e1 0.1.2
    1,000 1e400 0x1p-2 1.2.3 v1.30 1#c a:b 0x1FFFFFFFFFFFFFFFFF
"""
NUMBERS = """
    0644=420 0o644=420 0O17=15 -0o17=-15 +0644=420 -0644=-420 0x1F=31 0X1F=31 -0x10=-16
    +0x1=1 0b101=5 0B1=1 -0b1=-1 +0b11=3 089=89 08=8 00=0 0_1=1 1_000=1000 1__0=10
    0x_1=1 0b_1=1 +_1=1 1_0.5=10.5 1_000.5=1000.5 1e3=1000 1E3=1000 1e+3=1000
    1.5e3=1500 1.5e03=1500 1.e3=1000 -1e3=-1000 0e0=0 .5=0.5 +.5=0.5 5.=5 0.=0 +1=1
    -1=-1 -0=0 -0.0=0 1.0=1 10.0=10 1.50=1.5 1e-7=1e-7 0.00001=1e-5 3.14=3.14
    9223372036854775807=9223372036854775807 -9223372036854775808=-9223372036854775808
    9223372036854775808=9.223372036854775808e18
    18446744073709551616=18446744073709552000.0
    -9223372036854775809=-9223372036854776000.0 99999999999999999999999=1e23
    1e20=1e20 1e21=1e21 20011214=20011214
    0777777777777777777777777=777777777777777777777777.0
"""
TAGGED: dict[str, object] = {
    "!!str 12": "12",
    "!!str": "",
    "! 12": "12",
    "!!int '12'": 12,
    "!!int 0o7": 7,
    "!!float 3": 3,
    "!!float '1'": 1,
    "!!bool yes": True,
    "!!null ''": None,
    "!!timestamp 2001-12-14": "2001-12-14",
    "!!binary aGVsbG8=": "hello",
    "!!binary /w==": "\ufffd",
    "!foo bar": "bar",
    "!foo 12": "12",
    "!!foo {a: 1}": {"a": 1},
    "!!python/name:os.system x": "x",
    "!!set {a, y}": {"a": None, "true": None},
    "!!omap [a: 1]": [{"a": 1}],
    "!!str [1]": [1],
}
KEYS = {
    "1": "1",
    "-1": "-1",
    "0644": "420",
    "0x10": "16",
    "yes": "true",
    "N": "false",
    "1.5": "1.5",
    "1.10": "1.1",
    "1.0": "1",
    "1e3": "1000",
    "1e21": "1e+21",
    "1e-5": "1e-05",
    "0.0001": "0.0001",
    "''": "",
    "2001-12-14": "2001-12-14",
    "1:30": "1:30",
    "=": "=",
    "!!binary YQ==": "a",
}
DOCUMENTS: dict[str, tuple[str, object]] = {
    "nothing": ("", None),
    "a comment": ("# c\n", None),
    "a value that is left out": ("a:\n", {"a": None}),
    "text in quotes": ("a: 'yes'\nb: \"0644\"\n", {"a": "yes", "b": "0644"}),
    "a block of text": ("a: |\n  0644\n", {"a": "0644\n"}),
    "a folded block": ("a: >\n b\n c\n", {"a": "b c\n"}),
    "a zero byte by escape": ('a: "x\\0"', {"a": "x\0"}),
    "an alias": ("a: &x 1\nb: *x\n", {"a": 1, "b": 1}),
    "an anchor given anew": ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
    "an alias as a key": ("&k a: 1\nb: {*k : 2}\n", {"a": 1, "b": {"a": 2}}),
    "a merge": (
        "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n",
        {"a": {"b": 1}, "c": {"b": 1, "d": 2}},
    ),
    "a key after a merge wins": ("<<: {a: 1}\na: 0\n", {"a": 0}),
    "a key before a merge loses": ("a: 0\n<<: {a: 1}\n", {"a": 1}),
    "of merged mappings the first wins": (
        "<<: [{a: 1}, {a: 2, b: 3}]",
        {"a": 1, "b": 3},
    ),
    "two merges": ("<<: {a: 1}\n<<: {b: 2}\n", {"a": 1, "b": 2}),
    "a merge in quotes is a key": ("'<<': {a: 1}\n", {"<<": {"a": 1}}),
    "a merge as a value is text": ("a: <<\n", {"a": "<<"}),
    "a tag for merges is none": ("{!!merge x: {a: 1}}", {"x": {"a": 1}}),
    "a mapping in a list": ("a: [b: 1]\n", {"a": [{"b": 1}]}),
    "a set without a tag": ("a: {b}\n", {"a": {"b": None}}),
    "a byte order mark": ("\ufeffa: 1\n", {"a": 1}),
    "a tab as space": ("a:\t1\n", {"a": 1}),
    "an end of document": ("a: 1\n...\n", {"a": 1}),
    "JSON": ('{"a":\t[1, "x", null, true]}', {"a": [1, "x", None, True]}),
    "explicit keys": ("? a\n: 1\n? b\n", {"a": 1, "b": None}),
}


def as_json(value: object) -> str:
    """Return the JSON: it tells 1 from 1.0 and from true."""
    return json.dumps(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((word, True) for word in TRUE.split()),
        *((word, False) for word in FALSE.split()),
        *((word, None) for word in NULL.split()),
        *((word, word) for word in TEXT.split()),
        *(
            (word.split("=")[0], json.loads(word.split("=")[1]))
            for word in NUMBERS.split()
        ),
        *TAGGED.items(),
    ],
)
def test_a_scalar_means_what_it_means_to_kubectl(text: str, expected: object) -> None:
    assert as_json(value_of(f"v: {text}\n")) == as_json({"v": expected})


@pytest.mark.parametrize(("text", "expected"), KEYS.items())
def test_a_key_is_the_text_that_kubectl_makes_of_it(text: str, expected: str) -> None:
    assert value_of(f"{text}: v\n") == {expected: "v"}


@pytest.mark.parametrize(("text", "expected"), DOCUMENTS.values(), ids=list(DOCUMENTS))
def test_a_document_is_what_it_is_to_kubectl(text: str, expected: object) -> None:
    assert as_json(value_of(text)) == as_json(expected)


BOMB = "a: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"b{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
TOO_DEEP = f"this is nested more than {DEPTH_MAX} levels deep"
REFUSED = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", 3, 'the key "a" is given again; line 1'),
    "a key twice, further in": (
        "x:\n- 1\n- b: 1\n  c: 2\n  b: 3\n",
        5,
        'the key "b" is given again; line 3',
    ),
    "a key twice in one line": ('{"a": 1, "a": 2}', 1, 'the key "a" is given again'),
    "two keys that JSON holds for one": ("yes: 1\n'true': 2\n", 2, 'the key "true"'),
    "a number and its text as keys": ("1: a\n1.0: b\n", 2, 'the key "1" is given'),
    "a merged key given twice": ("<<: {a: 1}\na: 2\na: 3\n", 3, 'the key "a" is given'),
    "an alias as a key twice": ("&k a: 1\n*k : 2\n", 2, 'the key "a" is given again'),
    "an infinite number": ("a: 1\nb: -.inf\n", 2, "a number is infinite"),
    "no number": ("a: .NaN\n", 1, "a number is infinite or not a number"),
    "null as a key": ("~: 1\n", 1, "a key is neither text nor a short number"),
    "a key beyond int64": ("9223372036854775808: 1", 1, "a key is neither text nor"),
    "a key that kubectl would round": ("12345678.5: 1", 1, "a key is neither text nor"),
    "an infinite key": (".inf: 1", 1, "a key is neither text nor a short number"),
    "a list as a key": ("? [1]\n: v\n", 1, "a key is a list or a mapping"),
    "a mapping by alias as a key": ("a: &x {}\n*x : v\n", 2, "a key is neither text"),
    "a merge of text": ("a:\n  <<: 5\n", 2, '"<<" wants a mapping'),
    "a merge of a list of text": ("<<: [a]\n", 1, '"<<" wants a mapping'),
    "a tag that lies": ("a: !!int 3.5\n", 1, "a value marked !!int is not one"),
    "a boolean as a number": ("a: !!float yes\n", 1, "a value marked !!float is not"),
    "what is not base64": ("a: !!binary '###'", 1, "a value marked !!binary is not"),
    "an alias without an anchor": ("a: 1\nb: *x\n", 2, "*x has no anchor before it"),
    "an alias inside itself": ("a: &x\n  b: *x\n", 2, "*x is inside the value"),
    "a bomb of aliases": (BOMB, 7, "aliases repeat more than 3 MiB"),
    "an alias to a large text": (
        f"a: &x {'x' * 100_000}\nb: [{'*x, ' * 40}]\n",
        2,
        "aliases repeat more than 3 MiB",
    ),
    "ten megabytes of brackets": ("[" * 10_000_000, 1, TOO_DEEP),
    "brackets in brackets": ("[" * 101 + "]" * 101, 1, TOO_DEEP),
    "lists in lists": ("- " * 101 + "1", 1, TOO_DEEP),
    "mappings by indentation": (
        "".join(f"{' ' * n}a:\n" for n in range(200)),
        101,
        TOO_DEEP,
    ),
    "a tab that indents": ("a:\n\tb: 1\n", 2, "a tab stands where only spaces may"),
    "a tab after a text": ("a: b\n\tc: d\n", 2, "a tab stands where only spaces may"),
    "an at sign": ("a: 1\nb: @x\n", 2, "a value cannot start with '@'"),
    "a colon in a text": ("a: b: c\n", 1, "mapping values are not allowed"),
    "a quote left open": ("a: 1\nb: 'c\nd: 1\n", 2, "unexpected end of stream"),
    "a bracket left open": ("a: [1,\nb: 2\n", 1, "this is not YAML"),
    "a line that is none": ("a: 1\nb\nc: 2\n", 2, "could not find expected ':'"),
    "indentation that wanders": ("a:\n  b: 1\n c: 2\n", 3, "did not find expected key"),
    "an unknown escape": ('a: "\\z"\n', 1, "found unknown escape character"),
    "a control character": ("a: 1\nb: \x1b[31m\n", 2, "the control character '\\x1b'"),
    "a second document": ("a: 1\n---\nb: 2\n", 2, "a second document starts here"),
    "two mappings in a row": ("{a: 1}\n{b: 2}\n", 2, "this is not YAML"),
}


@pytest.mark.parametrize(
    ("text", "line", "message"), REFUSED.values(), ids=list(REFUSED)
)
def test_what_is_refused_is_named_with_its_line(
    text: str, line: int, message: str
) -> None:
    with pytest.raises(Refused) as refused:
        value_of(text)
    assert message in refused.value.message
    assert refused.value.line == line
    assert len(refused.value.message) < 160


def test_depth_up_to_the_limit_is_read() -> None:
    assert value_of("[" * DEPTH_MAX + "]" * DEPTH_MAX)


def test_aliases_share_what_they_repeat() -> None:
    value = value_of("a: &x {b: [1]}\nc: *x\n")
    assert isinstance(value, dict)
    assert value["a"] is value["c"]


JOB = """\
# a comment
spec:
  containers:
  - name: a
    env:
    - {name: x, value: y}
    -
      name: z
  - &b
    name: b
  - *b
  yes: 1
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param((), 1, id="the document"),
        pytest.param(("spec",), 2, id="a key"),
        pytest.param(("spec", "containers"), 3, id="a key further in"),
        pytest.param(("spec", "containers", 0), 4, id="an item"),
        pytest.param(("spec", "containers", 0, "env", 0, "value"), 6, id="on one line"),
        pytest.param(("spec", "containers", 0, "env", 1, "name"), 8, id="a dash alone"),
        pytest.param(("spec", "containers", 1, "name"), 10, id="below an anchor"),
        pytest.param(("spec", "containers", 2, "name"), 11, id="by alias"),
        pytest.param(("spec", "true"), 12, id="a key that is a boolean"),
        pytest.param(
            ("spec", "containers", 0, "image"), 4, id="a field that is missing"
        ),
        pytest.param(
            ("spec", "containers", 7, "image"), 3, id="an item that is missing"
        ),
        pytest.param(("spec", "true", "a"), 12, id="inside a scalar"),
        pytest.param(("status",), 1, id="a part that is missing"),
    ],
)
def test_a_field_has_the_line_where_it_stands(
    path: tuple[str | int, ...], line: int
) -> None:
    assert line_of(JOB, path) == line


def test_what_cannot_be_read_has_its_first_line() -> None:
    assert line_of("a: [", ("a", 0)) == 1
    assert line_of("", ("a",)) == 1


def test_the_parser_in_python_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubectl_yaml, "_LOADER", yaml.SafeLoader)
    readable = {case: text for case, text in DOCUMENTS.items() if "\t" not in text[0]}
    assert len(readable) == len(DOCUMENTS) - 2  # It minds tabs between tokens.
    for text, expected in readable.values():
        assert as_json(value_of(text)) == as_json(expected)
    for name in (
        "a key twice",
        "a bomb of aliases",
        "lists in lists",
        "a tab that indents",
    ):
        text, line, message = REFUSED[name]
        with pytest.raises(Refused, match=message[:20]) as refused:
            value_of(text)
        assert refused.value.line == line
    with pytest.raises(Refused, match="control character"):
        value_of("a: \x1b")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(string.printable),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(string.ascii_letters), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_what_is_dumped_is_read_again(value: object) -> None:
    """Quoted as YAML quotes it, a value of JSON comes back as it was."""
    assert value_of(yaml.dump(value, default_style='"', allow_unicode=True)) == value


@given(
    st.text(
        alphabet=st.sampled_from("ab01-:.,'\"[]{}#&*!|>?%@ \n\t<eE+x_~"), max_size=40
    )
)
@example("? ")
@example("*a : 1")
@example("<<: *a")
@example("&a : *a")
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail: it is a value, or it is refused with a line."""
    try:
        value, line = value_of(text), 1
    except Refused as refused:
        value, line = None, refused.line
    assert 1 <= line <= text.count("\n") + 2
    json.dumps(value, allow_nan=False)
