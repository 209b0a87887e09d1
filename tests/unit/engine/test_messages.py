"""What stands in the messages of the provider protocol."""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2

from pulumi_illumos_provider.engine.messages import redacted

TEXT = "root could not write /etc/token: opensesame"
FILE = {"path": "/etc/token", "owner": "root"}


def bag(**values: Any) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


def secret(value: Any) -> dict[str, Any]:
    return {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": value}


def test_an_item_that_is_secret_hides_nothing_else_of_its_list() -> None:
    request = provider_pb2.UpdateRequest(
        olds=bag(files=secret([FILE])),
        old_inputs=bag(files=[{**FILE, "content": secret("opensesame")}]),
        news=bag(files=[{**FILE, "content": secret("closesesame")}]),
    )
    assert redacted(request, TEXT) == "root could not write /etc/token: [secret]"


def test_a_state_without_inputs_tells_what_is_secret() -> None:
    request = provider_pb2.UpdateRequest(olds=bag(token=secret("opensesame")), news=bag(token="x"))
    assert redacted(request, TEXT) == "root could not write /etc/token: [secret]"
