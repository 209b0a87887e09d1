"""Pulumi's property values on the wire, and back: the one place that knows secrets and unknowns.

The engine sends property bags as protobuf structs in which some objects carry a signature: a secret,
an output value, a reference to a resource, an asset. An unknown value (preview) is a marker string.
Nothing beyond this module sees any of these. See ``pulumirpc.ResourceProvider`` and "Property values"
in the Pulumi provider protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import struct_pb2

from pulumi_illumos_provider.components.given import Given
from pulumi_illumos_provider.errors import Failure

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The marker of an unknown value, in the spelling for strings, which serves for all types."""

_UNKNOWN_MARKERS: Final = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
"""Markers by element type: pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go."""

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
_ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
_ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"

_REDACTED: Final = "[secret]"


class Computed:
    """A value that is not known yet, in what `encode` is given. One instance: `COMPUTED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "COMPUTED"


COMPUTED: Final = Computed()
"""Stands for an unknown value in what `encode` is given."""


@dataclass(frozen=True)
class Bag:
    """A property bag in plain Python values.

    Attributes:
        known: the known properties; absent (null) and unknown ones are left out at every depth.
        unknown: paths of unknown values (``address``, ``nics[0].address``). A list with an unknown
            element is unknown as a whole.
        secret: top-level names of properties that are secret or have a secret inside.
        failures: values that no property of ours can have (assets, archives).
    """

    known: dict[str, Any] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    failures: tuple[Failure, ...] = ()
    _secrets: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def unknown_names(self) -> frozenset[str]:
        """Top-level names of properties that are unknown or have something unknown inside."""
        return frozenset(top_level(path) for path in self.unknown)

    def narrowed(self, known: dict[str, Any], unknown: frozenset[str]) -> Bag:
        """A part of this bag, with the same secrets."""
        return Bag(known, unknown, self.secret, self.failures, self._secrets)

    def redact(self, text: str) -> str:
        """A text with every secret value of this bag taken out."""
        for value in sorted(_secret_texts(self._secrets), key=len, reverse=True):
            text = text.replace(value, _REDACTED)
        return text

    def redact_failure(self, failure: Failure) -> Failure:
        """A failed check that tells nothing of the secret it may be about."""
        if top_level(failure.property) in self.secret:
            short = any(len(text) < _TELLING for text in _texts(self._secrets))
            if short or not _is_text_only(self._secrets):
                return Failure(failure.property, "is not valid (its value is secret and not shown)")
        return Failure(failure.property, self.redact(failure.reason))

    def taints(self, value: Any) -> bool:
        """Whether a value contains one of the secret values of this bag."""
        texts = _secret_texts(self._secrets)
        return any(secret in text for text in _texts((value,)) for secret in texts)


def top_level(path: str) -> str:
    """``nics`` for ``nics[0].address``."""
    for index, character in enumerate(path):
        if character in ".[":
            return path[:index]
    return path


def decode(struct: struct_pb2.Struct) -> Bag:
    """Read a property bag."""
    decoding = _Decoding()
    known = {}
    for key, value in struct.fields.items():
        decoded = decoding.value(value, key, key, secret=False)
        if decoded is not None:
            known[key] = decoded
    return Bag(
        known,
        frozenset(decoding.unknown),
        frozenset(decoding.secret),
        tuple(decoding.failures),
        tuple(decoding.secrets),
    )


def encode(values: Mapping[str, Any], secret: Iterable[str] = ()) -> struct_pb2.Struct:
    """Write a property bag.

    Args:
        values: plain JSON values; `COMPUTED` stands for an unknown one, None for an absent one.
        secret: top-level names to mark as secret.
    """
    hidden = frozenset(secret)
    struct = struct_pb2.Struct()
    for key, value in values.items():
        if value is None:
            continue
        encoded = _encode(value)
        struct.fields[key].CopyFrom(_seal(encoded) if key in hidden else encoded)
    return struct


def carry(
    struct: struct_pb2.Struct,
    add: Mapping[str, Any] | None = None,
    secret: Iterable[str] = (),
) -> struct_pb2.Struct:
    """A bag handed back as it came: for Check, which returns the user's own inputs.

    Nulls are dropped, output values become the plain, secret or unknown values that they stand for,
    and everything else keeps its spelling and its secrecy.

    Args:
        add: further properties.
        secret: what to mark as secret, if it is not: names, and paths such as ``users.passwordHash``, in
            which lists are not spelled.
    """
    result = struct_pb2.Struct()
    for key, value in struct.fields.items():
        plain = _flatten(value)
        if plain is not None:
            result.fields[key].CopyFrom(plain)
    for path in secret:
        _seal_inside(result, path.split("."))
    for key, extra in (add or {}).items():
        result.fields[key].CopyFrom(_encode(extra))
    return result


def trace(
    struct: struct_pb2.Struct,
    dependencies: Mapping[str, Iterable[str]] | None = None,
    *,
    everything: Iterable[str] = (),
) -> Given:
    """Read a property bag with what is known of every value in it: for values that are passed on.

    Args:
        dependencies: URNs by property, for those that do not carry their own.
        everything: URNs of resources that every property depends on.
    """
    base = frozenset(everything)
    properties = {}
    for key, value in struct.fields.items():
        given = _trace(value, False, base)
        if given.all_dependencies == base:
            given = _trace(value, False, base.union((dependencies or {}).get(key, ())))
        properties[key] = given
    return Given({key: given for key, given in properties.items() if not given.absent}, dependencies=base)


def untrace(values: Mapping[str, Given], secret: Iterable[str] = ()) -> struct_pb2.Struct:
    """Write a property bag; what has something secret inside is secret as a whole.

    Args:
        secret: names of further secret properties.
    """
    hidden = {name for name, given in values.items() if given.holds_secret}
    return encode({name: _plain(given) for name, given in values.items()}, hidden.union(secret))


class _Decoding:
    """One pass over a bag, collecting what is not plain in it."""

    def __init__(self) -> None:
        self.unknown: set[str] = set()
        self.secret: set[str] = set()
        self.secrets: list[Any] = []
        self.failures: list[Failure] = []

    def value(self, value: struct_pb2.Value, path: str, top: str, secret: bool) -> Any:
        """A plain value; None when it is absent or unknown."""
        kind = value.WhichOneof("kind")
        if kind == "struct_value":
            return self._object(value.struct_value, path, top, secret)
        if kind == "list_value":
            return self._list(value.list_value, path, top, secret)
        if kind == "string_value":
            if value.string_value in _UNKNOWN_MARKERS:
                self.unknown.add(path)
                return None
            plain: Any = value.string_value
        elif kind == "number_value":
            number = value.number_value
            plain = int(number) if number.is_integer() else number
        elif kind == "bool_value":
            plain = value.bool_value
        else:
            return None
        if secret:
            self.secrets.append(plain)
        return plain

    def _list(self, items: struct_pb2.ListValue, path: str, top: str, secret: bool) -> Any:
        places = [f"{path}[{index}]" for index in range(len(items.values))]
        result = [
            self.value(item, place, top, secret) for item, place in zip(items.values, places, strict=True)
        ]
        if self.unknown.intersection(places):
            # Without the element, the others would be taken for their neighbours.
            self.unknown = {u for u in self.unknown if not u.startswith(f"{path}[")} | {path}
            return None
        return result

    def _object(self, struct: struct_pb2.Struct, path: str, top: str, secret: bool) -> Any:
        fields = struct.fields
        signature = fields[_SIGNATURE].string_value if _SIGNATURE in fields else None
        if signature is None:
            result = {}
            for key, item in fields.items():
                decoded = self.value(item, f"{path}.{key}", top, secret)
                if decoded is not None:
                    result[key] = decoded
            return result
        if signature == _SECRET:
            self.secret.add(top)
            return self.value(fields["value"], path, top, secret=True)
        if signature == _OUTPUT:
            hidden = "secret" in fields and fields["secret"].bool_value
            if hidden:
                self.secret.add(top)
            if "value" not in fields:
                self.unknown.add(path)
                return None
            return self.value(fields["value"], path, top, secret or hidden)
        if signature == _RESOURCE:
            if "id" not in fields or fields["id"].string_value == "":
                self.unknown.add(path)
                return None
            return self.value(fields["id"], path, top, secret)
        if signature in (_ASSET, _ARCHIVE):
            what = "an asset" if signature == _ASSET else "an archive"
            self.failures.append(Failure(path, f"is {what}; a plain value is expected"))
            return None
        self.failures.append(Failure(path, "is of a kind that this provider does not know"))
        return None


def _trace(value: struct_pb2.Value, secret: bool, dependencies: frozenset[str]) -> Given:
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        items = tuple(_trace(item, secret, dependencies) for item in value.list_value.values)
        return Given(items, secret=secret, dependencies=dependencies)
    if kind == "struct_value":
        return _trace_object(value, secret, dependencies)
    decoding = _Decoding()
    plain = decoding.value(value, "", "", secret)
    return Given(plain, not decoding.unknown, secret, dependencies)


def _trace_object(value: struct_pb2.Value, secret: bool, dependencies: frozenset[str]) -> Given:
    fields, signature = value.struct_value.fields, _signature(value)
    if signature == _SECRET:
        return _trace(fields["value"], True, dependencies)
    if signature == _OUTPUT:
        secret = secret or ("secret" in fields and fields["secret"].bool_value)
        if "dependencies" in fields:
            urns = fields["dependencies"].list_value.values
            dependencies = dependencies.union(urn.string_value for urn in urns)
        if "value" not in fields:
            return Given(None, False, secret, dependencies)
        return _trace(fields["value"], secret, dependencies)
    if signature is not None:
        decoding = _Decoding()
        plain = decoding.value(value, "", "", secret)
        return Given(plain, not decoding.unknown, secret, dependencies)
    properties = {key: _trace(item, secret, dependencies) for key, item in fields.items()}
    present = {key: given for key, given in properties.items() if not given.absent}
    return Given(present, secret=secret, dependencies=dependencies)


def _plain(given: Given) -> Any:
    """A value for `encode`."""
    if not given.known:
        return COMPUTED
    if isinstance(given.value, Mapping):
        return {name: _plain(part) for name, part in given.value.items()}
    if isinstance(given.value, tuple):
        return [_plain(part) for part in given.value]
    return given.value


def _encode(value: Any) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, Computed):
        return struct_pb2.Value(string_value=UNKNOWN)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        struct = struct_pb2.Struct()
        for key, item in value.items():
            if item is not None:
                struct.fields[key].CopyFrom(_encode(item))
        return struct_pb2.Value(struct_value=struct)
    items = struct_pb2.ListValue(values=[_encode(item) for item in value])
    return struct_pb2.Value(list_value=items)


def _seal(value: struct_pb2.Value) -> struct_pb2.Value:
    struct = struct_pb2.Struct()
    struct.fields[_SIGNATURE].string_value = _SECRET
    struct.fields["value"].CopyFrom(value)
    return struct_pb2.Value(struct_value=struct)


def _seal_inside(struct: struct_pb2.Struct, path: Sequence[str]) -> None:
    """Make secret what stands at a path of names, in every element of the lists on the way."""
    if path[0] not in struct.fields:
        return
    value = struct.fields[path[0]]
    if _signature(value) is not None:
        return
    if len(path) == 1:
        value.CopyFrom(_seal(value))
        return
    for item in value.list_value.values if value.WhichOneof("kind") == "list_value" else [value]:
        if item.WhichOneof("kind") == "struct_value" and _signature(item) is None:
            _seal_inside(item.struct_value, path[1:])


def _signature(value: struct_pb2.Value) -> str | None:
    fields = value.struct_value.fields
    return fields[_SIGNATURE].string_value if _SIGNATURE in fields else None


def _flatten(value: struct_pb2.Value) -> struct_pb2.Value | None:
    kind = value.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    if kind == "list_value":
        null = struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        items = [_flatten(item) or null for item in value.list_value.values]
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
    if kind != "struct_value":
        return value
    fields = value.struct_value.fields
    if _signature(value) == _OUTPUT:
        inner = _flatten(fields["value"]) if "value" in fields else None
        plain = inner or struct_pb2.Value(string_value=UNKNOWN)
        return _seal(plain) if "secret" in fields and fields["secret"].bool_value else plain
    struct = struct_pb2.Struct()
    for key, item in fields.items():
        plain_item = _flatten(item)
        if plain_item is not None:
            struct.fields[key].CopyFrom(plain_item)
    return struct_pb2.Value(struct_value=struct)


_TELLING: Final = 4
"""Shorter secrets are not searched for in texts: they would be found everywhere."""


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value.values())
        elif isinstance(value, list | tuple):
            yield from _texts(value)


def _is_text_only(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _secret_texts(values: Iterable[Any]) -> set[str]:
    """Secret strings in the spellings in which they can turn up: whole, by line, as a repr."""
    found = set()
    for text in _texts(values):
        for spelling in (text, repr(text)[1:-1], *text.splitlines()):
            if len(spelling.strip()) >= _TELLING:
                found.add(spelling.strip())
    return found
