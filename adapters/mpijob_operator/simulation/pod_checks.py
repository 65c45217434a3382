# SPDX-License-Identifier: Apache-2.0
"""What may be wrong with a pod or a Job by two fields that do not go together.

More words of the table in `validation`: see `checks`.
"""

from collections.abc import Iterator
from typing import Final

from mpijob.loose import Manifest, integer, mapping, mappings, sequence, strings
from mpijob.quantities import NANO, nano
from mpijob_operator.simulation.checks import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    REQUIRED,
    Fault,
    dns_label,
    label_value,
    on_object,
    qualified_name,
)

# --- A container's resources ------------------------------------------------------

_STANDARD: Final = frozenset(("cpu", "memory", "ephemeral-storage", "storage"))
_PARTS: Final = ("limits", "requests")


def resources(value: object) -> Iterator[Fault]:
    """Yield what is wrong with what a container asks for and may have."""
    given = mapping(value)
    for part in _PARTS:
        for name, quantity in mapping(given.get(part)).items():
            yield from _quantity(f".{part}[{name}]", name, nano(quantity))
    limits, requests = (mapping(given.get(part)) for part in _PARTS)
    for name, quantity in requests.items():
        yield from _beyond(name, nano(quantity), nano(limits.get(name)))


def _quantity(at: str, name: str, quantity: int | None) -> Iterator[Fault]:
    if not qualified_name(name) or not ("/" in name or _is_native(name)):
        yield Fault(at, INVALID, f"{name!r:.80} is no standard resource for containers")
    if quantity is not None and quantity < 0:
        yield Fault(at, INVALID, "must be greater than or equal to 0")
    elif quantity is not None and not _is_native(name) and quantity % NANO:
        yield Fault(at, INVALID, "must be an integer")


def _beyond(name: str, asked: int | None, limit: int | None) -> Iterator[Fault]:
    """Yield that more is asked for than may be had, or less of what is not shared."""
    may_be_less = _is_native(name) and not name.startswith("hugepages-")
    if limit is None and not may_be_less:
        yield Fault(".limits", REQUIRED, "Limit must be set for non overcommitable")
    if asked is None or limit is None or asked == limit:
        return
    if not may_be_less:
        yield Fault(".requests", INVALID, f"must be equal to {name} limit")
    elif asked > limit:
        yield Fault(".requests", INVALID, f"must be less than or equal to {name} limit")


def _is_native(name: str) -> bool:
    return name in _STANDARD or name.startswith("hugepages-")


# --- A pod as a whole -------------------------------------------------------------


@on_object
def container_names(spec: Manifest) -> Iterator[Fault]:
    """Yield each name that two containers have, init containers among them."""
    known: set[object] = set()
    for part in ("containers", "initContainers"):
        for index, container in enumerate(mappings(spec.get(part))):
            name = container.get("name")
            if name and name in known:
                yield Fault(f".{part}[{index}].name", DUPLICATE, str(name))
            known.add(name)


@on_object
def mounts(spec: Manifest) -> Iterator[Fault]:
    """Yield each mount of a volume that is not there, and each place taken twice."""
    names = _volumes(spec)
    for part in ("containers", "initContainers"):
        for index, container in enumerate(mappings(spec.get(part))):
            at = f".{part}[{index}].volumeMounts"
            places: set[object] = set()
            for number, mount in enumerate(mappings(container.get("volumeMounts"))):
                name, place = mount.get("name"), mount.get("mountPath", "")
                if name not in names:
                    yield Fault(f"{at}[{number}].name", NOT_FOUND, f"{name!r:.80}")
                if place in places:
                    words = f"{place!r:.80}: must be unique"
                    yield Fault(f"{at}[{number}].mountPath", INVALID, words)
                places.add(place)


def _volumes(spec: Manifest) -> set[object]:
    """Return the names of the volumes with which nothing is wrong."""
    given = mappings(spec.get("volumes"))
    return {v["name"] for v in given if not next(volume(v), None) and _is_named(v)}


def _is_named(entry: Manifest) -> bool:
    name = entry.get("name")
    return isinstance(name, str) and dns_label(name)


# What a volume may be, in the order in which Kubernetes looks.
_SOURCES: Final = ("emptyDir", "hostPath", "secret", "nfs", "persistentVolumeClaim")
_MORE_SOURCES: Final = ("downwardAPI", "configMap", "projected", "csi", "ephemeral")

# What each kind of volume must say.
_SAYS: Final = {
    "configMap": "name",
    "hostPath": "path",
    "persistentVolumeClaim": "claimName",
    "secret": "secretName",
}


@on_object
def volume(value: Manifest) -> Iterator[Fault]:
    """Yield that a volume is two things at once, or does not say which."""
    said = [s for s in (*_SOURCES, *_MORE_SOURCES) if value.get(s) is not None]
    for source in said[1:]:
        yield Fault(f".{source}", FORBIDDEN, "may not specify more than 1 volume type")
    for source in said[:1]:
        key, given = _SAYS.get(source, ""), mapping(value[source])
        if key and not given.get(key):
            yield Fault(f".{source}.{key}", REQUIRED)
        if source in ("configMap", "secret"):
            yield from _items(f".{source}", given)


