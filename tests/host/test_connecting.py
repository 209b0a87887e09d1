"""Connecting as OpenSSH would, and what the user is told when that fails."""

import asyncio
import base64
import hashlib
import hmac
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import asyncssh
import pytest

from pulumi_illumos_provider.host import ConnectionSettings, Elevate, Hosts
from pulumi_illumos_provider.host.errors import (
    AuthenticationFailed,
    HostKeyRefused,
    Misconfigured,
    Unreachable,
)
from pulumi_illumos_provider.plan import sh
from tests.host.server import HOST_KEY, KEY, none_left, public

ASK = {"a": sh("echo here")}
OTHER = asyncssh.generate_private_key("ssh-ed25519")
RSA = asyncssh.generate_private_key("ssh-rsa")


async def ask(hosts, host=None):
    return (await hosts.read(host, ASK))["a"].stdout


@pytest.fixture
def keys(home):
    """Files of our key, and of one that no server knows."""
    for name, key in ("id_good", KEY), ("id_other", OTHER):
        key.write_private_key(str(home / name))
        (home / name).chmod(0o600)
    return home


@pytest.fixture
def config(home):
    """Writes ~/.ssh/config; the settings of whoever uses it."""

    def write(text, host="gz1", **more):
        (home / ".ssh/config").write_text(text)
        return Hosts(ConnectionSettings(host, elevate=Elevate.NONE, connect_timeout=60, **more))

    return write


def know(home, port, key, name="127.0.0.1"):
    with (home / ".ssh/known_hosts").open("a") as file:
        file.write(f"[{name}]:{port} {public(key)}\n")


# As OpenSSH does ---------------------------------------------------------------------------------


async def test_an_alias_of_the_configuration_is_enough(start, keys, config):
    server = await start()
    know(keys, server.port, HOST_KEY)
    async with config(
        f"Host gz1\n HostName 127.0.0.1\n Port {server.port}\n User admin\n IdentityFile ~/id_good\n"
        " IdentityFile ~/id_missing\n IdentitiesOnly yes\n"
    ) as hosts:
        assert await ask(hosts) == "here\n"
    assert server.logins == ["admin"]


async def test_another_configuration_file_can_be_named(start, keys, tmp_path):
    server = await start()
    file = tmp_path / "my config"
    (tmp_path / "my hosts").write_text(f"gz1 {public(HOST_KEY)}\ndamaged line\n")
    file.write_text(
        f"Host gz*\n HostName 127.0.0.1\n Port {server.port}\n IdentityFile {keys}/id_good\n"
        f' HostKeyAlias gz1\n UserKnownHostsFile "{tmp_path}/missing" "{tmp_path}/my hosts"\n'
    )
    async with Hosts(ConnectionSettings("gz1", ssh_config=str(file))) as hosts:
        assert await ask(hosts) == "here\n"
        assert await ask(hosts, "gz2") == "here\n"
        assert hosts.connections == 2
    assert server.logins == ["root", "root"]


async def test_default_keys_are_tried(start, home, config):
    server = await start()
    know(home, server.port, HOST_KEY)
    OTHER.write_private_key(str(home / ".ssh/id_rsa"))
    KEY.write_private_key(str(home / ".ssh/id_ed25519"))
    async with config("", host="127.0.0.1", port=server.port) as hosts:
        assert await ask(hosts) == "here\n"


@pytest.fixture
def agent(keys, tmp_path, monkeypatch):
    """An SSH agent that holds our key."""
    if not shutil.which("ssh-agent") or not shutil.which("ssh-add"):
        pytest.skip("ssh-agent is not installed")
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    end = time.monotonic() + 60
    # Until the agent listens, it cannot be talked to.
    while subprocess.run(["ssh-add", "-q", str(keys / "id_good")]).returncode != 0:
        assert time.monotonic() < end
        time.sleep(0.05)
    yield
    process.terminate()
    process.wait()


async def test_keys_of_the_agent_are_tried(start, keys, agent, config):
    server = await start()
    know(keys, server.port, HOST_KEY)
    async with config("", host="127.0.0.1", port=server.port) as hosts:
        assert await ask(hosts) == "here\n"


async def test_one_host_is_one_connection_however_it_is_named(start, settings):
    server = await start()
    async with Hosts(settings(server)) as hosts:
        await asyncio.gather(
            ask(hosts), ask(hosts, "127.0.0.1"), ask(hosts, f"root@127.0.0.1:{server.port}")
        )
        assert hosts.connections == 1


