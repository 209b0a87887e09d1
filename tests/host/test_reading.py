"""Reads over SSH: one channel each, one connection for all, whatever the login's surroundings."""

import asyncio
import shutil
import sys

import pytest

from pulumi_illumos_provider.host import ConnectionSettings, Elevate, Hosts
from pulumi_illumos_provider.host.errors import (
    Misconfigured,
    NotPrivileged,
    SessionRefused,
    TimedOut,
    Unintelligible,
)
from pulumi_illumos_provider.plan import Command, sh
from tests.host.server import none_left, processes_with

NASTY = "it's 2 o'clock; $HOME `id` \\n \"x\" !! é\n\n"


async def test_answers_come_back_by_name_with_status_and_both_outputs(start, reach):
    hosts = await reach(await start())
    results = await hosts.read(
        None,
        {
            "good": Command(("/bin/echo", NASTY)),
            "bad": sh("echo oh >&2; printf 'no newline'; exit 3"),
            "fed": Command(("/bin/cat",), NASTY),
        },
    )
    assert list(results) == ["good", "bad", "fed"]
    assert results["good"].stdout == NASTY + "\n"
    assert (results["bad"].status, results["bad"].stdout, results["bad"].stderr) == (
        3,
        "no newline",
        "oh\n",
    )
    assert results["fed"].stdout == NASTY


async def test_a_hundred_reads_at_once_share_one_connection_and_four_channels(start, reach):
    server = await start()
    hosts = await reach(server)
    answers = await asyncio.gather(
        *(hosts.read(None, {"a": Command(("/bin/echo", str(n)))}) for n in range(100))
    )
    assert [answer["a"].stdout for answer in answers] == [f"{n}\n" for n in range(100)]
    assert (hosts.connections, hosts.channels, len(server.logins)) == (1, 100, 1)
    assert server.most_sessions <= 4
    assert server.refused == 0


async def test_a_server_that_allows_one_session_is_waited_for(start, reach):
    server = await start(max_sessions=1)
    hosts = await reach(server)
    answers = await asyncio.gather(
        *(hosts.read(None, {"a": sh("sleep 0.05; echo $1", str(n))}) for n in range(8))
    )
    assert [answer["a"].stdout for answer in answers] == [f"{n}\n" for n in range(8)]
    assert server.most_sessions == 1


async def test_a_server_that_opens_no_session_at_all_is_reported(start, reach, monkeypatch):
    monkeypatch.setattr("pulumi_illumos_provider.host.connection.SESSION_PATIENCE", 0.3)
    hosts = await reach(await start(max_sessions=0))
    with pytest.raises(SessionRefused, match="MaxSessions"):
        await hosts.read(None, {"a": sh("echo")})


async def test_no_probes_need_no_connection(start, reach):
    server = await start()
    hosts = await reach(server)
    assert await hosts.read(None, {}) == {}
    assert not server.logins


async def test_noise_around_the_answers_is_ignored(start, reach):
    hosts = await reach(
        await start(
            noise="Welcome to blue42\n\n:::\n", error_noise="legal notice\n", banner="Only for friends\n"
        )
    )
    results = await hosts.read(None, {"a": sh("echo one"), "b": sh("echo two; echo cannot >&2")})
    assert results["a"].stdout == "one\n"
    assert results["a"].stderr == ""
    assert (results["b"].status, results["b"].stdout, results["b"].stderr) == (0, "two\n", "cannot\n")


SHELLS = ["sh", "dash", "bash", "ksh93", "csh", "tcsh", "fish", "zsh", "mksh"]


@pytest.mark.parametrize("shell", SHELLS)
async def test_any_login_shell_will_do(start, reach, shell):
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    hosts = await reach(await start(shell=(found, "-c")))
    results = await hosts.read(
        None, {"a": Command(("/bin/cat",), NASTY), "b": Command(("/bin/echo", NASTY))}
    )
    assert results["a"].stdout == NASTY
    assert results["b"].stdout == NASTY + "\n"


async def test_the_environment_of_commands_is_always_the_same(start, reach):
    hosts = await reach(await start())
    results = await hosts.read(None, {"a": sh('echo "$PATH $LC_ALL ${ENV-none}"; umask; pwd')})
    assert results["a"].stdout == "/usr/bin:/usr/sbin:/sbin C none\n0022\n/\n"


async def test_megabytes_come_back_whole(start, reach):
    hosts = await reach(await start())
    text = NASTY * 40_000
    results = await hosts.read(None, {"a": Command(("/bin/cat",), text), "b": sh("echo last")})
    assert results["a"].stdout == text
    assert results["b"].stdout == "last\n"


async def test_a_read_that_takes_too_long_is_ended_on_the_host(start, reach):
    hosts = await reach(await start())
    with pytest.raises(TimedOut, match=r"limit of 3 s.*'slow'"):
        await hosts.read(None, {"fast": sh("echo"), "slow": sh("sleep 8101 & sleep 8101")}, timeout=3)
    await none_left("sleep 8101")


