"""Check, Diff, Create, Read, Update, Delete."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from .conftest import UNKNOWN, Provider, failure, plain, secret, unfinished, urn

SOME, NONE = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
Naming = provider_pb2.CheckRequest.AutonamingOptions


# Check


async def test_check_returns_the_users_own_spelling(ready: Provider) -> None:
    news = {"name": "box0", "size": "1024m", "ports": [{"number": 1, "label": None}], "memory": None}
    checked = await ready.check(news=news)
    assert plain(checked.inputs) == {"name": "box0", "size": "1024m", "ports": [{"number": 1}]}


async def test_check_passes_secrets_and_unknowns_through(ready: Provider) -> None:
    news = {"name": "box0", "size": secret("1G"), "brand": UNKNOWN, "ports": [{"number": UNKNOWN}]}
    checked = await ready.check(news=news)
    assert (plain(checked.inputs), list(checked.failures)) == (news, [])


async def test_check_makes_secret_what_is_declared_secret(ready: Provider) -> None:
    checked = await ready.check(news={"name": "box0", "token": "opensesame"})
    assert plain(checked.inputs)["token"] == secret("opensesame")


async def test_check_tells_all_failures_with_their_paths(ready: Provider) -> None:
    checked = await ready.check(news={"name": "x", "size": "?", "ports": [{"number": 0}], "colour": 1})
    assert {f.property for f in checked.failures} == {"name", "size", "ports[0].number", "colour"}


async def test_check_never_shows_a_secret(ready: Provider) -> None:
    checked = await ready.check(news={"name": "box0", "size": secret("hunter2")})
    (found,) = checked.failures
    assert "hunter2" not in found.reason


async def test_check_never_judges_an_unknown_marker(ready: Provider) -> None:
    checked = await ready.check(news={"name": UNKNOWN, "size": "?"})
    assert [f.property for f in checked.failures] == ["size"]
    assert plain(checked.inputs)["name"] == UNKNOWN
    assert UNKNOWN not in checked.failures[0].reason


async def test_names_follow_from_the_random_seed(ready: Provider) -> None:
    one = plain((await ready.check(randomSeed=b"1")).inputs)["name"]
    again = plain((await ready.check(randomSeed=b"1")).inputs)["name"]
    other = plain((await ready.check(randomSeed=b"2")).inputs)["name"]
    assert one == again != other
    assert one.startswith("a_")


async def test_the_automatic_name_is_kept(ready: Provider) -> None:
    checked = await ready.check(olds={"name": "a_77"}, randomSeed=b"1")
    assert plain(checked.inputs) == {"name": "a_77"}


@pytest.mark.parametrize(
    ("mode", "proposed", "name", "failing"),
    [
        (Naming.PROPOSE, "site_a0", "site_a0", []),
        (Naming.PROPOSE, "", "a_", []),
        (Naming.ENFORCE, "site_a0", "site_a0", []),
        (Naming.ENFORCE, "site-a", "site-a", ["name"]),
        (Naming.DISABLE, "", None, ["name"]),
    ],
)
async def test_autonaming_modes_are_honoured(
    ready: Provider, mode: Any, proposed: str, name: str | None, failing: list[str]
) -> None:
    checked = await ready.check(autonaming=Naming(mode=mode, proposed_name=proposed))
    assert [f.property for f in checked.failures] == failing
    got = plain(checked.inputs).get("name")
    assert got == name or (name == "a_" and str(got).startswith("a_"))


# Diff


async def made(ready: Provider, **properties: Any) -> dict[str, Any]:
    response = await ready.create({"name": "box0", **properties})
    return plain(response.properties)


async def test_diff_of_the_same_meaning_is_none(ready: Provider) -> None:
    state = await made(ready, size="1G")
    found = await ready.diff(
        state, {"name": "box0", "size": "1024M"}, old_inputs={"name": "box0", "size": "1G"}
    )
    assert found.changes == NONE
    assert (list(found.diffs), dict(found.detailedDiff)) == ([], {})


async def test_diff_keeps_its_invariants(ready: Provider) -> None:
    inputs: dict[str, Any] = {"name": "box0", "size": "1G", "memory": "1G", "ports": [{"number": 1}]}
    state = await made(ready, **{**inputs, "name": "box0"})
    news = {"name": "box1", "size": "2G", "brand": "other", "ports": [{"number": 2}]}
    found = await ready.diff(state, news, old_inputs=inputs)
    assert found.changes == SOME
    assert found.hasDetailedDiff
    kinds = {name: provider_pb2.PropertyDiff.Kind.Name(d.kind) for name, d in found.detailedDiff.items()}
    assert kinds == {
        "name": "UPDATE_REPLACE",
        "size": "UPDATE",
        "memory": "DELETE",
        "brand": "ADD_REPLACE",
        "ports": "UPDATE",
    }
    assert sorted(found.diffs) == sorted(found.detailedDiff)
    assert list(found.replaces) == ["name", "brand"]
    assert found.deleteBeforeReplace
    assert list(found.stables) == ["host", "name", "brand"]
    assert all(d.inputDiff for d in found.detailedDiff.values())


async def test_diff_honours_ignored_changes(ready: Provider) -> None:
    state = await made(ready, size="1G")
    found = await ready.diff(state, {"name": "box0", "size": "2G"}, ignoreChanges=["size"])
    assert found.changes == NONE


async def test_diff_takes_an_unknown_value_for_a_change(ready: Provider) -> None:
    state = await made(ready)
    found = await ready.diff(state, {"name": "box0", "memory": UNKNOWN})
    assert list(found.diffs) == ["memory"]


# Create


async def test_create_returns_what_the_host_says(ready: Provider) -> None:
    response = await ready.create({"name": "box0", "size": "2048"})
    assert response.id == "gz1/box0"
    assert plain(response.properties)["size"] == "2K"
    assert plain(response.properties)["serial"] == "S-box0"


async def test_outputs_of_secret_inputs_are_secret(ready: Provider) -> None:
    response = await ready.create({"name": "box0", "token": "opensesame", "ports": [{"number": secret(1)}]})
    outputs = plain(response.properties)
    assert outputs["token"] == secret("opensesame")
    assert outputs["ports"] == secret([{"number": 1, "mac": "2:0:1"}])
    assert outputs["serial"] == "S-box0"


async def test_outputs_that_contain_a_secret_value_are_secret(ready: Provider) -> None:
    await ready.create({"name": "peer0"}, "p")
    response = await ready.create({"name": "box0", "peer": "peer0", "brand": secret("peer0")})
    assert plain(response.properties)["peer"] == secret("peer0")


async def test_a_refused_create_leaves_the_state_certain(ready: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.create({"name": "box0", "brand": "nobody"})
    assert failure(caught) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "box box0 on gz1: brand: the host has no brand nobody; it has acme",
    )


async def test_a_failed_step_names_itself_its_command_and_what_was_said(ready: Provider) -> None:
    ready.hosts.fail = "making"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.create({"name": "box0"})
    code, text = failure(caught)
    assert code == grpc.StatusCode.UNKNOWN
    assert "making box box0 on gz1 failed: exit status 1" in text
    assert "/usr/bin/set box0" in text
    assert "disk full" in text


async def test_a_half_made_object_is_reported_with_id_state_inputs_and_reasons(ready: Provider) -> None:
    ready.hosts.fail = "sealing"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.create({"name": "box0", "token": "opensesame"})
    detail = unfinished(caught)
    assert detail.id == "gz1/box0"
    assert plain(detail.properties)["sealed"] is False
    assert plain(detail.properties)["token"] == secret("opensesame")
    assert plain(detail.inputs) == {"name": "box0", "token": secret("opensesame")}
    assert "disk full" in detail.reasons[0]


async def test_errors_do_not_show_secrets(ready: Provider) -> None:
    ready.hosts.fail, ready.hosts.leak = "making", "bad token opensesame"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.create({"name": "box0", "token": secret("opensesame")})
    assert "bad token [secret]" in failure(caught)[1]


async def test_reasons_do_not_show_former_secrets(ready: Provider) -> None:
    olds = {"name": "box0", "token": secret("opensesame")}
    await ready.create(olds)
    ready.hosts.fail, ready.hosts.leak = "filling", "the token is still opensesame"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.update(olds, {"name": "box0", "token": secret("closesesame")})
    (reason,) = unfinished(caught).reasons
    assert "the token is still [secret]" in reason
    assert "opensesame" not in failure(caught)[1]


async def test_the_programs_timeout_is_honoured(ready: Provider) -> None:
    ready.hosts.hang = "sealing"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.create({"name": "box0"}, timeout=0.05)
    assert "took longer than the 0.05 s" in unfinished(caught).reasons[0]


async def test_a_preview_of_a_create_changes_nothing_and_tells_what_is_known(ready: Provider) -> None:
    response = await ready.create({"name": "box0", "size": "2048", "token": "opensesame"}, preview=True)
    outputs = plain(response.properties)
    assert (outputs["size"], outputs["serial"]) == ("2K", UNKNOWN)
    assert outputs["token"] == secret("opensesame")
    assert ready.hosts.world == {}


async def test_a_preview_after_a_diff_is_that_of_a_replacement(ready: Provider) -> None:
    state = await made(ready)
    ready.hosts.world["box0"]["owner"] = "somebody else"
    await ready.diff(state, {"name": "box0", "brand": "other"})
    response = await ready.create({"name": "box0", "brand": "other"}, preview=True)
    assert plain(response.properties)["brand"] == "other"


# Read


async def test_an_import_is_a_read_by_id_alone(ready: Provider) -> None:
    await made(ready, size="2048")
    response = await ready.read()
    assert response.id == "gz1/box0"
    assert plain(response.inputs) == {"name": "box0", "size": "2K"}
    assert plain(response.properties)["serial"] == "S-box0"


async def test_a_refresh_keeps_spelling_and_secrets(ready: Provider) -> None:
    state = await made(ready, size="2048", token="opensesame")
    inputs = {"name": "box0", "size": secret("2048"), "token": secret("opensesame")}
    response = await ready.read(properties=state, inputs=inputs)
    assert plain(response.inputs) == inputs
    assert plain(response.properties)["size"] == secret("2K")
    assert plain(response.properties)["token"] == secret("opensesame")


async def test_an_empty_id_means_gone(ready: Provider) -> None:
    assert (await ready.read(properties={"name": "box0"})).id == ""


async def test_an_import_of_nothing_is_an_empty_id(ready: Provider) -> None:
    assert (await ready.read()).id == ""


async def test_an_unreachable_host_is_an_error_and_not_gone(ready: Provider) -> None:
    ready.hosts.unreachable = True
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.read(properties={"name": "box0"}, inputs={"name": "box0"})
    assert failure(caught)[1] == "gz1 port 22: connection refused"


async def test_a_malformed_id_is_refused(ready: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.read(id="box0")
    assert "write HOST/NAME" in failure(caught)[1]


async def test_what_must_not_be_imported_is_refused(ready: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.read(id="gz1/global")
    assert "cannot be imported" in failure(caught)[1]


async def test_a_refresh_of_an_unfinished_object_keeps_it_unfinished(ready: Provider) -> None:
    ready.hosts.world["box0"] = {"owner": urn("a"), "sealed": False}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.read(properties={"name": "box0"}, inputs={"name": "box0"})
    detail = unfinished(caught)
    assert (detail.id, list(detail.reasons)) == ("gz1/box0", ["box box0 is not sealed"])
    assert plain(detail.inputs) == {"name": "box0"}


# Update and delete


async def test_an_update_returns_what_the_host_says(ready: Provider) -> None:
    state = await made(ready)
    response = await ready.update(state, {"name": "box0", "size": "4096"})
    assert plain(response.properties)["size"] == "4K"


async def test_a_half_done_update_is_reported_with_the_new_state(ready: Provider) -> None:
    state = await made(ready)
    ready.hosts.lose = "filling"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.update(state, {"name": "box0", "size": "4096"})
    assert plain(unfinished(caught).properties)["size"] == "4K"


async def test_the_preview_of_an_update_says_that_the_zone_will_be_rebooted(ready: Provider) -> None:
    state = await made(ready)
    response = await ready.update(state, {"name": "box0", "memory": "1G"}, preview=True)
    await ready.logged()
    assert ("INFO", "box box0 will be rebooted: memory") in ready.engine.told()
    assert plain(response.properties)["memory"] == "1G"
    assert "memory" not in plain((await ready.read()).properties)


async def test_delete_removes_and_succeeds_again(ready: Provider) -> None:
    state = await made(ready)
    assert await ready.delete(state) == empty_pb2.Empty()
    assert ready.hosts.world == {}
    assert await ready.delete(state) == empty_pb2.Empty()


async def test_delete_on_an_unreachable_host_fails(ready: Provider) -> None:
    state = await made(ready)
    ready.hosts.unreachable = True
    with pytest.raises(grpc.aio.AioRpcError):
        await ready.delete(state)


async def test_a_whole_life(ready: Provider) -> None:
    inputs = plain((await ready.check(news={"size": "1G"}, randomSeed=b"1")).inputs)
    created = await ready.create(inputs)
    state = plain(created.properties)
    again = await ready.diff(state, inputs, old_inputs=inputs)
    read = await ready.read(id=created.id, properties=state, inputs=inputs)
    assert again.changes == NONE
    assert (plain(read.inputs), plain(read.properties)) == (inputs, state)
    imported = await ready.read(id=created.id)
    assert (await ready.diff(plain(imported.properties), inputs)).changes == NONE
    await ready.delete(state, id=created.id)
    assert (await ready.read(id=created.id)).id == ""
