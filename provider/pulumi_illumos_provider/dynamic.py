"""The resources as Pulumi dynamic resources, for programs that want no provider plugin.

    from pulumi_illumos_provider.dynamic import Etherstub, RouterZone, Zone

    lan = Etherstub("lan", name="lan0", connection={"host": "gz1"})

Properties, names and ids are those of the plugin's resources. What a dynamic resource cannot do: show
progress, look at the host in a preview, be imported, and keep a half-made object in the state. What a
create leaves behind when it fails is therefore removed; if that fails too, the next ``pulumi up`` takes
it up.

The provider that Pulumi stores with every resource is a reference to this module: a few bytes, with no
setting and no secret in it. The connection is a secret property of its own; settings that it leaves out
come from the ``ILLUMOS_*`` environment variables.
"""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import itertools
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, Final, TypeVar

import pulumi
from pulumi import dynamic
from pulumi.output import Unknown

from pulumi_illumos_provider.engine import config, shapes
from pulumi_illumos_provider.engine.checking import check_inputs
from pulumi_illumos_provider.engine.connecting import connect
from pulumi_illumos_provider.engine.failing import PartialFailure, describe
from pulumi_illumos_provider.engine.operations import AnyKind, Operations
from pulumi_illumos_provider.engine.properties import COMPUTED, Bag, carry, decode, encode
from pulumi_illumos_provider.errors import Failure, ProviderError
from pulumi_illumos_provider.model.base import Properties
from pulumi_illumos_provider.resources import KINDS
from pulumi_illumos_provider.resources.kind import Owner

CONNECTION: Final = "connection"
"""The property that holds the settings, all of them secret."""

OWNER: Final = "__owner"
"""A hidden property: who asks, as the plugin knows it from the URN."""

_T = TypeVar("_T")


class Failed(Exception):
    """What a user sees when an operation fails. Pulumi puts a stack trace of its own above it."""


# In the last line of that stack trace the name is all that stands before the message.
Failed.__module__, Failed.__qualname__ = "builtins", "illumos"