@pytest.mark.parametrize("form", ["pkcs8-pem", "openssh"])
async def test_an_encrypted_key_needs_its_passphrase(start, settings, form):
    if form == "openssh":
        pytest.importorskip("bcrypt")
    server = await start()
    locked = KEY.export_private_key(form, passphrase="hush").decode()
    async with Hosts(settings(server, private_key=locked, private_key_passphrase="hush")) as hosts:
        assert await ask(hosts) == "here\n"
    async with Hosts(settings(server, private_key=locked)) as hosts:
        with pytest.raises(Misconfigured, match="set privateKeyPassphrase"):
            await ask(hosts)
    async with Hosts(settings(server, private_key=locked, private_key_passphrase="wrong")) as hosts:
        with pytest.raises(Misconfigured, match="is not its passphrase") as caught:
            await ask(hosts)
    assert "wrong" not in str(caught.value)


async def test_a_key_that_lost_its_line_ends_is_still_read(start, settings):
    server = await start()
    text = KEY.export_private_key().decode().strip().replace("\n", "\r\n")
    async with Hosts(settings(server, private_key=text)) as hosts:
        assert await ask(hosts) == "here\n"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"private_key": "nonsense"}, "privateKey cannot be used"),
        ({"host_key": "nonsense"}, "hostKey is not a public key"),
        ({"ssh_config": "/nonexistent"}, "sshConfig names /nonexistent"),
    ],
)
async def test_settings_that_cannot_be_used_are_named(start, settings, more, reason):
    async with Hosts(settings(await start(), **more)) as hosts:
        with pytest.raises(Misconfigured, match=reason):
            await ask(hosts)


async def test_a_mistake_in_the_configuration_is_located(config):
    async with config("Host gz1\n Port many\n") as hosts:
        with pytest.raises(Misconfigured, match="config line 2"):
            await ask(hosts)


# Host keys ---------------------------------------------------------------------------------------


async def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_the_way_to_accept_it(
    start, settings, home
):
    server = await start()
    async with Hosts(settings(server, host_key=None)) as hosts:
        with pytest.raises(HostKeyRefused) as caught:
            await ask(hosts)
        text = str(caught.value)
        assert HOST_KEY.get_fingerprint() in text
        assert f"set hostKey to '{public(HOST_KEY)}'" in text
        assert f"ssh -p {server.port} root@127.0.0.1" in text
        assert not server.logins
        know(home, server.port, HOST_KEY)
        assert await ask(hosts) == "here\n"


async def test_a_changed_host_key_is_refused_with_both_fingerprints(start, settings, home):
    server = await start()
    know(home, server.port, OTHER)
    async with Hosts(settings(server, host_key=None)) as hosts:
        with pytest.raises(HostKeyRefused) as caught:
            await ask(hosts)
    text = str(caught.value)
    assert HOST_KEY.get_fingerprint() in text
    assert OTHER.get_fingerprint() in text
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in text


async def test_a_key_of_another_kind_than_the_known_one_is_a_changed_key(start, settings, home):
    server = await start(host_key=RSA)
    know(home, server.port, OTHER)
    async with Hosts(settings(server, host_key=None)) as hosts:
        with pytest.raises(HostKeyRefused) as caught:
            await ask(hosts)
    assert RSA.get_fingerprint() in str(caught.value)
    assert OTHER.get_fingerprint() in str(caught.value)


async def test_the_pinned_key_alone_counts(start, settings, home):
    server = await start()
    know(home, server.port, HOST_KEY)
    async with Hosts(settings(server, host_key=public(OTHER))) as hosts:
        with pytest.raises(HostKeyRefused, match="hostKey says") as caught:
            await ask(hosts)
    assert OTHER.get_fingerprint() in str(caught.value)


async def test_a_pinned_key_counts_for_the_default_host_only(start, settings, home):
    first, second = await start(), await start(host_key=OTHER)
    async with Hosts(settings(first)) as hosts:
        assert await ask(hosts) == "here\n"
        with pytest.raises(HostKeyRefused, match="is not known"):
            await ask(hosts, f"localhost:{second.port}")
        know(home, second.port, OTHER, "localhost")
        assert await ask(hosts, f"localhost:{second.port}") == "here\n"


