"""A host as its users meet it: over SSH, on the command line, and through faults."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from illumos_lab.testing import Lab

CLI = [sys.executable, "-m", "illumos_lab.cli"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(hosts=("gz1", "gz2"), time_scale=0) as lab:
        yield lab


@pytest.fixture
def quiet(lab: Lab) -> Iterator[Lab]:
    """The lab, with its faults removed afterwards."""
    yield lab
    lab.host.clear_faults()


def _leftovers() -> set[str]:
    mounts = Path("/proc/self/mounts").read_text()
    return {line for line in mounts.splitlines() if "illumos-lab" in line}


def _command_lines() -> list[str]:
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                lines.append((entry / "cmdline").read_text().strip("\0").replace("\0", " "))
    return lines


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Programs and files ------------------------------------------------------------------------------


def test_it_says_that_it_is_illumos(lab: Lab) -> None:
    run = lab.host.run
    assert run("uname -s").stdout == "SunOS\n"
    assert run("uname -o").stdout == "illumos\n"
    assert run("uname -rnm").stdout == "gz1 5.11 i86pc\n"
    assert run("cat /etc/release").stdout == "  OmniOS v11 r151054\n"
    assert run("/sbin/uname -z").status == 1


def test_sh_is_ksh93(lab: Lab) -> None:
    assert lab.host.run("echo a | read x; echo $x").stdout == "a\n"


@pytest.mark.parametrize("path", ["/usr/sbin/snoop", "/sbin/flowstat", "/usr/bin/truss"])
def test_what_is_not_emulated_is_refused(lab: Lab, path: str) -> None:
    result = lab.host.run([path, "x"])
    assert result.status == 1
    assert "not emulated by illumos-lab" in result.stderr


def test_linux_tools_are_out_of_sight(lab: Lab) -> None:
    for name in ("ip", "nft", "systemctl", "apt-get", "dpkg", "useradd.linux"):
        assert lab.host.run(f"command -v {name}").status != 0


def test_the_machine_is_safe_from_the_host() -> None:
    with Lab.start(time_scale=0) as lab:
        lab.host.run("rm -rf /etc/passwd /home /usr/share/base-files; echo gone > /usr/bin/id")
        assert lab.host.run("/usr/bin/id -u").status != 0
    assert Path("/usr/share/base-files").exists()
    assert Path("/usr/bin/id").read_bytes() != b"gone\n"


def test_an_unwritable_output_ends_a_command(lab: Lab) -> None:
    assert lab.host.run("uname -a >/dev/full").status != 0


def test_a_closed_descriptor_is_no_trouble(lab: Lab) -> None:
    assert lab.host.run("uname -s <&- 2>&-").stdout == "SunOS\n"


# SSH ---------------------------------------------------------------------------------------------


def test_ssh_passes_status_streams_and_binary_input(lab: Lab) -> None:
    result = lab.host.ssh("cat; echo err >&2; exit 7", input="a\0b\r\n")
    assert (result.status, result.stdout, result.stderr) == (7, "a\0b\r\n", "err\n")


def test_login_environment(lab: Lab) -> None:
    lines = lab.host.ssh("echo $PATH; echo $HOME; pwd; echo $0").stdout.splitlines()
    assert lines[0].startswith("/usr/sbin:/sbin")
    assert lines[1:] == ["/root", "/root", "/usr/bin/bash"]


def test_pfexec_gives_privilege_by_profile(lab: Lab) -> None:
    assert lab.host.ssh("id -u; pfexec id -u", user="admin").stdout == "1001\n0\n"
    assert lab.host.ssh("id -u; pfexec id -u", user="jack").stdout == "1002\n1002\n"


def test_pfexec_is_not_sudo(lab: Lab) -> None:
    result = lab.host.ssh("pfexec -H id", user="admin")
    assert result.status == 1
    assert "illegal option -- H" in result.stderr
    assert lab.host.ssh("pfexec 'id -u'", user="admin").status != 0


def test_sudo_gives_root_to_whom_sudoers_names(lab: Lab) -> None:
    refused = lab.host.ssh("sudo -n id -u", user="jack")
    assert (refused.status, refused.stderr) == (1, "sudo: a password is required\n")
    lab.host.run("echo 'jack ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/jack").check()
    try:
        assert lab.host.ssh("sudo -n sh -c 'id -u; echo $SUDO_USER; pwd'", user="jack").stdout == (
            "0\njack\n/home/jack\n"
        )
    finally:
        lab.host.run("rm /etc/sudoers.d/jack").check()


def test_an_unknown_user_cannot_log_in(lab: Lab) -> None:
    assert lab.host.ssh("true", user="nosuch").status == 255


def test_authorized_keys_of_the_host_count(lab: Lab, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    host = lab.host
    argv = ["ssh", "-F", str(host.ssh_config), "-o", f"IdentityFile={key}", "-l", "jack"]
    argv += ["-o", "IdentityAgent=none"]

    def login() -> int:
        # The lab's own key stands in the file too: only this one is to be tried.
        config = tmp_path / "config"
        text = host.ssh_config.read_text()
        config.write_text("\n".join(x for x in text.splitlines() if "IdentityFile" not in x))
        argv[2] = str(config)
        return subprocess.run([*argv, host.name, "true"], capture_output=True).returncode

    assert login() == 255
    host.run(
        "mkdir /home/jack/.ssh; cat > /home/jack/.ssh/authorized_keys",
        input=key.with_suffix(".pub").read_text(),
    )
    assert login() == 0


def test_a_terminal_is_one(lab: Lab) -> None:
    argv = ["ssh", "-tt", "-F", str(lab.ssh_config), "gz1", "tty; stty -echo; read x; echo got $x"]
    done = subprocess.run(argv, input="hello\n", capture_output=True, text=True)
    assert "/dev/pts/" in done.stdout
    assert "got hello" in done.stdout


def test_sessions_are_limited_and_counted(lab: Lab) -> None:
    lab.host.login(max_sessions=2)
    lab.host.journal(clear=True)

    async def many() -> list[str]:
        async with asyncssh.connect("gz1", config=[str(lab.ssh_config)]) as connection:
            held = [await connection.create_process("sleep 30") for _ in range(2)]
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.run("true")
            held[0].close()
            await held[0].wait_closed()
            return [str((await connection.run("uname -s")).stdout)]

    try:
        assert asyncio.run(many()) == ["SunOS\n"]
    finally:
        lab.host.clear_faults()
    journal = lab.host.journal()
    assert (journal["connections"], journal["channels"]) == (1, 3)
    (entry,) = journal["commands"]
    assert entry["argv"] == ["/sbin/uname", "-s"]
    assert (entry["connection"], entry["channel"], entry["status"]) == (1, 3, 0)


def test_one_host_is_reached_through_another(lab: Lab) -> None:
    argv = ["ssh", "-F", str(lab.ssh_config), "-J", "gz1", "-o", "HostName=192.0.2.12", "-p", "22"]
    done = subprocess.run([*argv, "gz2", "hostname"], capture_output=True, text=True)
    assert done.stdout == "gz2\n", done.stderr


# Faults ------------------------------------------------------------------------------------------


def test_a_command_fails_as_told(quiet: Lab) -> None:
    quiet.host.fault("uname -r", nth=2, status=5, stderr="uname: broken\n")
    run = quiet.host.run
    assert run("uname -r").status == 0
    result = run("uname -r")
    assert (result.status, result.stdout, result.stderr) == (5, "", "uname: broken\n")
    assert run("uname -r").status == 0


@pytest.mark.parametrize(("drop", "ran"), [("before", False), ("after", True)])
def test_the_connection_drops_around_a_command(quiet: Lab, drop: str, ran: bool) -> None:
    host = quiet.host
    host.run("rm -f /var/tmp/ran")
    host.fault("uname -v", drop=drop)
    result = host.ssh("uname -v > /var/tmp/ran; sleep 1")
    assert result.status == 255
    assert bool(host.run("cat /var/tmp/ran").stdout) is ran


def test_logins_can_be_noisy(quiet: Lab) -> None:
    quiet.host.login(noise="Welcome\n\n:::\n", banner="Authorised users only\n")
    result = quiet.host.ssh("echo data")
    assert result.stdout == "Welcome\n\n:::\ndata\n"
    assert "Authorised users only" in result.stderr
    quiet.host.clear_faults()
    assert quiet.host.ssh("echo data").stdout == "data\n"


def test_a_login_shell_can_be_changed(quiet: Lab) -> None:
    quiet.host.login(shells={"root": "/usr/bin/ksh93"})
    assert quiet.host.ssh("echo $0").stdout == "/usr/bin/ksh93\n"


# Life --------------------------------------------------------------------------------------------


def test_a_reboot_keeps_files_and_identity() -> None:
    with Lab.start(time_scale=0) as lab:
        host = lab.host
        config = host.ssh_config.read_text()
        host.run("echo kept > /root/file; echo lost > /tmp/file; sleep 1000 &")
        host.reboot()
        assert host.ssh("cat /root/file; cat /tmp/file; pgrep -x sleep | wc -l").stdout == "kept\n0\n"
        assert host.ssh_config.read_text() == config
        host.run("touch /tmp/mark")
        host.run("reboot")
        # At first it may still answer; what was in memory tells that it has gone down.
        _eventually(lambda: host.ssh("test ! -e /tmp/mark").status == 0)
        assert host.ssh("cat /root/file").stdout == "kept\n"


def test_run_passes_everything_on_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\ncat\necho $1 >&2\nexit 9\n")
    (tmp_path / "script").chmod(0o755)
    before = _leftovers()
    done = subprocess.run(
        [*CLI, "run", "--copy", f"{tmp_path}/script:/opt/tool", "--", "/opt/tool", "two words"],
        input="in\n",
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (9, "in\n", "two words\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["script"]
    assert _leftovers() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    marker = f"/usr/bin/sleep 31{int(number)}"
    process = subprocess.Popen(
        [*CLI, "run", "--", "sh", "-c", f"echo started; exec {marker}"],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    process.send_signal(number)
    process.wait(timeout=60)
    process.stdout.close()
    _eventually(lambda: not any(tmp_path.iterdir()))
    _eventually(lambda: marker not in _command_lines())


def test_run_says_what_it_cannot_find() -> None:
    done = subprocess.run([*CLI, "run", "--", "nosuch"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (127, "illumos-lab: nosuch: not found\n")


def test_no_process_outlives_a_killed_lab(tmp_path: Path) -> None:
    with Lab.start(time_scale=0, directory=tmp_path / "lab") as lab:
        lab.host.ssh("nohup sleep 3141 > /dev/null 2>&1 < /dev/null &")
        worlds = [line for line in _command_lines() if f"illumos_lab.world {tmp_path}" in line]
        assert len(worlds) == 1
        _eventually(lambda: "sleep 3141" in _command_lines())
        _kill(f"illumos_lab.world {tmp_path}")
        _eventually(lambda: not _mentions(str(tmp_path), "sleep 3141"))


def _mentions(*texts: str) -> list[str]:
    return [line for line in _command_lines() if any(text in line for text in texts)]


def _kill(text: str) -> None:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if text in (entry / "cmdline").read_text().replace("\0", " "):
                    os.kill(int(entry.name), signal.SIGKILL)


def test_it_runs_in_a_user_namespace() -> None:
    enter = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    script = "uname; dladm create-etherstub s0; dladm show-link -p -o link; su jack -c id"
    done = subprocess.run([*enter, *CLI, "run", "--", "sh", "-c", script], capture_output=True, text=True)
    assert done.stdout == "SunOS\ne1000g0\ns0\n"
    assert "this lab has no users but root" in done.stderr


def test_labs_do_not_disturb_each_other(lab: Lab) -> None:
    with Lab.start(time_scale=0) as other:
        assert other.ssh_config != lab.ssh_config
        assert other.host.ssh("hostname").stdout == "gz1\n"
        assert lab.host.run("uname -s").status == 0


def test_up_down_and_up_again_on_the_command_line(tmp_path: Path) -> None:
    def cli(*words: str) -> subprocess.CompletedProcess[str]:
        where = ["--dir", str(tmp_path / "lab")]
        return subprocess.run([*CLI, words[0], *where, *words[1:]], capture_output=True, text=True)

    up = cli("up", "--host", "one", "--profile", "tribblix")
    assert up.stdout == f"{tmp_path}/lab/ssh_config\n", up.stderr
    try:
        assert cli("ssh", "one", "--", "cat /etc/release; exit 4").returncode == 4
        config = (tmp_path / "lab/ssh_config").read_text()
        assert "running" in cli("status").stdout
        cli("down")
        assert cli("status").returncode == 1
        assert cli("up").returncode == 0
        assert (tmp_path / "lab/ssh_config").read_text() == config
        assert cli("ssh", "one", "hostname").stdout == "one\n"
    finally:
        cli("down")


def test_the_outside_answers_and_sees_the_host(lab: Lab) -> None:
    assert lab.outside("ping", "-c", "1", "-W", "5", "192.0.2.11").status == 0
    assert lab.outside("ping", "-c", "1", "-W", "1", "10.9.9.9").status != 0