class Provider(dynamic.ResourceProvider):
    """A dynamic provider of one kind of resource.

    Args:
        token: type token of the plugin's resource, ``illumos:index:Zone``.
    """

    serialize_as_secret_always = False  # there is nothing secret in it

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token

    def __reduce__(self) -> tuple[Callable[[str], Provider], tuple[str]]:
        return Provider, (self.token,)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Validate inputs and connection, all failures at once; add the automatic name."""
        connection, own = self._split(news)
        checked = check_inputs(
            self._kind,
            own,
            old_name=_olds.get("name"),
            resource_name=str(news.get(OWNER, "")).rsplit("::", 1)[-1],
            seed=str(news.get(OWNER, "")).encode(),
        )
        failures = list(checked.failures)
        if connection is not None:
            failures += [
                Failure(f"{CONNECTION}.{fault.property}", fault.reason)
                for fault in config.check_config(connection).failures
            ]
        inputs = news if checked.name is None else {**news, "name": checked.name}
        return dynamic.CheckResult(
            inputs, [dynamic.CheckFailure(fault.property, fault.reason) for fault in failures]
        )

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Compare meaning. Another connection to the same host is remembered, and changes nothing else."""
        connection, own = self._split(_news)
        host = None
        if connection is not None:
            settings = config.check_config(connection).configuration
            host = settings.host if settings else None
        found = Operations(None, host).diff(self._kind, self._split(_olds)[1], own)
        return dynamic.DiffResult(
            changes=bool(found.properties) or _olds.get(CONNECTION) != _news.get(CONNECTION),
            replaces=[change.property for change in found.properties if change.replace],
            stables=list(found.stable),
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make the object, or finish making it."""
        id, outputs = self._run(self._create(props), props)
        return dynamic.CreateResult(str(id), outputs)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Read the object back; an empty id when it is gone."""
        found = self._run(self._read(id_, props), props)
        if found is None:
            return dynamic.ReadResult("", {})
        return dynamic.ReadResult(id_, found)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Change the object in place."""
        return dynamic.UpdateResult(self._run(self._update(_id, _olds, _news), _news, _olds))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the object; one that is gone is a success."""
        self._run(self._delete(_id, _props), _props)

    @property
    def _kind(self) -> AnyKind:
        return KINDS[self.token]

    async def _create(self, props: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        connection, own = self._split(props)
        operations = _operations(connection)
        try:
            made = await operations.create(self._kind, own, _owner(props), listener=_STDERR)
        except PartialFailure as failure:
            raise ProviderError(await _clear_away(operations, self._kind, failure)) from None
        return made.id, _kept(made.outputs, props)

    async def _read(self, id: str, props: dict[str, Any]) -> dict[str, Any] | None:
        connection, own = self._split(props)
        found = await _operations(connection).read(self._kind, id, inputs=own)
        return None if found is None else _kept(found.outputs, props)

    async def _update(self, id: str, olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
        connection, own = self._split(news)
        made = await _operations(connection).update(
            self._kind, id, self._split(olds)[1], own, _owner(news), listener=_STDERR
        )
        return _kept(made.outputs, news)

    async def _delete(self, id: str, props: dict[str, Any]) -> None:
        connection, own = self._split(props)
        await _operations(connection).delete(self._kind, id, own, listener=_STDERR)

    def _split(self, props: Mapping[str, Any]) -> tuple[Bag | None, Bag]:
        """The connection's settings, None while they are not known as a whole; and the rest.

        Pulumi hands secrets over in the clear: what the models declare secret is marked anew.
        """
        bag = decode(carry(encode(_without_unknowns(props)), secret=shapes.secret_paths(self._kind.inputs)))
        settings = bag.known.pop(CONNECTION, {})
        inside = frozenset(
            path.removeprefix(f"{CONNECTION}.") for path in bag.unknown if path.startswith(f"{CONNECTION}.")
        )
        whole = CONNECTION not in bag.unknown
        connection = decode(encode(settings, config.SECRET))
        known = {name: value for name, value in bag.known.items() if not name.startswith("__")}
        unknown = frozenset(path for path in bag.unknown if not path.startswith(CONNECTION))
        return (
            connection.narrowed(connection.known, inside) if whole else None,
            bag.narrowed(known, unknown),
        )

    def _run(self, work: Coroutine[Any, Any, _T], *props: Mapping[str, Any]) -> _T:
        """Run an operation to its end.

        Args:
            props: what may hold secrets.

        Raises:
            Failed: with one clean message.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, _loop().loop).result()
        except Exception as error:
            text = describe(error)
            for bag in itertools.chain.from_iterable(map(self._split, props)):
                text = text if bag is None else bag.redact(text)
        raise Failed(text)


class _Resource(dynamic.Resource):
    """What the resources have in common."""

    _token: ClassVar[str]

    connection: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        resource_name: str,
        opts: pulumi.ResourceOptions | None = None,
        *,
        connection: pulumi.Input[Mapping[str, Any]] | None = None,
        **properties: Any,
    ) -> None:
        """Declare the resource.

        Args:
            resource_name: its name in the program.
            opts: Pulumi's options.
            connection: settings, named as the plugin's configuration (``host``, ``user``,
                ``private_key`` ...); kept secret as a whole.
            properties: the inputs of the plugin's resource of the same name, in snake_case.

        Raises:
            TypeError: there is no such property.
        """
        kind = KINDS[self._token]
        names = _names(self._token)
        inputs = {names.get(name, name) for name in kind.inputs.model_fields}
        for name in properties:
            if names.get(name, name) not in inputs:
                close = difflib.get_close_matches(name, kind.inputs.model_fields, 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise TypeError(f"{type(self).__name__} has no property {name!r}{hint}")
        props: dict[str, Any] = dict.fromkeys(kind.outputs.model_fields)
        props |= _sealed(properties, kind.inputs)
        props[OWNER] = (
            f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::"
            f"pulumi-python:{self._resource_type_name}::{resource_name}"
        )
        if connection is not None:
            props[CONNECTION] = pulumi.Output.secret(connection)
        super().__init__(Provider(self._token), resource_name, props, opts)

    def translate_input_property(self, prop: str) -> str:
        """``publicAddress`` for ``public_address``."""
        return _names(self._token).get(prop, prop)

    def translate_output_property(self, prop: str) -> str:
        """``public_address`` for ``publicAddress``."""
        return {camel: snake for snake, camel in _names(self._token).items()}.get(prop, prop)


class Etherstub(_Resource, module="illumos", name="Etherstub"):
    """A virtual switch inside one host."""

    _token = "illumos:index:Etherstub"

    host: pulumi.Output[str]
    name: pulumi.Output[str]
    mtu: pulumi.Output[int]


class RouterZone(_Resource, module="illumos", name="RouterZone"):
    """A zone that forwards, translates addresses and serves DHCP."""

    _token = "illumos:index:RouterZone"

    host: pulumi.Output[str]
    name: pulumi.Output[str]
    public_address: pulumi.Output[str]
    public_link: pulumi.Output[str]
    gateway: pulumi.Output[str]
    networks: pulumi.Output[list[dict[str, Any]]]
    brand: pulumi.Output[str]
    zonepath: pulumi.Output[str]
    state: pulumi.Output[str]


class Zone(_Resource, module="illumos", name="Zone"):
    """A zone on one or more networks."""

    _token = "illumos:index:Zone"

    host: pulumi.Output[str]
    name: pulumi.Output[str]
    address: pulumi.Output[str]
    nics: pulumi.Output[list[dict[str, Any]]]
    brand: pulumi.Output[str]
    zonepath: pulumi.Output[str]
    state: pulumi.Output[str]


class PortForward(_Resource, module="illumos", name="PortForward"):
    """Ports of a router's public address that lead to a zone behind it."""

    _token = "illumos:index:PortForward"

    host: pulumi.Output[str]
    router: pulumi.Output[str]
    name: pulumi.Output[str]
    public_address: pulumi.Output[str]
    target_address: pulumi.Output[str]


class Ingress(_Resource, module="illumos", name="Ingress"):
    """Names and ports of a router's public address that zones behind it answer to."""

    _token = "illumos:index:Ingress"

    host: pulumi.Output[str]
    router: pulumi.Output[str]
    name: pulumi.Output[str]
    address: pulumi.Output[str]
    port: pulumi.Output[int]
    url: pulumi.Output[str | None]


# Names -------------------------------------------------------------------------------------------


def _names(token: str) -> Mapping[str, str]:
    """The name on the wire of every property, at any depth, by its name in Python."""
    names = _NAMES.get(token)
    if names is None:
        kind = KINDS[token]
        names = _NAMES[token] = {}
        waiting: list[type[Properties]] = [kind.inputs, kind.outputs, config.Configuration]
        while waiting:
            model = waiting.pop()
            for field in model.model_fields:
                names[field] = model.property_name(field)
                inner = shapes.nested(shapes.annotation(model, field))
                if inner is not None:
                    waiting.append(inner)
    return names


_NAMES: Final[dict[str, dict[str, str]]] = {}


# Properties --------------------------------------------------------------------------------------


def _sealed(value: Any, model: type[Properties]) -> Any:
    """A value in which everything is marked as secret that the model declares so, at any depth."""
    if isinstance(value, pulumi.Output):
        return value.apply(lambda known: _sealed(known, model))
    if isinstance(value, list | tuple):
        return [_sealed(item, model) for item in value]
    if isinstance(value, Mapping):
        return {name: _sealed_property(name, item, model) for name, item in value.items()}
    return value


def _sealed_property(name: str, value: Any, model: type[Properties]) -> Any:
    fields = (field for field in model.model_fields if name in (field, model.property_name(field)))
    field = next(fields, None)
    if field is None or value is None:
        return value
    if model.metadata(field).get("secret"):
        return pulumi.Output.secret(value)
    inner = shapes.nested(shapes.annotation(model, field))
    return value if inner is None else _sealed(value, inner)


def _without_unknowns(value: Any) -> Any:
    if isinstance(value, Unknown):
        return COMPUTED
    if isinstance(value, Mapping):
        return {key: _without_unknowns(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_unknowns(item) for item in value]
    return value


def _kept(outputs: Mapping[str, Any], props: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs, with what a later operation needs besides."""
    hidden = {name: props[name] for name in (CONNECTION, OWNER) if name in props}
    return {**outputs, **hidden}


def _owner(props: Mapping[str, Any]) -> Owner:
    return Owner(str(props.get(OWNER, "")))


# Running -----------------------------------------------------------------------------------------


class _Loop:
    """An event loop in a thread of its own: Pulumi calls dynamic providers from many threads."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="illumos", daemon=True).start()
        self.operations: dict[str, Operations] = {}


class _Stderr:
    """A listener for a process without the engine's log: Pulumi shows what it prints."""

    def status(self, text: str) -> None:
        """Say nothing: it would be kept."""

    def note(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print it."""
        print(f"warning: {text}", file=sys.stderr, flush=True)


_STDERR: Final = _Stderr()
_STARTING: Final = threading.Lock()
_LOOPS: Final[list[_Loop]] = []


def _loop() -> _Loop:
    with _STARTING:
        if not _LOOPS:
            _LOOPS.append(_Loop())
        return _LOOPS[0]


def _operations(connection: Bag | None) -> Operations:
    """The operations over a connection; one set of them for all resources that share it."""
    checked = config.check_config(connection or Bag())
    if checked.configuration is None:
        faults = [f"{fault.property} {fault.reason}" for fault in checked.failures]
        raise ProviderError("; ".join(faults) or "the connection is not known")
    settings = checked.configuration
    key = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()
    known = _loop().operations
    if key not in known:
        known[key] = Operations(connect(settings), settings.host)
    return known[key]


async def _clear_away(operations: Operations, kind: AnyKind, failure: PartialFailure) -> str:
    """Remove what a create has left behind, which nobody else would know of; say what came of it."""
    told = "\n".join(failure.reasons)
    try:
        await operations.delete(kind, failure.id, Bag(failure.state))
    except ProviderError as error:
        return (
            f"{told}\nwhat was made so far, {failure.id}, could not be removed: {error}\n"
            "run pulumi up again: it takes up what is there"
        )
    return f"{told}\nwhat was made so far was removed again"
