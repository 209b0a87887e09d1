"""Hosts over real SSH: what a user's network, server and login do to us."""

import asyncio
import re
import shutil
import socket
import time
from uuid import uuid4

import asyncssh
import pytest

from illumos_lab.testing import Lab
from pulumi_illumos_provider.host import ConnectionSettings, Hosts
from pulumi_illumos_provider.host.errors import (
    AuthenticationFailed,
    ConnectionLost,
    HostKeyRefused,
    Misconfigured,
    NotPrivileged,
    StepFailed,
    Unreachable,
)
from pulumi_illumos_provider.plan import Command, Step, sh

PROBES = {
    "name": Command(("/usr/bin/uname", "-n")),
    "odd": sh('echo "$1"; exit 3', "it's 2 o'clock; $HOME"),
}


def with_known_hosts(lab, path, tmp_path):
    """The lab's SSH configuration with another file of known hosts."""
    config = tmp_path / "config"
    text = lab.ssh_config.read_text()
    config.write_text(re.sub(r"UserKnownHostsFile .*", f"UserKnownHostsFile {path}", text))
    return str(config)


@pytest.fixture(scope="module")
def lab():
    with Lab.start(hosts=("gz1", "gz2"), time_scale=0.05) as lab:
        yield lab


@pytest.fixture
def host(lab):
    lab.host.clear_faults()
    yield lab.host
    lab.host.clear_faults()


@pytest.fixture
def settings(lab):
    def make(**more):
        return ConnectionSettings("gz1", ssh_config=str(lab.ssh_config), **more)

    return make


async def ask(settings):
    async with Hosts(settings) as hosts:
        results = await hosts.read(None, PROBES)
    assert results["name"].stdout == "gz1\n"
    assert (results["odd"].status, results["odd"].stdout) == (3, "it's 2 o'clock; $HOME\n")


async def test_a_read_is_one_exec_on_one_connection(host, settings):
    before = host.journal()
    async with Hosts(settings()) as hosts:
        await asyncio.gather(*(hosts.read(None, PROBES) for _ in range(10)))
    after = host.journal()
    assert after["connections"] - before["connections"] == 1
    assert after["channels"] - before["channels"] == 10


async def test_a_plan_is_one_exec_and_tells_of_each_step(host, settings):
    events = []
    steps = [Step(f"step {n}", sh("echo hi"), done=sh("true") if n == 1 else None) for n in range(3)]
    before = host.journal()["channels"]
    async with Hosts(settings()) as hosts:
        await hosts.apply(None, steps, lambda event: events.append((event.kind, event.step.say)))
    assert host.journal()["channels"] - before == 1
    assert events == [
        ("started", "step 0"), ("done", "step 0"),
        ("skipped", "step 1"),
        ("started", "step 2"), ("done", "step 2"),
    ]  # fmt: skip


async def test_noise_and_banners_change_nothing(host, settings):
    host.login(noise="Welcome to blue42\n\n:::\n", banner="Authorized use only\n")
    await ask(settings())


@pytest.mark.parametrize("shell", ["ksh93", "bash", "csh", "fish", "dash"])
async def test_any_login_shell_will_do(shell, host, settings):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed on this machine")
    host.login(shells={"root": path})
    await ask(settings())


async def test_a_server_with_one_channel_is_enough(host, settings):
    host.login(max_sessions=1)
    async with Hosts(settings()) as hosts:
        results = await asyncio.gather(*(hosts.read(None, PROBES) for _ in range(8)))
    assert all(r["name"].stdout == "gz1\n" for r in results)


async def test_a_user_with_the_profile_works_through_pfexec(host, settings):
    await ask(settings(user="admin"))


async def test_a_user_without_rights_is_told_of_the_profile(host, settings):
    with pytest.raises(NotPrivileged, match="Primary Administrator"):
        await ask(settings(user="jack"))


async def test_a_failed_step_tells_command_status_and_message_and_never_its_input(host, settings):
    step = Step(
        "writing a secret",
        sh("cat >/dev/null; echo full >&2; exit 5", stdin="s3cr3t\n"),
        remedy="make room",
    )
    async with Hosts(settings()) as hosts:
        with pytest.raises(StepFailed) as failed:
            await hosts.apply(None, [step], lambda event: None)
    text = str(failed.value)
    for part in ("writing a secret on gz1", "exit status 5", "/bin/sh -c", "full", "make room"):
        assert part in text
    assert "s3cr3t" not in text


async def test_an_unknown_host_key_is_refused_with_its_fingerprint(host, lab, tmp_path):
    (tmp_path / "known").write_text("")
    config = with_known_hosts(lab, tmp_path / "known", tmp_path)
    with pytest.raises(HostKeyRefused, match=r"it shows ssh-ed25519 SHA256:.*once with ssh root@gz1"):
        await ask(ConnectionSettings("gz1", ssh_config=config))


async def test_no_known_hosts_file_never_means_no_check(host, lab, tmp_path):
    config = with_known_hosts(lab, "none", tmp_path)
    with pytest.raises(HostKeyRefused):
        await ask(ConnectionSettings("gz1", ssh_config=config))


async def test_another_host_key_is_refused_with_both_fingerprints(host, settings):
    key = asyncssh.generate_private_key("ssh-ed25519")
    pinned = key.export_public_key().decode()
    with pytest.raises(HostKeyRefused) as refused:
        await ask(settings(host_key=pinned))
    assert key.get_fingerprint() in str(refused.value)
    assert str(refused.value).count("SHA256:") == 2


async def test_the_right_pinned_key_is_enough(host, lab, tmp_path):
    key = " ".join((lab.directory / "known_hosts").read_text().split()[1:3])
    config = with_known_hosts(lab, tmp_path / "nothing", tmp_path)
    await ask(ConnectionSettings("gz1", ssh_config=config, host_key=key))