async def test_a_cancelled_read_leaves_no_process(start, reach):
    server = await start()
    hosts = await reach(server)
    task = asyncio.ensure_future(hosts.read(None, {"slow": sh("sleep 8102 & sleep 8102")}))
    async with asyncio.timeout(60):
        while not processes_with("sleep 8102"):  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await none_left("sleep 8102")
    await server.all_closed()
    assert (await hosts.read(None, {"a": sh("echo on")}))["a"].stdout == "on\n"


async def test_a_login_that_may_not_run_commands_is_reported_in_its_own_words(start, reach):
    hosts = await reach(
        await start(shell=("/bin/sh", "-c", "echo This account is not available.; exit 1", "--"))
    )
    with pytest.raises(Unintelligible, match=r"exit status 1\): *This account|This account") as caught:
        await hosts.read(None, {"a": sh("echo")})
    assert "login shell" in str(caught.value)


async def test_a_value_that_no_argument_can_carry_is_refused(start, reach):
    hosts = await reach(await start())
    with pytest.raises(Misconfigured, match="NUL"):
        await hosts.read(None, {"a": Command(("/bin/echo", "a\0b"))})


async def test_without_any_host_the_user_is_told():
    async with Hosts(ConnectionSettings("")) as hosts:
        with pytest.raises(Misconfigured, match="no host is named"):
            await hosts.read(None, {"a": sh("echo")})
        with pytest.raises(Misconfigured, match="is no host"):
            await hosts.read("a b", {"a": sh("echo")})


# The rights of root ------------------------------------------------------------------------------

PFEXEC = """\
#!{python}
import os, sys
words = sys.argv[1:]
if words and words[0].startswith("-"):
    sys.exit(f"pfexec: illegal option {{words[0]}}")
if not words or not os.access(words[0], os.X_OK):
    sys.exit(f"pfexec: {{words[:1]}}: No such file or directory")
{drop}
os.execv(words[0], words)
"""

SUDO = """\
#!{python}
import os, sys
if sys.argv[1:3] != ["-n", "/bin/sh"]:
    sys.exit("usage: sudo -n program")
{drop}
os.execv(sys.argv[2], sys.argv[2:])
"""

needs_root = pytest.mark.skipif("os.geteuid() != 0", reason="only root can play pfexec")


def program(directory, name, text, drop=""):
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(text.format(python=sys.executable, drop=drop))
    file.chmod(0o755)
    return str(file)


@needs_root
async def test_pfexec_gets_a_program_and_no_options(start, reach, tmp_path):
    fake = program(tmp_path / "bin", "pfexec", PFEXEC)
    server = await start(substitutes={"/usr/bin/pfexec": fake})
    hosts = await reach(server, user="admin", elevate=None)
    results = await hosts.read(None, {"id": sh("id -u"), "odd": Command(("/bin/echo", NASTY))})
    assert results["id"].stdout == "0\n"
    assert results["odd"].stdout == NASTY + "\n"
    assert server.commands[0].startswith("exec /usr/bin/pfexec /bin/sh -s ")


@needs_root
async def test_a_login_without_the_profile_is_told_of_it(start, reach, tmp_path):
    fake = program(tmp_path / "bin", "pfexec", PFEXEC, "os.setuid(65534)")
    tmp_path.chmod(0o755)
    hosts = await reach(await start(substitutes={"/usr/bin/pfexec": fake}), user="admin", elevate=None)
    with pytest.raises(NotPrivileged, match="rights profile Primary Administrator") as caught:
        await hosts.read(None, {"a": sh("echo")})
    assert "user id 65534" in str(caught.value)


async def test_a_missing_pfexec_is_reported(start, reach):
    hosts = await reach(await start(substitutes={"pfexec": "no-such-pfexec"}), user="admin", elevate=None)
    with pytest.raises(NotPrivileged, match="no-such-pfexec"):
        await hosts.read(None, {"a": sh("echo")})


@needs_root
async def test_sudo_is_used_where_configured(start, reach, tmp_path):
    program(tmp_path / "bin", "sudo", SUDO)
    server = await start(path=f"{tmp_path}/bin:/usr/bin:/bin")
    hosts = await reach(server, user="admin", elevate=Elevate.SUDO)
    assert (await hosts.read(None, {"id": sh("id -u")}))["id"].stdout == "0\n"
    assert server.commands[0].startswith("exec sudo -n /bin/sh -s ")


async def test_a_sudo_that_wants_a_password_is_told_of(start, reach, tmp_path):
    program(tmp_path / "bin", "sudo", SUDO, 'sys.exit("sudo: a password is required")')
    hosts = await reach(
        await start(path=f"{tmp_path}/bin:/usr/bin:/bin"), user="admin", elevate=Elevate.SUDO
    )
    with pytest.raises(NotPrivileged, match="a password is required") as caught:
        await hosts.read(None, {"a": sh("echo")})
    assert "NOPASSWD" in str(caught.value)


async def test_root_needs_no_elevation(start, reach):
    server = await start()
    hosts = await reach(server, user="root", elevate=None)
    await hosts.read(None, {"a": sh("echo")})
    assert server.commands[0].startswith("exec /bin/sh -s ")
