"""Plans over SSH: step by step, stopping at the first failure, and never going on unseen."""

import asyncio
import os
import signal

import pytest

from pulumi_illumos_provider.host import EventKind
from pulumi_illumos_provider.host.connection import Keepalive
from pulumi_illumos_provider.host.errors import ConnectionLost, StepFailed, TimedOut, Unintelligible
from pulumi_illumos_provider.plan import Command, Step, sh
from tests.host.server import none_left, processes_with


class Record(list):
    """A progress callback that keeps what it is told."""

    def __init__(self):
        self.news = asyncio.Event()

    def __call__(self, event):
        self.append(event)
        self.news.set()

    @property
    def told(self):
        return [f"{event.kind} {event.step.say}" for event in self]

    async def until_told(self, words):
        """Wait until something was told."""
        while words not in self.told:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 60)


def held(place, then):
    """A command that says that it runs, and goes on when it may."""
    script = f'touch "$1/runs"; until [ -e "$1/go" ]; do sleep 0.05; done; {then}'
    return sh(script, str(place))


async def holding(place):
    """Wait until a `held` command runs."""
    await there(place / "runs")


async def there(file):
    """Wait until a file is there."""
    async with asyncio.timeout(60):
        while not file.exists():  # noqa: ASYNC110 - it is another process that makes the file
            await asyncio.sleep(0.02)


async def running(text):
    """Wait until a process has a text in its command line."""
    async with asyncio.timeout(60):
        while not processes_with(text):  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(0.02)


def making(file, say="making a file", **more):
    return Step(say, Command(("/usr/bin/tee", str(file)), "secret it's $1"), exists(file), **more)


def exists(file):
    return sh('test -f "$1"', str(file))


async def test_steps_run_in_order_in_one_channel_and_a_second_time_not_at_all(start, reach, tmp_path):
    server = await start()
    hosts = await reach(server)
    steps = [making(tmp_path / "a", "making a"), making(tmp_path / "b", "making b")]
    first, second = Record(), Record()
    await hosts.apply(None, steps, first)
    assert first.told == ["started making a", "done making a", "started making b", "done making b"]
    assert (tmp_path / "b").read_text() == "secret it's $1"
    await hosts.apply(None, steps, second)
    assert second.told == ["skipped making a", "skipped making b"]
    assert (hosts.connections, hosts.channels) == (1, 2)
    await hosts.apply(None, [], second)
    assert hosts.channels == 2


async def test_progress_is_told_while_the_plan_runs(start, reach, tmp_path):
    hosts = await reach(await start())
    record = Record()
    steps = [
        making(tmp_path / "a", "making a"),
        Step("installing", sh(f"until [ -f {tmp_path}/go ]; do sleep 0.1; done")),
    ]
    task = asyncio.ensure_future(hosts.apply(None, steps, record))
    await record.until_told("started installing")
    assert not task.done()
    (tmp_path / "go").touch()
    await task
    assert record.told[-1] == "done installing"


async def test_a_failure_names_step_host_command_status_and_errors_but_no_input(start, reach, tmp_path):
    server = await start()
    hosts = await reach(server)
    record = Record()
    command = sh('cat >/dev/null; echo "dladm: no such link" >&2; exit 7', "lan0", stdin="hush")
    bad = Step("creating vnic web_0", command, remedy="look for lan0 with dladm show-link")
    with pytest.raises(StepFailed) as caught:
        await hosts.apply(None, [bad, making(tmp_path / "after")], record)
    text = str(caught.value)
    where = f"127.0.0.1 port {server.port}"
    assert text.startswith(f"creating vnic web_0 on {where} failed: exit status 7 from /bin/sh -c ")
    assert "lan0: dladm: no such link\n" in text
    assert text.endswith("What to do: look for lan0 with dladm show-link")
    assert "hush" not in text
    assert caught.value.step is bad
    assert caught.value.completed.status == 7
    assert record.told == ["started creating vnic web_0", "failed creating vnic web_0"]
    assert not (tmp_path / "after").exists()


async def test_output_is_told_when_there_are_no_errors(start, reach):
    hosts = await reach(await start())
    with pytest.raises(StepFailed, match=r"exit status 1 from .*: it is busy$"):
        await hosts.apply(None, [Step("halting", sh("echo it is busy; exit 1"))], Record())


async def test_success_without_effect_is_a_failure(start, reach, tmp_path):
    hosts = await reach(await start())
    step = Step("setting a property", sh("echo updated"), exists(tmp_path / "never"))
    with pytest.raises(StepFailed, match=r"reported success but had no effect.*: updated$"):
        await hosts.apply(None, [step], Record())


