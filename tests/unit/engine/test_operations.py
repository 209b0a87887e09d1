"""Create, read, update and delete over hosts in memory, with faults."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from pulumi_illumos_provider.engine import execution
from pulumi_illumos_provider.engine.failing import Interrupted, PartialFailure, TimedOut, describe
from pulumi_illumos_provider.engine.operations import Operations
from pulumi_illumos_provider.engine.properties import COMPUTED, Bag
from pulumi_illumos_provider.errors import HostError, Refused
from pulumi_illumos_provider.host.errors import StepFailed
from pulumi_illumos_provider.plan import Completed
from pulumi_illumos_provider.resources.kind import Owner, Plan

from .toy import BOX, KINDS, BoxKind, Ear, FakeHosts

OWNER = Owner("urn:pulumi:dev::site::illumos:index:Box::a")
OTHER = Owner("urn:pulumi:dev::site::illumos:index:Box::b")
ROUTER = KINDS["illumos:index:RouterZone"]


@pytest.fixture
def hosts() -> FakeHosts:
    return FakeHosts()


@pytest.fixture
def operations(hosts: FakeHosts) -> Operations:
    return Operations(hosts, "gz1")


def box(**more: object) -> Bag:
    return Bag({"name": "box0", **more})


# Create


async def test_state_is_what_the_host_says_after_a_create(operations: Operations) -> None:
    made = await operations.create(BOX, box(size="2048", ports=[{"number": 1}]), OWNER)
    assert made.id == "gz1/box0"
    assert made.outputs == {
        "host": "gz1",
        "name": "box0",
        "size": "2K",
        "brand": "acme",
        "ports": [{"number": 1, "mac": "2:0:1"}],
        "serial": "S-box0",
        "sealed": True,
    }


async def test_a_resource_can_name_its_own_host(operations: Operations, hosts: FakeHosts) -> None:
    made = await operations.create(BOX, box(host="gz2"), OWNER)
    assert (made.id, made.outputs["host"], hosts.reads) == ("gz2/box0", "gz2", ["gz2", "gz2"])


async def test_naming_the_providers_own_host_is_the_same_as_naming_none(
    operations: Operations, hosts: FakeHosts
) -> None:
    await operations.create(BOX, box(host="gz1"), OWNER)
    assert "box0" in hosts.world


async def test_without_any_host_a_create_says_how_to_give_one(hosts: FakeHosts) -> None:
    with pytest.raises(Refused, match=r"no host for box box0.*illumos:host.*ILLUMOS_HOST"):
        await Operations(hosts, None).create(BOX, box(), OWNER)


async def test_a_refused_create_changes_nothing(operations: Operations, hosts: FakeHosts) -> None:
    await operations.create(BOX, box(), OTHER)
    hosts.applied.clear()
    with pytest.raises(Refused, match="not this resource's"):
        await operations.create(BOX, box(), OWNER)
    assert hosts.applied == []


async def test_a_create_that_fails_at_its_first_step_leaves_no_record(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.fail = "making"
    with pytest.raises(StepFailed):
        await operations.create(BOX, box(), OWNER)


async def test_a_create_that_fails_later_reports_what_is_there(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.fail = "sealing"
    with pytest.raises(PartialFailure) as caught:
        await operations.create(BOX, box(size=2048), OWNER)
    failure = caught.value
    assert failure.id == "gz1/box0"
    assert (failure.state["size"], failure.state["sealed"]) == ("2K", False)
    assert failure.inputs == {"name": "box0", "size": 2048}
    assert "sealing box box0 on gz1 failed" in failure.reasons[0]


async def test_a_create_that_was_cut_off_is_finished_by_the_next_one(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.fail = "sealing"
    with pytest.raises(PartialFailure):
        await operations.create(BOX, box(), OWNER)
    hosts.fail = None
    hosts.applied.clear()
    assert (await operations.create(BOX, box(), OWNER)).outputs["sealed"] is True
    assert hosts.applied == ["sealing box box0"]


async def test_a_lost_host_leaves_the_best_guess_in_the_state(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.lose, hosts.silent_loss = "filling", True
    with pytest.raises(PartialFailure) as caught:
        await operations.create(BOX, box(size="2048", memory="1G"), OWNER)
    assert caught.value.id == "gz1/box0"
    assert caught.value.state == {
        "host": "gz1",
        "name": "box0",
        "size": "2K",
        "memory": "1G",
        "brand": "acme",
        "ports": [],
    }
    assert "ended in the middle" in caught.value.reasons[0]
    assert "could not be read back" in caught.value.reasons[1]


async def test_an_object_that_was_made_at_the_moment_of_a_loss_is_kept(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.lose = "making"
    with pytest.raises(PartialFailure) as caught:
        await operations.create(BOX, box(), OWNER)
    assert caught.value.state["sealed"] is False


async def test_an_object_that_somebody_else_made_meanwhile_is_not_taken_over(
    operations: Operations, hosts: FakeHosts
) -> None:
    class Racing(FakeHosts):
        async def apply(self, host, steps, progress):
            self.world["box0"] = {"owner": OTHER.urn, "sealed": True}
            await super().apply(host, steps, progress)

    racing = Racing(fail="making")
    with pytest.raises(StepFailed):
        await Operations(racing, "gz1").create(BOX, box(), OWNER)


async def test_an_unreachable_host_is_a_clear_error(operations: Operations, hosts: FakeHosts) -> None:
    hosts.unreachable = True
    with pytest.raises(HostError, match="gz1 port 22: connection refused"):
        await operations.create(BOX, box(), OWNER)


async def test_secrets_are_kept_out_of_errors_and_progress(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.fail, hosts.leak = "sealing", "bad token opensesame"
    news = Bag(
        {"name": "box0", "token": "opensesame"}, secret=frozenset({"token"}), _secrets=("opensesame",)
    )
    with pytest.raises(PartialFailure) as caught:
        await operations.create(BOX, news, OWNER)
    assert "bad token [secret]" in caught.value.reasons[0]


async def test_progress_names_the_step_and_how_long_it_has_been_running(
    operations: Operations, hosts: FakeHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "TICK", 0.01)
    hosts.hang = "filling"
    ear = Ear()
    task = asyncio.create_task(operations.create(BOX, box(), OWNER, listener=ear))
    async with asyncio.timeout(60):
        while len(ear.statuses) < 3:  # noqa: ASYNC110 - it is time that is waited for
            await asyncio.sleep(0.01)
    operations.interrupt()
    with pytest.raises(PartialFailure):
        await task
    assert ear.statuses[:3] == ["making box box0", "filling box box0", "filling box box0 (0 s)"]


# Stopping


async def test_an_interrupted_create_tells_what_it_was_doing_and_what_is_there(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.hang = "sealing"
    task = asyncio.create_task(operations.create(BOX, box(), OWNER))
    await hosts.hanging.wait()
    operations.interrupt()
    with pytest.raises(PartialFailure) as caught:
        await task
    assert caught.value.reasons == ("cancelled while sealing box box0",)
    assert caught.value.state["sealed"] is False


async def test_after_an_interrupt_nothing_new_begins(operations: Operations, hosts: FakeHosts) -> None:
    operations.interrupt()
    with pytest.raises(Interrupted):
        await operations.create(BOX, box(), OWNER)
    assert (hosts.reads, hosts.applied) == ([], [])


async def test_the_programs_time_limit_is_honoured(operations: Operations, hosts: FakeHosts) -> None:
    hosts.hang = "sealing"
    with pytest.raises(PartialFailure) as caught:
        await operations.create(BOX, box(), OWNER, within=0.05)
    assert "longer than the 0.05 s" in caught.value.reasons[0]
    assert "stopped while sealing box box0" in caught.value.reasons[0]


async def test_what_a_stopped_step_ends_with_is_printed_nowhere() -> None:
    class Late(FakeHosts):
        async def apply(self, host, steps, progress):
            try:
                await super().apply(host, steps, progress)
            except asyncio.CancelledError:
                raise StepFailed("gz1", steps[0], Completed(1, "", "hunter2")) from None

    printed: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: printed.append(context))
    with pytest.raises(PartialFailure):
        await Operations(Late(hang="sealing"), "gz1").create(BOX, box(), OWNER, within=0.05)
    gc.collect()
    assert printed == []


async def test_a_host_that_does_not_answer_in_time_ends_the_operation() -> None:
    class Slow(FakeHosts):
        async def read(self, host, probes):
            await asyncio.Event().wait()

    with pytest.raises(TimedOut, match=r"reading box box0 on gz1 took longer .* asking the host"):
        await Operations(Slow(), "gz1").read(BOX, "gz1/box0", within=0.01)


async def test_one_object_is_worked_on_by_one_operation_at_a_time(
    operations: Operations, hosts: FakeHosts
) -> None:
    results = await asyncio.gather(
        operations.create(BOX, box(), OWNER),
        operations.create(BOX, box(), OTHER),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["Made", "Refused"]


async def test_different_objects_are_worked_on_side_by_side(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.hang = "making box box0"
    first = asyncio.create_task(operations.create(BOX, box(), OWNER))
    await hosts.hanging.wait()
    await operations.create(BOX, Bag({"name": "box1"}), OTHER)
    operations.interrupt()
    with pytest.raises(Interrupted):
        await first


# Preview


async def test_a_preview_tells_what_the_inputs_tell_and_leaves_the_rest_unknown(
    operations: Operations, hosts: FakeHosts
) -> None:
    made = await operations.preview_create(BOX, box(size="2048", ports=[{"number": 1}]), OWNER)
    assert made.id == "gz1/box0"
    assert made.outputs == {
        "host": "gz1",
        "name": "box0",
        "size": "2K",
        "memory": COMPUTED,
        "brand": "acme",
        "peer": COMPUTED,
        "token": COMPUTED,
        "ports": COMPUTED,
        "serial": COMPUTED,
        "sealed": COMPUTED,
    }
    assert hosts.applied == []


async def test_a_preview_tells_of_a_refusal(operations: Operations) -> None:
    with pytest.raises(Refused, match="no brand nobody"):
        await operations.preview_create(BOX, box(brand="nobody"), OWNER)


async def test_a_preview_passes_warnings_on(operations: Operations) -> None:
    ear = Ear()
    await operations.preview_create(BOX, box(size="2T"), OWNER, listener=ear)
    assert ear.warnings == ["box is very large"]


async def test_a_preview_takes_the_steps_that_only_ask(operations: Operations, hosts: FakeHosts) -> None:
    await operations.preview_create(BOX, box(memory="1K"), OWNER)
    assert (hosts.applied, hosts.world) == (["looking for room for box box0"], {})
    hosts.fail = "looking for room"
    with pytest.raises(StepFailed, match="looking for room for box box0"):
        await operations.preview_create(BOX, box(memory="1K"), OWNER)
    made = await operations.create(BOX, box(), OWNER)
    with pytest.raises(StepFailed, match="looking for room for box box0"):
        await operations.preview_update(BOX, "gz1/box0", Bag(made.outputs), box(memory="1K"), OWNER)


async def test_a_preview_with_unknown_inputs_asks_no_host(operations: Operations, hosts: FakeHosts) -> None:
    news = Bag({"name": "box0", "size": "2048"}, frozenset({"brand", "ports[0].label"}))
    made = await operations.preview_create(BOX, news, OWNER)
    assert made.id is None
    assert (made.outputs["size"], made.outputs["brand"]) == ("2K", COMPUTED)
    assert hosts.reads == []


async def test_a_preview_on_a_host_that_is_not_known_yet_asks_no_host() -> None:
    made = await Operations(None, None).preview_create(BOX, box(), OWNER)
    assert (made.id, made.outputs["host"], made.outputs["name"]) == (None, COMPUTED, "box0")


async def test_a_preview_on_an_unreachable_host_fails(operations: Operations, hosts: FakeHosts) -> None:
    hosts.unreachable = True
    with pytest.raises(HostError):
        await operations.preview_create(BOX, box(), OWNER)


async def test_what_the_same_run_will_make_is_not_missed_in_the_preview(operations: Operations) -> None:
    await operations.preview_create(BOX, box(), OWNER)
    made = await operations.preview_create(BOX, Bag({"name": "box1", "peer": "gz1/box0"}), OTHER)
    assert made.id == "gz1/box1"


async def test_what_no_run_will_make_is_missed_in_the_preview(operations: Operations) -> None:
    await operations.preview_create(BOX, box(), OWNER)
    with pytest.raises(Refused, match="no box box9"):
        await operations.preview_create(BOX, Bag({"name": "box1", "peer": "box9"}), OTHER)
    with pytest.raises(Refused, match="no brand nobody"):
        await operations.preview_create(
            BOX, Bag({"name": "box1", "peer": "box0", "brand": "nobody"}), OTHER
        )


async def test_what_depends_on_a_change_of_the_same_run_is_warned_of(operations: Operations) -> None:
    made = await operations.create(BOX, box(size=1024), OWNER)
    bigger = Bag({"name": "box1", "peer": "gz1/box0", "size": 4096})
    with pytest.raises(Refused, match="box box0 is smaller"):
        await operations.preview_create(BOX, bigger, OTHER)
    await operations.preview_update(BOX, "gz1/box0", Bag(made.outputs), box(size=8192), OWNER)
    ear = Ear()
    await operations.preview_create(BOX, bigger, OTHER, listener=ear)
    assert ear.warnings == [
        "cannot be judged before this run's work on box0: box box0 is smaller than that"
    ]


async def test_a_zone_that_names_no_router_is_warned_of_while_one_is_to_be_made(
    operations: Operations,
) -> None:
    class Attached(BoxKind):
        def plan(self, wanted: Any, now: Any, owner: Owner, state: Any) -> Plan:
            raise Refused("no network on the host holds 10.10.0.5", "address")

    with pytest.raises(Refused):
        await operations.preview_create(Attached(), Bag({"name": "box1"}), OTHER)
    await operations.preview_create(ROUTER, box(), OWNER)
    ear = Ear()
    await operations.preview_create(Attached(), Bag({"name": "box1"}), OTHER, listener=ear)
    assert len(ear.warnings) == 1


async def test_a_replacement_is_previewed_without_the_old_object(
    operations: Operations, hosts: FakeHosts
) -> None:
    await operations.create(BOX, box(), OTHER)
    made = await operations.preview_create(BOX, box(brand="other"), OWNER, replacing=True)
    assert made.outputs["brand"] == "other"


# Read


async def test_a_refresh_keeps_the_users_spelling_where_it_holds(operations: Operations) -> None:
    inputs = box(size="2048", memory="1024M")
    await operations.create(BOX, inputs, OWNER)
    found = await operations.read(BOX, "gz1/box0", inputs=inputs)
    assert found is not None
    assert found.inputs == {"name": "box0", "size": "2048", "memory": "1024M"}


async def test_a_refresh_shows_what_was_changed_by_hand(operations: Operations, hosts: FakeHosts) -> None:
    inputs = box(size="2048", memory="1024M")
    await operations.create(BOX, inputs, OWNER)
    hosts.world["box0"]["size"] = 4096
    found = await operations.read(BOX, "gz1/box0", inputs=inputs)
    assert found is not None
    assert found.inputs == {"name": "box0", "size": "4K", "memory": "1024M"}


async def test_what_is_gone_is_gone(operations: Operations) -> None:
    assert await operations.read(BOX, "gz1/box0", inputs=box()) is None


async def test_an_unreachable_host_does_not_mean_gone(operations: Operations, hosts: FakeHosts) -> None:
    hosts.unreachable = True
    with pytest.raises(HostError):
        await operations.read(BOX, "gz1/box0", inputs=box())


async def test_an_import_writes_inputs_as_a_user_would(operations: Operations, hosts: FakeHosts) -> None:
    await operations.create(BOX, box(size=2048), OWNER)
    await operations.create(BOX, Bag({"name": "box1", "host": "gz2"}), OWNER)
    here = await operations.read(BOX, "gz1/box0")
    there = await operations.read(BOX, "gz2/box1")
    assert here is not None
    assert there is not None
    assert here.inputs == {"name": "box0", "size": "2K"}
    assert there.inputs == {"name": "box1", "host": "gz2"}


async def test_an_import_can_be_refused(operations: Operations) -> None:
    with pytest.raises(Refused, match="cannot be imported"):
        await operations.read(BOX, "gz1/global")


async def test_an_unfinished_object_is_read_with_the_reason(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.world["box0"] = {"owner": OWNER.urn, "sealed": False}
    found = await operations.read(BOX, "gz1/box0", inputs=box())
    assert found is not None
    assert found.reasons == ("box box0 is not sealed",)


@pytest.mark.parametrize("id", ["box0", "/box0", "gz1/", "a/b/c", "gz1/box 0", ""])
async def test_a_malformed_id_is_refused_with_an_example(operations: Operations, id: str) -> None:
    with pytest.raises(Refused, match="write HOST/NAME, as in gz1/"):
        await operations.read(BOX, id)


# Update


async def test_an_update_does_only_the_difference(operations: Operations, hosts: FakeHosts) -> None:
    made = await operations.create(BOX, box(), OWNER)
    hosts.applied.clear()
    updated = await operations.update(BOX, "gz1/box0", Bag(made.outputs), box(size=4096), OWNER)
    assert (updated.outputs["size"], hosts.applied) == ("4K", ["filling box box0"])


async def test_a_failed_update_tells_what_is_there_now(operations: Operations, hosts: FakeHosts) -> None:
    made = await operations.create(BOX, box(), OWNER)
    hosts.lose = "filling"
    with pytest.raises(PartialFailure) as caught:
        await operations.update(BOX, "gz1/box0", Bag(made.outputs), box(size=4096), OWNER)
    assert caught.value.state["size"] == "4K"


async def test_a_failed_update_on_a_lost_host_keeps_the_old_state(
    operations: Operations, hosts: FakeHosts
) -> None:
    made = await operations.create(BOX, box(), OWNER)
    hosts.lose, hosts.silent_loss = "filling", True
    with pytest.raises(HostError, match="ended in the middle"):
        await operations.update(BOX, "gz1/box0", Bag(made.outputs), box(size=4096), OWNER)


async def test_an_incomplete_state_is_completed_by_an_update(
    operations: Operations, hosts: FakeHosts
) -> None:
    hosts.lose, hosts.silent_loss = "making", True
    with pytest.raises(PartialFailure) as caught:
        await operations.create(BOX, box(), OWNER)
    hosts.lose, hosts.unreachable = None, False
    made = await operations.update(BOX, caught.value.id, Bag(caught.value.state), box(), OWNER)
    assert made.outputs["sealed"] is True


async def test_the_preview_of_an_update_names_the_reboot(operations: Operations) -> None:
    made = await operations.create(BOX, box(), OWNER)
    ear = Ear()
    seen = await operations.preview_update(
        BOX, "gz1/box0", Bag(made.outputs), box(memory="1G", size=4096), OWNER, listener=ear
    )
    assert ear.notes == ["box box0 will be rebooted: memory"]
    assert (seen.outputs["memory"], seen.outputs["size"]) == ("1G", "4K")
    assert seen.outputs["serial"] == "S-box0"


async def test_the_preview_of_an_update_with_unknown_inputs_asks_no_host(
    operations: Operations, hosts: FakeHosts
) -> None:
    made = await operations.create(BOX, box(), OWNER)
    hosts.reads.clear()
    news = Bag({"name": "box0"}, frozenset({"memory"}))
    seen = await operations.preview_update(BOX, "gz1/box0", Bag(made.outputs), news, OWNER)
    assert (seen.outputs["memory"], seen.outputs["size"], hosts.reads) == (COMPUTED, "1K", [])


# Delete


async def test_a_deleted_object_is_gone(operations: Operations, hosts: FakeHosts) -> None:
    made = await operations.create(BOX, box(), OWNER)
    await operations.delete(BOX, "gz1/box0", Bag(made.outputs))
    assert hosts.world == {}


async def test_deleting_what_is_gone_succeeds_and_does_nothing(
    operations: Operations, hosts: FakeHosts
) -> None:
    await operations.delete(BOX, "gz1/box0", box())
    assert hosts.applied == []


async def test_deleting_with_an_incomplete_state_works(operations: Operations, hosts: FakeHosts) -> None:
    hosts.world["box0"] = {"owner": OWNER.urn, "sealed": False}
    await operations.delete(BOX, "gz1/box0", box())
    assert hosts.world == {}


async def test_a_refused_deletion_says_why(operations: Operations) -> None:
    made = await operations.create(BOX, box(), OWNER)
    await operations.create(BOX, Bag({"name": "box1", "peer": "box0"}), OTHER)
    with pytest.raises(Refused, match="still used by box1"):
        await operations.delete(BOX, "gz1/box0", Bag(made.outputs))


async def test_a_failed_deletion_is_an_error(operations: Operations, hosts: FakeHosts) -> None:
    made = await operations.create(BOX, box(), OWNER)
    hosts.fail = "removing"
    with pytest.raises(StepFailed):
        await operations.delete(BOX, "gz1/box0", Bag(made.outputs))


# Errors


def test_an_internal_error_tells_its_place_and_no_values() -> None:
    try:
        dict[str, int]()["hunter2"]
    except KeyError as error:
        text = describe(error)
    assert text.startswith("internal error: KeyError in test_operations.py:")
    assert "please report it" in text
    assert "hunter2" not in text
    assert "\n" not in text