async def test_a_revoked_key_is_refused(start, settings, home):
    server = await start()
    know(home, server.port, HOST_KEY)
    with (home / ".ssh/known_hosts").open("a") as file:
        file.write(f"@revoked * {public(HOST_KEY)}\n")
    async with Hosts(settings(server, host_key=None)) as hosts:
        with pytest.raises(HostKeyRefused, match=r"[Rr]evoked"):
            await ask(hosts)


async def test_a_hashed_known_host_is_found(start, settings, home):
    server = await start()
    salt = b"twenty bytes of salt"
    name = hmac.new(salt, f"[127.0.0.1]:{server.port}".encode(), hashlib.sha1).digest()
    hashed = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(name).decode()}"
    (home / ".ssh/known_hosts").write_text(f"{hashed} {public(HOST_KEY)}\n")
    async with Hosts(settings(server, host_key=None)) as hosts:
        assert await ask(hosts) == "here\n"


@pytest.mark.parametrize("option", ["StrictHostKeyChecking no", "UserKnownHostsFile none"])
async def test_no_option_switches_the_check_off(start, keys, config, option):
    server = await start()
    async with config(f"Host gz1\n HostName 127.0.0.1\n Port {server.port}\n {option}\n") as hosts:
        with pytest.raises(HostKeyRefused, match="is not known"):
            await ask(hosts)


# Failures ----------------------------------------------------------------------------------------


async def test_a_refused_login_names_user_host_and_port(start, settings):
    server = await start()
    key = OTHER.export_private_key().decode()
    async with Hosts(settings(server, user="admin", private_key=key)) as hosts:
        with pytest.raises(AuthenticationFailed) as caught:
            await ask(hosts)
    assert f"127.0.0.1 port {server.port} refused the login of admin" in str(caught.value)
    assert "privateKey" in str(caught.value)