async def test_errors_of_a_command_that_succeeds_come_with_the_event(start, reach, tmp_path):
    hosts = await reach(await start())
    record = Record()
    await hosts.apply(
        None, [Step("booting", sh("for i in 1 2 3 4 5; do echo cannot create >&2; done"))], record
    )
    assert record[-1].kind == EventKind.DONE
    assert record[-1].completed.stderr == "cannot create\n" * 5


async def test_a_step_is_tried_as_often_as_it_says(start, reach, tmp_path):
    hosts = await reach(await start())
    busy = sh('echo x >>"$1"; [ "$(wc -l <"$1")" -ge 3 ]', str(tmp_path / "tries"))
    with pytest.raises(StepFailed):
        await hosts.apply(None, [Step("deleting", busy, attempts=2, pause=0.1)], Record())
    record = Record()
    await hosts.apply(None, [Step("deleting", busy, attempts=2, pause=0.1)], record)
    assert record.told == ["started deleting", "done deleting"]


async def test_between_attempts_it_is_asked_whether_the_step_is_done(start, reach, tmp_path):
    file = tmp_path / "made"
    step = Step("making", sh('echo x >>"$1"; exit 1', str(file)), exists(file), attempts=5, pause=0.1)
    hosts = await reach(await start())
    record = Record()
    await hosts.apply(None, [step], record)
    assert record.told == ["started making", "done making"]
    assert file.read_text() == "x\n"


async def test_a_command_past_its_limit_is_ended_with_all_its_descendants(start, reach, tmp_path):
    hosts = await reach(await start())
    step = Step("installing", sh("echo copying; sleep 8201 & sleep 8201"), timeout=3, remedy="wait")
    with pytest.raises(
        TimedOut, match=r"installing on .* longer than its limit of 3 s.*: copying"
    ) as caught:
        await hosts.apply(None, [step, making(tmp_path / "after")], Record())
    assert caught.value.step is step
    await none_left("sleep 8201")
    assert not (tmp_path / "after").exists()


async def test_a_command_that_ends_in_time_leaves_no_process(start, reach):
    server = await start()
    hosts = await reach(server)
    await hosts.apply(None, [Step("quick", sh("true"), timeout=8202)], Record())
    await none_left("sleep 8202")
    await server.all_ended()


async def test_a_daemon_that_keeps_the_output_open_holds_nothing_up(start, reach, tmp_path):
    hosts = await reach(await start())
    record = Record()
    daemon = f"until [ -e {tmp_path}/go ]; do sleep 0.05; done; touch {tmp_path}/ended"
    steps = [Step("starting", sh(f"({daemon}) & echo started")), Step("next", sh("echo"))]
    await asyncio.wait_for(hosts.apply(None, steps, record), 60)
    assert record[1].completed.stdout == "started\n"
    assert not (tmp_path / "ended").exists()
    (tmp_path / "go").touch()
    await there(tmp_path / "ended")


async def test_cancellation_ends_what_runs_and_starts_nothing_new(start, reach, tmp_path, monkeypatch):
    monkeypatch.setattr("pulumi_illumos_provider.host.script.STOP_GRACE", 0)
    server = await start()
    hosts = await reach(server)
    record = Record()
    steps = [Step("installing", sh("sleep 8203 & sleep 8203")), making(tmp_path / "after")]
    task = asyncio.ensure_future(hosts.apply(None, steps, record))
    await running("sleep 8203")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await none_left("sleep 8203")
    await server.all_ended()
    assert record.told == ["started installing"]
    assert not (tmp_path / "after").exists()
    await server.all_closed()


async def test_a_short_command_may_end_by_itself_when_cancelled(start, reach, tmp_path, monkeypatch):
    monkeypatch.setattr("pulumi_illumos_provider.host.script.STOP_GRACE", 60)
    hosts = await reach(await start())
    record = Record()
    steps = [Step("writing", held(tmp_path, f"touch {tmp_path}/whole")), making(tmp_path / "after")]
    task = asyncio.ensure_future(hosts.apply(None, steps, record))
    await holding(tmp_path)
    task.cancel()
    (tmp_path / "go").touch()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "whole").exists()
    assert not (tmp_path / "after").exists()


async def test_a_plan_goes_on_over_a_new_connection(start, reach, tmp_path):
    """The step that ran when the connection dropped is let finish, and not run twice."""
    server = await start()
    hosts = await reach(server)
    record = Record()
    slow = held(tmp_path, f"echo x >>{tmp_path}/slow")
    steps = [
        Step("counting", sh(f"echo x >>{tmp_path}/count")),
        Step("slow", slow, exists(tmp_path / "slow")),
        making(tmp_path / "after", "making after"),
    ]
    task = asyncio.ensure_future(hosts.apply(None, steps, record))
    await holding(tmp_path)
    await server.drop()
    (tmp_path / "go").touch()
    await task
    assert record.told[-3:] == ["skipped slow", "started making after", "done making after"]
    assert (tmp_path / "slow").read_text() == "x\n"
    assert (tmp_path / "count").read_text() == "x\n"
    assert hosts.connections == 2


