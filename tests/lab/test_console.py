"""Consoles of zones: zlogin -C through a terminal over SSH, and zlogin as one at a keyboard uses it."""

from __future__ import annotations

import os
import select
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from illumos_lab import accounts_passwords
from illumos_lab.console_terminal import Escape, open_terminal
from illumos_lab.testing import Host, Lab

PATIENCE = 30.0


class Keyboard:
    """A program behind ``ssh -tt``, typed to and read from like a person does."""

    def __init__(self, host: Host, command: str) -> None:
        self._process = subprocess.Popen(
            ["ssh", "-tt", "-e", "none", "-F", str(host.ssh_config), host.name, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.seen = ""

    def type(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def expect(self, text: str) -> str:
        """Read on until some text has come; what came before it."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            data = self._read(deadline)
            assert data, f"no {text!r} in {self.seen!r}"
            self.seen += data
        before, _, self.seen = self.seen.partition(text)
        return before

    def end(self) -> int:
        """Read to the end; the exit status."""
        deadline = time.monotonic() + PATIENCE
        while data := self._read(deadline):
            self.seen += data
        return self._process.wait(PATIENCE)

    def _read(self, deadline: float) -> str:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return ""
        return os.read(fd, 65536).decode(errors="replace")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.terminate()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@contextmanager
def keyboard(host: Host, command: str) -> Iterator[Keyboard]:
    made = Keyboard(host, command)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.start(profile="omnios", time_scale=0) as lab:
        lab.host.run(
            "zonecfg -z web 'create -b; set brand=lipkg; set zonepath=/zones/web; set ip-type=exclusive';"
            "zoneadm -z web install"
        ).check()
        yield lab.host


@pytest.fixture
def halted(host: Host) -> Host:
    host.run("zoneadm -z web halt").check()
    return host


@pytest.fixture
def running(host: Host) -> Host:
    host.run("zoneadm -z web boot; svcadm -z web enable -s console-login").check()
    return host


# At a terminal -----------------------------------------------------------------------------------


def test_a_boot_is_seen_from_the_notice_to_the_shell(halted: Host) -> None:
    release = halted.run("uname -v").check().stdout.strip()
    with keyboard(halted, "zlogin -C web") as user:
        user.expect("[Connected to zone 'web' console]\r\n")
        halted.run("zoneadm -z web boot").check()

        user.expect("\r\n[NOTICE: Zone booting up]\r\n")
        user.expect(f"SunOS Release 5.11 Version {release} 64-bit\r\n")
        user.expect("Hostname: web\r\n")
        user.expect("\r\nweb console login: ")
        # A fresh root has no password.
        user.type("root\r")
        user.expect("root\r\n")
        user.type("tty; echo I am in $(zonename) >/dev/console\r")
        user.expect("/dev/console\r\n")
        user.expect("I am in web\r\n")
        user.type("exit\r")
        user.expect("\r\nweb console login: ")

        halted.run("zoneadm -z web reboot").check()
        user.expect("\r\n[NOTICE: Zone rebooting]\r\n")
        assert "NOTICE" not in user.expect("web console login: ")
        halted.run("zoneadm -z web halt").check()
        user.expect("\r\n[NOTICE: Zone halted]\r\n")

        halted.run("zoneadm -z web ready").check()
        user.expect("\r\n[NOTICE: Zone readied]\r\n")
        user.type("\r~.")
        assert user.end() == 0
        assert user.seen == "~.\r\n[Connection to zone 'web' console closed]\r\n"


def test_a_password_is_asked_for_and_not_shown(running: Host) -> None:
    shadow = "/zones/web/root/etc/shadow"
    before = running.run(f"cat {shadow}").check().stdout
    encrypted = accounts_passwords.encrypt("Secret1")
    running.run(f"cat >{shadow}", input=before.replace("root::", f"root:{encrypted}:")).check()
    try:
        with keyboard(running, "zlogin -C web") as user:
            user.expect("console]\r\n")
            user.type("\r")
            user.expect("web console login: ")
            user.type("root\r")
            user.expect("Password: ")
            user.type("wrong\r")
            assert user.expect("Login incorrect\r\n") == "\r\n"
            user.expect("web console login: ")
            user.type("root\r")
            user.expect("Password: ")
            user.type("Secret1\r")
            user.type("echo $((6*7))\r")
            assert "Secret1" not in user.expect("42\r\n")
            user.type("exit\r")
            user.expect("web console login: ")
            # daemon has NP there, nobody no line at all.
            for name in ("daemon", "nobody-at-all"):
                user.type(f"{name}\r")
                user.expect("Password: ")
                user.type("\r")
                user.expect("Login incorrect\r\n")
    finally:
        running.run(f"cat >{shadow}", input=before).check()


def test_a_session_outlives_its_connection(running: Host) -> None:
    with keyboard(running, "zlogin -C -Q web") as user:
        user.type("\rroot\rcd /var/adm; MARK=left\r")
        user.type("echo $MARK there\r")
        user.expect("left there\r\n")
        user.type("~.")
        assert user.end() == 0
        assert "onnect" not in user.seen
    with keyboard(running, "zlogin -C web") as user:
        user.expect("console]\r\n")
        user.type("echo $MARK in $(pwd)\r")
        user.expect("left in /var/adm\r\n")
        user.type("exit\r")
        user.expect("web console login: ")


def test_only_one_can_be_connected(running: Host) -> None:
    with keyboard(running, "echo $$; exec zlogin -C web") as first:
        pid = first.expect("[Connected").strip()
        first.expect("console]\r\n")
        with keyboard(running, "zlogin -C web") as second:
            assert second.end() == 1
            assert second.seen == f"zlogin: Zone is already in use by process ID {pid}.\r\n"
        # Who loses the connection has left the console.
        first.close()
        deadline = time.monotonic() + PATIENCE
        while True:
            with keyboard(running, "zlogin -C web") as third:
                third.type("\r~.")
                if third.end() == 0:
                    break
            assert time.monotonic() < deadline, third.seen


def test_with_d_the_connection_ends_with_the_zone(running: Host) -> None:
    with keyboard(running, "zlogin -C -d -e @ web") as user:
        user.expect("console]\r\n")
        running.run("zoneadm -z web halt").check()
        user.expect("\r\n[NOTICE: Zone halted.  Disconnecting...]\r\n")
        assert user.end() == 0
        assert user.seen == "\r\n[Connection to zone 'web' console closed]\r\n"


def test_another_escape_character(halted: Host) -> None:
    with keyboard(halted, "zlogin -C -e @ web") as user:
        user.expect("console]\r\n")
        user.type("~.\r@.")
        assert user.end() == 0
        assert user.seen.startswith("@.\r\n[Connection")


def test_a_failed_boot_and_an_uninstallation_are_told(host: Host) -> None:
    host.run(
        "zonecfg -z bad 'create -b; set brand=lipkg; set zonepath=/zones/bad; set ip-type=exclusive;"
        ' set bootargs="-m verbose"; add net; set physical=none0; end\'; zoneadm -z bad install'
    ).check()
    with keyboard(host, "zlogin -C bad") as user:
        user.expect("console]\r\n")
        assert host.run("zoneadm -z bad boot").status == 1
        user.expect("\r\n[NOTICE: Zone booting up with arguments: -m verbose]\r\n")
        user.expect("\r\n[NOTICE: Zone boot failed]\r\n")
        host.run("zoneadm -z bad uninstall -F; zonecfg -z bad delete -F").check()
        user.expect("\r\n[NOTICE: Zone is being uninstalled.  Disconnecting...]\r\n")
        assert user.end() == 0


def test_an_interactive_login_has_a_terminal_of_the_zone(running: Host) -> None:
    with keyboard(running, "zlogin web") as user:
        user.expect("[Connected to zone 'web' pts/")
        number = user.expect("]\r\n")
        user.type("tty; zonename; exit 7\r")
        user.expect(f"/dev/pts/{number}\r\nweb\r\n")
        assert user.end() == 7
        assert user.seen.endswith(f"\r\n[Connection to zone 'web' pts/{number} closed]\r\n")
    with keyboard(running, "zlogin -Q web") as user:
        user.type("\r~.")
        assert user.end() == 10
        assert "onnect" not in user.seen


def test_a_zone_that_waits_for_answers_says_so() -> None:
    with Lab.start(profile="openindiana", time_scale=0) as lab:
        host = lab.host
        host.run("mkdir -p /tmp/archive/etc").check()
        host.run(
            "zonecfg -z old 'create -b; set brand=solaris10; set zonepath=/zones/old';"
            "zoneadm -z old install -u -d /tmp/archive"
        ).check()
        host.run("echo system_locale=C >/zones/old/root/etc/sysidcfg").check()
        with keyboard(host, "zlogin -C old") as user:
            user.expect("console]\r\n")
            host.run("zoneadm -z old boot").check()
            user.expect("SunOS Release 5.10 Version Generic_Virtual 64-bit\r\n")
            user.expect("What type of terminal are you using?\r\n")
            user.type("1\r")
            user.expect("not emulated by illumos-lab: answers\r\nWhat type of terminal are you using?\r\n")
            host.run("rm /zones/old/root/etc/.UNCONFIGURED").check()
            user.expect("old console login: ")


# Without a terminal ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "stderr"),
    [
        (
            "zlogin -C web",
            1,
            "zlogin: failed to get user terminal settings: Inappropriate ioctl for device\n"
            "zlogin: failed to set stdin pty to raw mode: Inappropriate ioctl for device\n",
        ),
        ("zlogin -C nozone", 1, "zlogin: zone 'nozone' unknown\n"),
        ("zlogin -C -l root web", 2, "zlogin: -l may not be specified for console login\nusage: "),
        ("zlogin -C -n web", 2, "zlogin: -n may not be specified for console login\nusage: "),
        ("zlogin -C -S web", 2, "zlogin: -S may not be specified for console login\nusage: "),
        ("zlogin -C web true", 2, "zlogin: Commands may not be specified for console login.\nusage: "),
        ("zlogin -d web true", 2, "zlogin: -d may only be specified with console login\nusage: "),
        ("zlogin -S -l root web", 2, "zlogin: -l may not be specified for failsafe login\nusage: "),
        ("zlogin -e '\\9' web", 2, "zlogin: Unrecognized escape character option \\9\nusage: "),
        ("zlogin -e '\\777' web", 2, "zlogin: Octal escape character '\\777' too large\nusage: "),
        ("zlogin -I web", 1, "zlogin: 'zlog-mode' is not configured on the zone\n"),
        ("zlogin -N web true", 2, "zlogin: -N may only be specified with -I\nusage: "),
    ],
)
def test_what_is_refused(host: Host, command: str, status: int, stderr: str) -> None:
    result = host.run(command)
    assert result.status == status
    assert result.stderr.startswith(stderr)
    assert result.stderr.endswith("\n")


def test_a_login_whose_home_is_missing(running: Host) -> None:
    running.run("zlogin web 'echo lost:x:200:1::/nowhere:/usr/bin/sh >>/etc/passwd'").check()
    result = running.run("zlogin -l lost web pwd").check()
    assert result.stdout == "/\n"
    assert result.stderr == (
        "zlogin: Could not chdir to home directory /nowhere: No such file or directory\n"
    )
    running.run("zlogin web 'sed -i /^lost/d /etc/passwd'").check()


def test_users_of_a_zone_are_its_own(running: Host) -> None:
    running.run("zlogin web 'groupadd ops && useradd -m -g ops -s /usr/bin/bash ann'").check()
    assert running.run("zlogin -l ann web 'id; pwd'").check().stdout == (
        "uid=100(ann) gid=100(ops) groups=100(ops)\n/home/ann\n"
    )
    assert running.run("getent passwd ann").status == 2
    running.run("zlogin web 'userdel -r ann && groupdel ops'").check()
    assert running.run("zlogin web 'getent passwd ann; ls -d /home/ann'").status != 0


# The escape sequence -----------------------------------------------------------------------------


@pytest.fixture
def modes() -> Iterator[list[object]]:
    terminal = open_terminal(Path("/dev/pts"))
    yield termios.tcgetattr(terminal.slave)
    terminal.close()


@pytest.mark.parametrize(
    ("typed", "passed", "ended"),
    [
        (b"~.", b"", b"~."),
        (b"ls\r~.rest", b"ls\r", b"~."),
        (b"~\x04", b"", b"~^D"),
        (b"a~.", b"a~.", None),
        (b"~~x", b"~x", None),
        (b"~x~.", b"x~.", None),
        (b"\x03~.", b"\x03", b"~."),
        (b"\xff~.\n~.", b"\xff~.\n", b"~."),
    ],
)
def test_the_escape_sequence(modes: list[object], typed: bytes, passed: bytes, ended: bytes | None) -> None:
    assert Escape(ord("~"), modes).feed(typed) == (passed, ended)
    one_by_one = Escape(ord("~"), modes)
    fed = [one_by_one.feed(bytes([byte])) for byte in typed]
    first = next((at for at, (_, end) in enumerate(fed) if end is not None), len(fed) - 1)
    assert b"".join(part for part, _ in fed[: first + 1]) == passed
    assert fed[first][1] == ended


def test_without_an_escape_character_everything_goes_on(modes: list[object]) -> None:
    assert Escape(None, modes).feed(b"~.\r~.") == (b"~.\r~.", None)


@pytest.mark.parametrize("encrypted", ["NP", "*LK*", "*LK*$5$abcdefgh$x", "UP", "x"])
def test_what_is_no_encrypted_password_matches_none(encrypted: str) -> None:
    for password in ("", "NP", "*LK*", "x", "*0"):
        assert not accounts_passwords.matches(password, encrypted)


def test_a_password_matches_itself_only() -> None:
    encrypted = accounts_passwords.encrypt("pass word")
    assert encrypted.startswith("$5$")
    assert accounts_passwords.matches("pass word", encrypted)
    assert not accounts_passwords.matches("pass", encrypted)