async def test_a_key_with_a_passphrase_is_used(host, lab, settings):
    key = asyncssh.read_private_key(str(lab.directory / "id_ed25519"))
    locked = key.export_private_key("openssh", passphrase="open sesame").decode()
    await ask(settings(private_key=locked, private_key_passphrase="open sesame"))
    with pytest.raises(Misconfigured, match="cannot be used") as refused:
        await ask(settings(private_key=locked, private_key_passphrase="wrong"))
    assert "wrong" not in str(refused.value)


async def test_a_wrong_key_is_told_as_a_refused_login(host, settings):
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(AuthenticationFailed, match="refused the login of root"):
        await ask(settings(private_key=key))


async def test_a_key_that_is_none_is_told_before_connecting(settings):
    with pytest.raises(Misconfigured, match="cannot be used"):
        await ask(settings(private_key="nonsense"))


async def test_a_closed_port_names_host_and_port():
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 port 1 cannot be reached"):
        await ask(ConnectionSettings("127.0.0.1", port=1))


async def test_a_server_that_says_nothing_is_given_up_within_the_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"1 port {port} .* no SSH greeting within 1 s"):
            await ask(ConnectionSettings("127.0.0.1", port=port, connect_timeout=1))


async def test_a_lost_connection_is_made_again_for_a_read(host, settings):
    host.fault("uname -n", drop="before")
    await ask(settings())


async def until(host, command, holds, seconds=60):
    """Wait until a condition on a command's output holds on the host."""
    end = time.monotonic() + seconds
    while not holds(found := (await asyncio.to_thread(host.run, command)).stdout):
        assert time.monotonic() < end, f"{command}: {found}"
        await asyncio.sleep(0.1)


async def no_script_is_left(host):
    """Wait until no process of a script of ours runs on the host."""
    await until(host, "pgrep -f '[s]h -s'", lambda found: found == "")


@pytest.fixture
def marker(host):
    """A file on the host that only a step makes that must not run."""
    name = f"/var/tmp/went-on-{uuid4().hex}"
    yield name
    host.run(["/usr/bin/rm", "-f", name])


async def test_a_connection_lost_in_a_plan_is_told_and_nothing_follows(host, settings, marker, monkeypatch):
    monkeypatch.setattr("pulumi_illumos_provider.host.script.ORPHAN_GRACE", 1)
    host.fault("dladm show-link", drop="after")
    # The host may notice the loss only when the step after it runs already. That one does not end by
    # itself, so nothing can begin after it.
    steps = [
        Step("looking", Command(("/usr/sbin/dladm", "show-link"))),
        Step("waiting", Command(("/usr/bin/sleep", "7725"))),
        Step("going on", sh('touch "$1"', marker)),
    ]
    async with Hosts(settings()) as hosts:
        with pytest.raises(ConnectionLost):
            await hosts.apply(None, steps, lambda event: None)
    await no_script_is_left(host)
    await until(host, "pgrep -f '[s]leep 7725'", lambda found: found == "")
    assert host.run(["/usr/bin/ls", marker]).status != 0


async def test_a_cancelled_plan_ends_its_command_and_begins_no_other(host, settings, marker):
    steps = [
        Step("sleeping", Command(("/usr/bin/sleep", "7750"))),
        Step("going on", sh('touch "$1"', marker)),
    ]
    async with Hosts(settings()) as hosts, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(hosts.apply(None, steps, lambda event: None))
        await until(host, "pgrep -f '[s]leep 7750'", bool)
        task.cancel()
    assert task.cancelled()
    await no_script_is_left(host)
    await until(host, "pgrep -f '[s]leep 7750'", lambda found: found == "")
    assert host.run(["/usr/bin/ls", marker]).status != 0


# Jump hosts --------------------------------------------------------------------------------------


@pytest.fixture
def behind(lab, tmp_path):
    """An SSH configuration with host gz2 as it is seen from gz1 only."""

    def make(address="192.0.2.12", key="gz2"):
        keys = dict(zip(lab.hosts, (lab.directory / "known_hosts").read_text().splitlines(), strict=True))
        known = tmp_path / "known_hosts"
        known.write_text(f"{keys['gz1']}\n{address} {keys[key].split(' ', 1)[1]}\n")
        text = with_known_hosts(lab, known, tmp_path)
        config = tmp_path / "config"
        config.write_text(
            config.read_text()
            + f"\nHost inner\n  HostName {address}\n  User root\n  ProxyJump gz1\n"
            + f"  IdentityFile {lab.directory}/id_ed25519\n  UserKnownHostsFile {known}\n"
        )
        assert text == str(config)
        return ConnectionSettings("inner", ssh_config=text, connect_timeout=60)

    return make


async def test_a_host_behind_a_jump_host_is_reached(host, behind):
    async with Hosts(behind()) as hosts:
        assert (await hosts.read(None, PROBES))["name"].stdout == "gz2\n"


async def test_a_target_that_the_jump_host_cannot_reach_is_named(host, behind):
    with pytest.raises(Unreachable, match=r"inner .*cannot be reached from jump host gz1"):
        await ask(behind(address="192.0.2.99"))


async def test_the_key_of_a_host_behind_a_jump_host_is_checked(host, behind):
    with pytest.raises(HostKeyRefused, match="inner"):
        await ask(behind(key="gz1"))


async def test_a_jump_host_that_does_not_answer_is_named(host, behind, tmp_path):
    settings = behind()
    config = tmp_path / "config"
    config.write_text(re.sub(r"Port \d+", "Port 1", config.read_text()))
    with pytest.raises(Unreachable, match=r"jump host gz1 on the way to inner: gz1 .*cannot be reached"):
        await ask(settings)