async def test_a_step_that_cannot_tell_whether_it_is_done_is_not_repeated(start, reach, tmp_path):
    server = await start()
    hosts = await reach(server)
    record = Record()
    steps = [Step("adding", held(tmp_path, f"echo x >>{tmp_path}/count")), making(tmp_path / "after")]
    task = asyncio.ensure_future(hosts.apply(None, steps, record))
    await holding(tmp_path)
    await server.drop()
    (tmp_path / "go").touch()
    with pytest.raises(ConnectionLost, match="while adding; whether that was completed is not known"):
        await task
    await server.all_ended()
    assert (tmp_path / "count").read_text() == "x\n"
    assert not (tmp_path / "after").exists()
    assert hosts.connections == 1


async def test_a_host_that_stays_away_is_reported_with_the_step(start, reach, tmp_path):
    server = await start()
    hosts = await reach(server)
    record = Record()
    steps = [Step("slow", held(tmp_path, "true"), exists(tmp_path / "never"))]
    task = asyncio.ensure_future(hosts.apply(None, steps, record))
    await holding(tmp_path)
    server.close()
    await server.drop()
    with pytest.raises(ConnectionLost, match=r"while slow.*Connecting again failed:.*connection refused"):
        await task
    (tmp_path / "go").touch()


async def test_reconnecting_can_be_declined(start, reach, tmp_path):
    server = await start()
    hosts = await reach(server)
    record = Record()
    steps = [Step("slow", held(tmp_path, "true"), exists(tmp_path / "never"))]
    task = asyncio.ensure_future(hosts.apply(None, steps, record, reconnect=False))
    await holding(tmp_path)
    await server.drop()
    with pytest.raises(ConnectionLost):
        await task
    (tmp_path / "go").touch()
    assert hosts.connections == 1


async def test_a_read_is_repeated_once_on_a_new_connection(start, reach, tmp_path):
    server = await start()
    hosts = await reach(server)
    await hosts.read(None, {"a": sh("echo")})
    task = asyncio.ensure_future(hosts.read(None, {"a": held(tmp_path, "echo on")}))
    await holding(tmp_path)
    await server.drop()
    (tmp_path / "go").touch()
    assert (await task)["a"].stdout == "on\n"
    assert hosts.connections == 2


async def test_a_connection_that_was_lost_meanwhile_is_made_anew(start, reach):
    server = await start()
    hosts = await reach(server)
    await hosts.read(None, {"a": sh("echo")})
    await server.drop()
    async with asyncio.timeout(60):
        while not any(way.lost for way in hosts._connections.values()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    record = Record()
    await hosts.apply(None, [Step("on", sh("echo"))], record)
    assert record.told == ["started on", "done on"]


async def test_a_frozen_connection_is_noticed_and_the_plan_goes_on(start, reach, relay, tmp_path):
    server = await start()
    way = await relay(server)
    hosts = await reach(server, port=way.port, keepalive=Keepalive(0.2, 2))
    record = Record()
    steps = [Step("slow", held(tmp_path, f"echo x >>{tmp_path}/slow"), exists(tmp_path / "slow"))]
    task = asyncio.ensure_future(hosts.apply(None, steps, record))
    await holding(tmp_path)
    way.freeze()
    (tmp_path / "go").touch()
    await task
    assert (tmp_path / "slow").read_text() == "x\n"
    assert hosts.connections == 2


async def test_a_silent_command_is_not_cut_off(start, reach):
    hosts = await reach(await start(), keepalive=Keepalive(0.2, 2))
    record = Record()
    await hosts.apply(None, [Step("silent", sh("sleep 2; echo"))], record)
    assert record.told[-1] == "done silent"
    assert hosts.connections == 1


async def test_a_shell_that_is_killed_is_reported(start, reach):
    server = await start()
    hosts = await reach(server)
    record = Record()
    task = asyncio.ensure_future(hosts.apply(None, [Step("slow", sh("sleep 8204"))], record))
    await running("sleep 8204")
    os.killpg(server.processes[-1].get_pid(), signal.SIGKILL)
    with pytest.raises(Unintelligible, match="ended early"):
        await task


async def test_many_plans_on_one_host_keep_within_the_bound(start, reach, tmp_path):
    server = await start()
    hosts = await reach(server)
    await asyncio.gather(
        *(hosts.apply(None, [making(tmp_path / str(n))], Record()) for n in range(40)),
    )
    assert len(list(tmp_path.glob("[0-9]*"))) == 40
    assert server.most_sessions <= 4
    assert len(server.logins) == 1