_MODE_MAX: Final = 0o777


def _items(at: str, source: Manifest) -> Iterator[Fault]:
    """Yield what is wrong with how the keys of a volume become files."""
    modes = [(f"{at}.defaultMode", source.get("defaultMode"))]
    for index, item in enumerate(mappings(source.get("items"))):
        under = f"{at}.items[{index}]"
        for key in ("key", "path"):
            if not item.get(key):
                yield Fault(f"{under}.{key}", REQUIRED)
        path = str(item.get("path") or "")
        if path.startswith("/") or ".." in path.split("/"):
            yield Fault(f"{under}.path", INVALID, "must be a path below")
        modes.append((f"{under}.mode", item.get("mode")))
    for place, mode in modes:
        if not 0 <= (integer(mode) or 0) <= _MODE_MAX:
            yield Fault(place, INVALID, "must be a number between 0 and 0777")


@on_object
def host_ports(spec: Manifest) -> Iterator[Fault]:
    """Yield each port that a pod in its node's network would have as another there."""
    if spec.get("hostNetwork") is not True:
        return
    for index, container in enumerate(mappings(spec.get("containers"))):
        for number, port in enumerate(mappings(container.get("ports"))):
            if port.get("hostPort") not in (None, 0, port.get("containerPort")):
                at = f".containers[{index}].ports[{number}].hostPort"
                yield Fault(at, INVALID, "must match containerPort with hostNetwork")


@on_object
def nameservers(spec: Manifest) -> Iterator[Fault]:
    """Yield that a pod would ask nobody for names."""
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") != "None":
        return
    if config is None:
        yield Fault(".dnsConfig", REQUIRED, "must be provided when dnsPolicy is None")
    elif not mapping(config).get("nameservers"):
        yield Fault(".dnsConfig.nameservers", REQUIRED, "must provide at least one")


_SEARCHES_MAX: Final = 32
_SEARCH_BYTES_MAX: Final = 2048


def searches(value: object) -> Iterator[Fault]:
    """Yield that a resolver would search in too many places."""
    given = [text for text in sequence(value) if isinstance(text, str)]
    if len(given) > _SEARCHES_MAX:
        words = f"must not have more than {_SEARCHES_MAX} search paths"
        yield Fault("", INVALID, words)
    if len(" ".join(given)) > _SEARCH_BYTES_MAX:
        words = f"must not have more than {_SEARCH_BYTES_MAX} characters"
        yield Fault("", INVALID, words)


@on_object
def toleration(value: Manifest) -> Iterator[Fault]:
    """Yield what does not go together in a toleration."""
    operator, text = value.get("operator") or "Equal", value.get("value") or ""
    if not value.get("key") and operator != "Exists":
        yield Fault(".operator", INVALID, "must be Exists when key is empty")
    if operator == "Exists" and text:
        yield Fault(".operator", INVALID, "value must be empty with Exists")
    if operator == "Equal" and not label_value(str(text)):
        yield Fault(".operator", INVALID, f"{text!r:.80} is no label value")
    if value.get("tolerationSeconds") is not None and value.get("effect") != (
        "NoExecute"
    ):
        yield Fault(".effect", INVALID, "must be NoExecute with tolerationSeconds")


_PROBES: Final = ("exec", "httpGet", "tcpSocket", "grpc")


@on_object
def probe(value: Manifest) -> Iterator[Fault]:
    """Yield that a probe tries nothing, or two things at once."""
    said = [way for way in _PROBES if value.get(way) is not None]
    if not said:
        yield Fault("", REQUIRED, "must specify a handler type")
    for way in said[1:]:
        yield Fault(f".{way}", FORBIDDEN, "may not specify more than 1 handler type")


@on_object
def variable(value: Manifest) -> Iterator[Fault]:
    """Yield that a variable has its value from nowhere, or twice."""
    source = value.get("valueFrom")
    if source is None:
        return
    if not mapping(source):
        yield Fault(".valueFrom", INVALID, "must specify one of its sources")
    elif value.get("value"):
        yield Fault(".valueFrom", INVALID, "may not be specified with a value")
    elif len(mapping(source)) > 1:
        yield Fault(".valueFrom", INVALID, "may not have more than one field")


def gates(value: object) -> Iterator[Fault]:
    """Yield each scheduling gate that has no proper name, or is there twice."""
    known: set[str] = set()
    for index, name in enumerate(strings(e).get("name", "") for e in mappings(value)):
        if not qualified_name(name):
            yield Fault(f"[{index}]", INVALID, f"{name!r:.80} is no qualified name")
        if name in known:
            yield Fault(f"[{index}]", DUPLICATE, name)
        known.add(name)
