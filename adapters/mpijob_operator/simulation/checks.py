# SPDX-License-Identifier: Apache-2.0
"""What may be wrong with one value: the words of the table in `validation`.

A check looks at a value and yields each fault: where below the value it is, of which
sort, in what words. A value of another type than it expects is not its business.
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from attrs import frozen

from mpijob.loose import Manifest, mapping, mappings, sequence, strings

REQUIRED: Final = "FieldValueRequired"
INVALID: Final = "FieldValueInvalid"
NOT_SUPPORTED: Final = "FieldValueNotSupported"
NOT_FOUND: Final = "FieldValueNotFound"
DUPLICATE: Final = "FieldValueDuplicate"
FORBIDDEN: Final = "FieldValueForbidden"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"
TYPE: Final = "FieldValueTypeInvalid"


@frozen(kw_only=True)
class Versioned:
    """A row that some minor versions of Kubernetes 1 have, and others do not."""

    since: int = 0
    until: int = 99

    def holds(self, minor: int) -> bool:
        """Tell whether a version has it."""
        return self.since <= minor <= self.until


class Fault(NamedTuple):
    """One thing that is wrong."""

    below: str  # From the value on: `.name`, `[0].name`, empty for the value itself.
    reason: str
    words: str = ""


Check = Callable[[Any], Iterator[Fault]]


def on_object(check: Callable[[Manifest], Iterator[Fault]]) -> Check:
    """Return a check of an object as one of any value."""

    @functools.wraps(check)
    def checked(value: object) -> Iterator[Fault]:
        return check(mapping(value))

    return checked


# --- Forms of text ------------------------------------------------------------------

_ALNUM: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME: Final = re.compile("[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL: Final = re.compile(_ALNUM)
_LABEL_1035: Final = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_ALNUM}(\.{_ALNUM})*")
_SEARCH_LABEL: Final = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH: Final = re.compile(rf"{_SEARCH_LABEL}(\.{_SEARCH_LABEL})*")
_PORT_NAME: Final = re.compile("(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_ENV_NAME: Final = re.compile("[ -<>-~]+")  # Printable, without the sign =.
_DATA_KEY: Final = re.compile("[-._a-zA-Z0-9]+")
_MANAGER_PATH: Final = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")

_LABEL_MAX: Final = 63
_SUBDOMAIN_MAX: Final = 253
_PORT_NAME_MAX: Final = 15

Form = Callable[[str], bool]


def dns_label(text: str) -> bool:
    """Tell whether a text is a label of RFC 1123."""
    return len(text) <= _LABEL_MAX and _LABEL.fullmatch(text) is not None


def dns_1035_label(text: str) -> bool:
    """Tell whether a text is a label of RFC 1035, which begins with a letter."""
    return len(text) <= _LABEL_MAX and _LABEL_1035.fullmatch(text) is not None


def dns_subdomain(text: str) -> bool:
    """Tell whether a text is a subdomain of RFC 1123."""
    return len(text) <= _SUBDOMAIN_MAX and _SUBDOMAIN.fullmatch(text) is not None


def search_domain(text: str) -> bool:
    """Tell whether a text is a search path of a resolver."""
    text = text if text == "." else text.removesuffix(".")
    fits = len(text) <= _SUBDOMAIN_MAX and _SEARCH.fullmatch(text) is not None
    return text == "." or fits


def qualified_name(text: str) -> bool:
    """Tell whether a text is a name with a subdomain and a slash before it, or not."""
    prefix, slash, name = text.rpartition("/")
    fits = len(name) <= _LABEL_MAX and _NAME.fullmatch(name) is not None
    return fits and (dns_subdomain(prefix) if slash else True)


def label_value(text: str) -> bool:
    """Tell whether a text may be the value of a label."""
    return not text or (len(text) <= _LABEL_MAX and _NAME.fullmatch(text) is not None)


def port_name(text: str) -> bool:
    """Tell whether a text is the name of a port."""
    return len(text) <= _PORT_NAME_MAX and _PORT_NAME.fullmatch(text) is not None


def env_name(text: str) -> bool:
    """Tell whether a text is the name of a variable."""
    return _ENV_NAME.fullmatch(text) is not None


def data_key(text: str) -> bool:
    """Tell whether a text may be a key of a ConfigMap or a Secret."""
    fits = len(text) <= _SUBDOMAIN_MAX and _DATA_KEY.fullmatch(text) is not None
    return fits and text != "." and not text.startswith("..")


def manager(text: str) -> bool:
    """Tell whether a text names a controller, as `managedBy` does."""
    host, _, path = text.partition("/")
    return dns_subdomain(host) and _MANAGER_PATH.fullmatch(path) is not None


def trimmed(text: str) -> bool:
    """Tell whether a text has no space at either end."""
    return text == text.strip()


def form(fits: Form) -> Check:
    """Return a check of a text that must have a form; an empty one says nothing."""

    def check(value: object) -> Iterator[Fault]:
        if isinstance(value, str) and value and not fits(value):
            yield Fault("", INVALID, f"{value!r:.80} is no {_words(fits)}")

    return check


def _words(fits: Form) -> str:
    return fits.__name__.replace("_", " ")


def generated(fits: Form) -> Check:
    """Return a check of what a name begins with, to which letters are added."""
    return form(lambda text: fits(text.removesuffix("-") + ("a" * text.endswith("-"))))


# --- Choices, limits, what must be there ---------------------------------------------


def one_of(*words: str) -> Check:
    """Return a check of a text that has few values; an empty one is the default."""

    def check(value: object) -> Iterator[Fault]:
        if isinstance(value, str) and value and value not in words:
            known = ", ".join(f'"{word}"' for word in words)
            yield Fault("", NOT_SUPPORTED, f'"{value:.80}": supported values: {known}')

    return check


def between(least: int, most: int | None = None) -> Check:
    """Return a check of a whole number."""

    def check(value: object) -> Iterator[Fault]:
        if not isinstance(value, int) or isinstance(value, bool):
            return
        if value < least or (most is not None and value > most):
            limits = f"at least {least}" if most is None else f"{least} to {most}"
            yield Fault("", INVALID, f"{value}: must be {limits}")

    return check


PORT: Final = between(1, 65535)
ID: Final = between(0, 2**31 - 1)
NOT_NEGATIVE: Final = between(0)


def port(value: object) -> Iterator[Fault]:
    """Yield that a number is no port; 0 is none at all."""
    return PORT(value or None)


def no_longer(value: object) -> Iterator[Fault]:
    """Yield that a text is longer than a label may be."""
    if isinstance(value, str) and len(value) > _LABEL_MAX:
        yield Fault("", TOO_LONG, f"may not be more than {_LABEL_MAX} bytes")


def required(*keys: str) -> Check:
    """Return a check of an object that must say something for each of some keys."""

    def check(value: object) -> Iterator[Fault]:
        given = mapping(value)
        for key in keys:
            if given.get(key) in (None, "", 0, [], {}):
                yield Fault(f".{key}", REQUIRED)

    return check


def filled(value: object) -> Iterator[Fault]:
    """Yield that a list is empty that may not be."""
    if value == []:
        yield Fault("", REQUIRED)


def unique(*keys: str) -> Check:
    """Return a check of a list whose entries are told apart by some keys."""
    where = f".{keys[0]}" if len(keys) == 1 else ""

    def check(value: object) -> Iterator[Fault]:
        known: set[tuple[str, ...]] = set()
        for index, entry in enumerate(sequence(value)):
            said = tuple(str(mapping(entry).get(key, "")) for key in keys)
            if said in known and any(said):
                yield Fault(f"[{index}]{where}", DUPLICATE, "/".join(said))
            known.add(said)

    return check


# --- Maps of texts ----------------------------------------------------------------


def labels(value: object) -> Iterator[Fault]:
    """Yield each label that has no proper key, or no proper value."""
    for key, text in strings(value).items():
        if not qualified_name(key):
            yield Fault("", INVALID, f"{key!r:.80} is no qualified name")
        if not label_value(text):
            yield Fault("", INVALID, f"{text!r:.80} is no label value")


_ANNOTATIONS_MAX: Final = 256 * 2**10


def annotations(value: object) -> Iterator[Fault]:
    """Yield what is wrong with the keys of annotations, and with all together."""
    given = strings(value)
    for key in given:
        if not qualified_name(key.lower()):
            yield Fault("", INVALID, f"{key!r:.80} is no qualified name")
    if sum(len(k.encode()) + len(v.encode()) for k, v in given.items()) > (
        _ANNOTATIONS_MAX
    ):
        yield Fault("", TOO_LONG, f"may not be more than {_ANNOTATIONS_MAX} bytes")


def data_keys(value: object) -> Iterator[Fault]:
    """Yield each key that a ConfigMap or a Secret may not have."""
    for key in mapping(value):
        if not data_key(key):
            yield Fault(f"[{key}]", INVALID, "is no data key")


def qualified_names(value: object) -> Iterator[Fault]:
    """Yield each finalizer that is no qualified name."""
    for name in sequence(value):
        if isinstance(name, str) and not qualified_name(name):
            yield Fault("", INVALID, f"{name!r:.80} is no qualified name")


# What may hold an object without a domain before it.
_STANDARD: Final = frozenset(("foregroundDeletion", "kubernetes", "orphan"))


def finalizer(value: object) -> Iterator[Fault]:
    """Yield that a finalizer is of no domain, and none of Kubernetes' own."""
    if isinstance(value, str) and "/" not in value and value not in _STANDARD:
        yield Fault("", INVALID, "is neither a standard name nor fully qualified")


def owner_fields(*keys: str) -> Check:
    """Return a check of owners each of which must say something for some keys."""

    def check(value: object) -> Iterator[Fault]:
        for owner in mappings(value):
            for key in keys:
                if not owner.get(key):
                    yield Fault(f".{key}", INVALID, "must not be empty")

    return check


def owners(value: object) -> Iterator[Fault]:
    """Yield that more than one owner says that it is the controller."""
    if sum(entry.get("controller") is True for entry in mappings(value)) > 1:
        yield Fault("", INVALID, "only one reference can have controller set to true")