@pytest.fixture
def closed_port():
    """A port at which nobody listens, and which nobody else can get."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_a_closed_port_is_reported_at_once(start, settings, closed_port):
    port = closed_port
    async with Hosts(settings(await start(), port=port)) as hosts:
        with pytest.raises(
            Unreachable, match=f"127.0.0.1 port {port} cannot be reached: connection refused"
        ):
            await ask(hosts)


async def test_an_unknown_name_is_reported(settings, start, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # What resolvers say, and how long they take, differs between networks.
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with Hosts(settings(await start(), host="no-such-host.invalid")) as hosts:
        with pytest.raises(Unreachable, match=r"no-such-host\.invalid.* its name is not known"):
            await ask(hosts)


async def test_a_port_that_says_nothing_is_given_up_within_the_limit(start, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        async with Hosts(settings(await start(), port=port, connect_timeout=0.5)) as hosts:
            tasks = [asyncio.ensure_future(ask(hosts)) for _ in range(20)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
        # All of them wait at the same time: one after the other would take 10 s.
        assert time.monotonic() - began < 6
    assert {type(result) for result in results} == {Unreachable}
    assert f"127.0.0.1 port {port} accepted the connection but gave no SSH greeting within 0.5 s" in str(
        results[0]
    )


async def test_something_that_is_no_ssh_server_is_reported(start, settings, monkeypatch):
    monkeypatch.setattr("pulumi_illumos_provider.host.connection._FIRST_PAUSE", 0.01)

    async def answer(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = web.sockets[0].getsockname()[1]
    async with web, Hosts(settings(await start(), port=port)) as hosts:
        with pytest.raises(Unreachable, match=r"before an SSH greeting"):
            await ask(hosts)


async def test_a_login_that_is_dropped_for_too_many_at_once_is_tried_again(start, settings):
    server = await start()
    dropped: list[int] = []
    served = asyncio.Event()

    async def serve(reader, writer):
        if len(dropped) < 2:
            dropped.append(1)
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        served.set()

    async def copy(source, target):
        while data := await source.read(65536):
            target.write(data)
        target.close()

    door = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = door.sockets[0].getsockname()[1]
    async with door:
        async with Hosts(settings(server, port=port)) as hosts:
            assert await ask(hosts) == "here\n"
            assert (len(dropped), hosts.connections) == (2, 1)
        await asyncio.wait_for(served.wait(), 60)


async def test_giving_up_waiting_for_a_connection_does_not_end_it_for_others(start, settings):
    server = await start()
    async with Hosts(settings(server)) as hosts:
        first, second = asyncio.ensure_future(ask(hosts)), asyncio.ensure_future(ask(hosts))
        await asyncio.sleep(0.005)
        first.cancel()
        assert await second == "here\n"
        assert hosts.connections == 1


# Jump hosts --------------------------------------------------------------------------------------


def jumping(home, bastion, target_port, target_key="id_good", bastion_key="id_good"):
    return (
        f"Host bastion\n HostName 127.0.0.1\n Port {bastion.port}\n User hopper\n"
        f" IdentityFile ~/{bastion_key}\n IdentitiesOnly yes\n"
        f"Host gz7\n HostName gz7.internal\n Port {target_port}\n User admin\n ProxyJump bastion\n"
        f" IdentityFile ~/{target_key}\n IdentitiesOnly yes\n"
    )


async def test_a_name_that_only_the_jump_host_knows_is_reached(start, keys, config):
    target = await start(host_key=OTHER)
    bastion = await start(forwards={"gz7.internal": target.port})
    know(keys, bastion.port, HOST_KEY)
    know(keys, 2222, OTHER, "gz7.internal")
    async with config(jumping(keys, bastion, 2222), host="gz7") as hosts:
        assert await ask(hosts) == "here\n"
        await asyncio.gather(*(ask(hosts) for _ in range(5)))
        assert hosts.connections == 2
    assert (bastion.logins, target.logins) == (["hopper"], ["admin"])
    assert not bastion.commands


async def test_hosts_behind_one_jump_host_share_the_connection_to_it(start, keys, config):
    target = await start()
    bastion = await start(forwards={f"gz{n}.internal": target.port for n in range(5)})
    know(keys, bastion.port, HOST_KEY)
    for n in range(5):
        know(keys, 2222, HOST_KEY, f"gz{n}.internal")
    text = (
        f"Host bastion\n HostName 127.0.0.1\n Port {bastion.port}\n"
        "Host gz*\n HostName %h.internal\n Port 2222\n ProxyJump hopper@bastion\n"
        "Host *\n IdentityFile ~/id_good\n"
    )
    async with config(text) as hosts:
        await asyncio.gather(*(ask(hosts, f"gz{n}") for n in range(5)))
    assert (bastion.logins, len(target.logins)) == (["hopper"], 5)


async def test_two_jump_hosts_in_a_row_work(start, keys, config):
    target = await start()
    inner = await start(forwards={"gz7.internal": target.port})
    outer = await start(forwards={"inner.example": inner.port})
    know(keys, outer.port, HOST_KEY)
    know(keys, 22, HOST_KEY, "inner.example")
    know(keys, 22, HOST_KEY, "gz7.internal")
    (keys / ".ssh/known_hosts").write_text(f"* {public(HOST_KEY)}\n")
    text = (
        f"Host gz7.internal\n ProxyJump me@127.0.0.1:{outer.port},inner.example\n"
        "Host *\n IdentityFile ~/id_good\n"
    )
    async with config(text, host="gz7.internal") as hosts:
        assert await ask(hosts) == "here\n"
    assert outer.logins == ["me"]
    assert len(inner.logins) == 1


async def test_a_jump_host_that_refuses_to_forward_is_blamed(start, keys, config):
    bastion = await start(forwards=None)
    know(keys, bastion.port, HOST_KEY)
    async with config(jumping(keys, bastion, 2222), host="gz7") as hosts:
        with pytest.raises(Unreachable) as caught:
            await ask(hosts)
    text = str(caught.value)
    assert text.startswith(
        f"jump host bastion (127.0.0.1 port {bastion.port}) refuses to forward to gz7.internal"
    )
    assert "administratively prohibited" in text


async def test_a_target_that_the_jump_host_cannot_reach_is_blamed(start, keys, config, closed_port):
    bastion = await start(forwards={"gz7.internal": closed_port})
    know(keys, bastion.port, HOST_KEY)
    async with config(jumping(keys, bastion, 2222), host="gz7") as hosts:
        with pytest.raises(
            Unreachable, match=r"^gz7 \(gz7.internal port 2222\) cannot be reached from jump host"
        ):
            await ask(hosts)
        assert await ask_fails(hosts, Unreachable)


async def ask_fails(hosts, error):
    with pytest.raises(error) as caught:
        await ask(hosts)
    return str(caught.value)


async def test_the_key_of_a_jump_host_is_checked_too(start, keys, config):
    bastion = await start()
    know(keys, bastion.port, OTHER)
    async with config(jumping(keys, bastion, 2222), host="gz7") as hosts:
        text = await ask_fails(hosts, HostKeyRefused)
    assert text.startswith("jump host bastion on the way to gz7: the host key of bastion (127.0.0.1 port")
    assert "hostKey" not in text


async def test_the_key_of_a_target_behind_a_jump_host_is_checked(start, keys, config):
    target = await start(host_key=OTHER)
    bastion = await start(forwards={"gz7.internal": target.port})
    know(keys, bastion.port, HOST_KEY)
    async with config(jumping(keys, bastion, 2222), host="gz7") as hosts:
        text = await ask_fails(hosts, HostKeyRefused)
    assert text.startswith("the host key of gz7 (gz7.internal port 2222) is not known")


async def test_the_keys_of_one_hop_are_not_offered_to_another(start, keys, config):
    target = await start(keys=(OTHER,))
    bastion = await start(forwards={"gz7.internal": target.port}, keys=(OTHER,))
    know(keys, bastion.port, HOST_KEY)
    know(keys, 2222, HOST_KEY, "gz7.internal")
    given = {"host": "gz7", "private_key": OTHER.export_private_key().decode()}
    async with config(jumping(keys, bastion, 2222), **given) as hosts:
        text = await ask_fails(hosts, AuthenticationFailed)
    assert text.startswith("jump host bastion on the way to gz7: bastion")
    assert "of hopper" in text


async def test_a_silent_jump_host_is_blamed(start, keys, config):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = (
            f"Host bastion\n HostName 127.0.0.1\n Port {silent.getsockname()[1]}\n"
            "Host gz7\n ProxyJump bastion\n"
        )
        hosts = config(text, host="gz7")
        hosts._default = ConnectionSettings("gz7", connect_timeout=0.3)
        async with hosts:
            assert (await ask_fails(hosts, Unreachable)).startswith(
                "jump host bastion on the way to gz7: bastion"
            )


async def test_jump_hosts_in_a_circle_are_noticed(keys, config):
    async with config("Host a\n ProxyJump b\nHost b\n ProxyJump a\n", host="a") as hosts:
        assert "lead back" in await ask_fails(hosts, Misconfigured)


async def test_a_proxy_command_is_used(start, keys, config):
    server = await start()
    (keys / ".ssh/known_hosts").write_text(f"gz9 {public(HOST_KEY)}\n")
    relay = keys / "relay.py"
    relay.write_text(
        "import socket, sys, threading, os\n"
        "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "def up():\n"
        "    while d := os.read(0, 65536): s.sendall(d)\n"
        "    s.shutdown(socket.SHUT_WR)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while d := s.recv(65536): os.write(1, d)\n"
    )
    text = f"Host gz9\n ProxyCommand {sys.executable} {relay} {server.port}\n IdentityFile ~/id_good\n"
    async with config(text, host="gz9") as hosts:
        assert await ask(hosts) == "here\n"
    async with config("Host gz9\n ProxyCommand /bin/false\n", host="gz9") as hosts:
        assert "ProxyCommand '/bin/false'" in await ask_fails(hosts, Unreachable)
    await none_left(str(relay))
    # Up to Python 3.11, asyncio learns of a child's end from a thread.
    async with asyncio.timeout(60):
        while any("waitpid" in each.name for each in threading.enumerate()):  # noqa: ASYNC110 - a thread
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)


# Silence -----------------------------------------------------------------------------------------


async def test_nothing_is_printed_and_no_secret_is_logged(start, settings, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    server = await start(banner="Only for friends\n", noise="Welcome\n")
    given = settings(server)
    async with Hosts(given) as hosts:
        await hosts.read(None, {"a": sh("cat", stdin="my-secret")})
    assert capfd.readouterr() == ("", "")
    assert "my-secret" not in caplog.text
    assert "PRIVATE KEY" not in caplog.text
    assert not [r for r in caplog.records if r.name.startswith("asyncssh") and r.levelno < logging.WARNING]
    assert "PRIVATE KEY" not in repr(given)


def test_importing_it_prints_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", "import pulumi_illumos_provider.host"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONASYNCIODEBUG": "1"},
    )
    assert done.stdout == b""
