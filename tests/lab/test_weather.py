"""Weather: what goes wrong between a client and a host, each seen by ssh(1) and by asyncssh."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import pytest

from illumos_lab.faults import MaxStartups
from illumos_lab.protocol import LabError
from illumos_lab.testing import Host, Lab

T = TypeVar("T")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(time_scale=0) as lab:
        yield lab


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    """The host, in fair weather again afterwards."""
    yield lab.host
    lab.host.clear_faults()


def ssh(host: Host, *words: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    argv = ["ssh", "-F", str(host.ssh_config), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=seconds)


@contextlib.contextmanager
def started(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A client that runs in the meantime."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def connect(host: Host) -> Any:
    return asyncssh.connect(host.name, config=[str(host.ssh_config)])


def run_async(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def _output(host: Host, command: str) -> tuple[int | None, str, str]:
    async with connect(host) as connection:
        result = await connection.run(command)
        return result.exit_status, str(result.stdout), str(result.stderr)


def cli(host: Host, *words: str) -> Any:
    argv = [sys.executable, "-m", "illumos_lab.cli", "fault", host.name, "--dir", str(host.root.parent)]
    done = subprocess.run([*argv, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def elapsed(start: float) -> float:
    return time.monotonic() - start


def quickest(times: int, work: Callable[[], object]) -> float:
    """Seconds that work takes when the machine has nothing else to do: the best of several times."""
    found = []
    for _ in range(times):
        start = time.monotonic()
        work()
        found.append(elapsed(start))
    return min(found)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Latency -----------------------------------------------------------------------------------------


def test_every_byte_takes_half_a_round_trip_each_way(host: Host) -> None:
    async def echoes() -> list[float]:
        async with connect(host) as connection:
            times = []
            process = await connection.create_process("cat")
            for latency in (0.0, 0.2):
                host.login(latency=latency)
                for _ in range(5):
                    start = time.monotonic()
                    process.stdin.write("ping\n")
                    assert await process.stdout.readline() == "ping\n"
                    times.append(elapsed(start))
            return times

    times = run_async(echoes())
    # A busy machine makes some of them longer, and none shorter.
    assert min(times[:5]) < 0.15
    assert 0.2 <= min(times[5:]) < 0.4


def test_a_login_takes_several_round_trips(host: Host) -> None:
    near = quickest(3, lambda: ssh(host, host.name, "true").check_returncode())
    host.login(latency=0.1)
    far = quickest(3, lambda: ssh(host, host.name, "true").check_returncode())
    # The handshakes of TCP and of SSH, the login, the channel and its command.
    assert 5 <= (far - near) / 0.1 <= 15


def test_latency_costs_no_bandwidth_and_no_order(host: Host) -> None:
    host.login(latency=0.1)
    text = "".join(f"{number}\n" for number in range(200_000))

    def copy() -> None:
        assert host.ssh("cat", input=text).stdout == text

    assert quickest(3, copy) < 5


# Commands ----------------------------------------------------------------------------------------


def test_commands_that_match_take_their_time(host: Host) -> None:
    host.fault(r"dladm show-", delay=0.3, times=None)
    start = time.monotonic()
    assert ssh(host, host.name, "dladm show-link -p -o link; dladm show-phys -p -o link").returncode == 0
    assert elapsed(start) >= 0.6
    host.fault(r"dladm show-", delay=600, times=None)
    assert ssh(host, host.name, "zoneadm list").stdout == "global\n"


def test_the_nth_command_fails_as_told(host: Host) -> None:
    host.fault("zoneadm list", nth=2, status=7, stdout="half a li", stderr="zoneadm: no\n")
    done = ssh(host, host.name, "zoneadm list; zoneadm list; echo $?; zoneadm list")
    assert (done.stdout, done.stderr) == ("global\nhalf a li7\nglobal\n", "zoneadm: no\n")
    host.clear_faults()
    host.fault("zoneadm list", status=3)
    assert run_async(_output(host, "zoneadm list")) == (3, "", "")
    assert run_async(_output(host, "zoneadm list")) == (0, "global\n", "")


def test_a_fault_that_makes_no_sense_is_refused(host: Host) -> None:
    for wrong in ({"pattern": "("}, {"pattern": "x", "drop": "later"}, {"pattern": "x", "delay": -1}):
        with pytest.raises(LabError):
            host.fault(**wrong)
    for login in ({"colour": 1}, {"latency": -1}, {"max_startups": "10:30"}):
        with pytest.raises(LabError):
            host.login(**login)
    with pytest.raises(LabError, match="not a zone name"):
        host.hold_lock("../x", 1)
    assert host.weather()["faults"] == []


# Connections -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("drop", "made"), [("before", ""), ("after", "stub0\n")])
def test_the_connection_drops_around_a_command(host: Host, drop: str, made: str) -> None:
    for client in ("ssh", "asyncssh"):
        host.run("dladm delete-etherstub stub0")
        host.fault("create-etherstub", drop=drop)
        if client == "ssh":
            done = ssh(host, host.name, "dladm create-etherstub stub0; sleep 2")
            assert done.returncode == 255
            assert "closed by remote host" in done.stderr
        else:
            # asyncssh tells it by the absence of an exit status.
            assert run_async(_output(host, "dladm create-etherstub stub0; sleep 2"))[0] is None
        assert host.run("dladm show-etherstub -p -o link").stdout == made
        host.clear_faults()
    host.run("dladm delete-etherstub stub0")


@pytest.mark.parametrize(("freeze", "made"), [("before", ""), ("after", "stub1\n")])
def test_the_connection_freezes_at_a_command(host: Host, freeze: str, made: str) -> None:
    host.run("dladm delete-etherstub stub1")
    host.fault("create-etherstub", freeze=freeze)
    argv = ["ssh", "-F", str(host.ssh_config), host.name, "dladm create-etherstub stub1; echo done"]
    with started(argv) as process:
        until(lambda: host.weather()["faults"][0]["seen"] == 1)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        assert host.run("dladm show-etherstub -p -o link").stdout == made
        # Other connections are not touched; this one goes on in fair weather.
        assert ssh(host, host.name, "echo here").stdout == "here\n"
        host.clear_faults()
        assert process.communicate(timeout=60)[0] == "done\n"
    assert host.run("dladm show-etherstub -p -o link").stdout == "stub1\n"
    host.run("dladm delete-etherstub stub1")


def test_a_client_gives_a_frozen_command_up(host: Host) -> None:
    async def cut_short() -> None:
        async with connect(host) as connection:
            host.fault("create-etherstub", freeze="before")
            running = asyncio.ensure_future(connection.run("dladm create-etherstub stub2"))
            await asyncio.to_thread(until, lambda: host.weather()["faults"][0]["seen"] == 1)
            assert not running.done()
            connection.abort()
            await asyncio.gather(running, return_exceptions=True)

    run_async(cut_short())
    # sshd has not heard of it, as with a network that is gone.
    assert host.run("pgrep -f '[c]reate-etherstub'").stdout
    assert host.run("dladm show-etherstub -p -o link").stdout == ""
    host.clear_faults()
    # It runs on without its client, as commands without a terminal do.
    until(lambda: host.run("dladm show-etherstub -p -o link").stdout == "stub2\n")
    host.run("dladm delete-etherstub stub2").check()


def test_all_connections_freeze_and_new_ones_too(host: Host) -> None:
    async def keepalive() -> tuple[bool, str]:
        async with connect(host) as connection:
            host.login(frozen=True)
            lost = False
            try:
                await asyncio.wait_for(connection.run("true"), 0.5)
            except TimeoutError:
                lost = True
            host.login(frozen=False)
            return lost, str((await connection.run("echo back")).stdout)

    assert run_async(keepalive()) == (True, "back\n")
    host.login(frozen=True)
    done = ssh(host, "-o", "ConnectTimeout=1", host.name, "true")
    assert done.returncode == 255
    assert "timed out" in done.stderr
    host.clear_faults()
    assert ssh(host, host.name, "echo back").stdout == "back\n"


def test_ssh_finds_out_by_its_own_keepalives(host: Host) -> None:
    host.fault("zoneadm list", freeze="after")
    options = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"]
    done = ssh(host, *options, host.name, "zoneadm list; sleep 20")
    assert done.returncode == 255
    assert "not responding" in done.stderr


# Limits of sshd ----------------------------------------------------------------------------------


def test_max_sessions_limits_channels(host: Host, tmp_path: Path) -> None:
    host.login(max_sessions=1)
    control = ["-o", f"ControlPath={tmp_path}/c"]
    master = ["ssh", "-F", str(host.ssh_config), *control, "-o", "ControlMaster=yes", host.name]
    with started([*master, "echo up; sleep 20"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        done = ssh(host, *control, "-o", "ControlMaster=no", host.name, "true")
        # ssh then makes a connection of its own.
        assert "Session open refused by peer" in done.stderr

    async def second() -> None:
        async with connect(host) as connection:
            await connection.create_process("sleep 20")
            await connection.run("true")

    with pytest.raises(asyncssh.ChannelOpenError, match="open failed"):
        run_async(second())


def test_max_startups_limits_connections_without_login(host: Host) -> None:
    port = host.ssh_config.read_text().partition("Port ")[2].split()[0]

    async def strangers() -> list[bytes]:
        opened = [await asyncio.open_connection("127.0.0.1", int(port)) for _ in range(4)]
        lines = [await reader.readline() for reader, _ in opened]
        with pytest.raises((asyncssh.Error, OSError)):
            await _output(host, "true")
        done = await asyncio.to_thread(ssh, host, host.name, "true")
        assert done.returncode == 255
        for _, writer in opened:
            writer.close()
        return lines

    host.login(max_startups="2:100:3")
    lines = run_async(strangers())
    assert [line.startswith(b"SSH-2.0-") for line in lines] == [True, True, False, False]
    assert lines[3] == b"Exceeded MaxStartups\r\n"
    until(lambda: ssh(host, host.name, "true").returncode == 0)
    assert run_async(_output(host, "echo in"))[1] == "in\n"


def test_max_startups_refuses_ever_more(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = MaxStartups.parse("10:30:60")
    thresholds = []
    for startups in (9, 10, 35, 59, 60):
        refused = 0
        for draw in range(100):
            monkeypatch.setattr("random.randrange", lambda _stop, draw=draw: draw)
            refused += limit.refuses(startups)
        thresholds.append(refused)
    assert thresholds == [0, 30, 65, 98, 100]
    assert MaxStartups.parse("5") == MaxStartups(5, 100, 5)


# Logins ------------------------------------------------------------------------------------------


def test_logins_are_noisy_on_either_stream(host: Host) -> None:
    host.login(noise="Hello\n\n", noise_stderr="mesg: ttyname failed\n", banner="Keep out\n")
    done = ssh(host, host.name, "echo data; echo bad >&2")
    assert done.stdout == "Hello\n\ndata\n"
    assert "Keep out" in done.stderr
    assert done.stderr.endswith("mesg: ttyname failed\nbad\n")

    async def twice() -> list[tuple[str, str]]:
        async with connect(host) as connection:
            runs = [await connection.run("echo data") for _ in range(2)]
            return [(str(run.stdout), str(run.stderr)) for run in runs]

    assert run_async(twice()) == [("Hello\n\ndata\n", "mesg: ttyname failed\n")] * 2


def test_sftp_is_spared_the_noise(host: Host) -> None:
    if host.run("test -e /usr/lib/ssh/sftp-server").status != 0:
        pytest.skip("no sftp-server is on this machine")
    host.login(noise="Hello\n")

    async def listing() -> list[str]:
        async with connect(host) as connection, connection.start_sftp_client() as sftp:
            return [str(name) for name in await sftp.listdir("/etc/zones")]

    assert "index" in run_async(listing())


@pytest.mark.parametrize(
    ("shell", "tell"),
    [
        ("/usr/bin/sh", "echo ${.sh.version}"),
        ("/usr/bin/ksh93", "echo ${.sh.version}"),
        ("/usr/bin/bash", "echo bash $BASH_VERSION"),
        ("/usr/bin/csh", "set x = csh; echo $x$shell"),
        ("/usr/bin/fish", "set -l x fish; echo $x $version"),
    ],
)
def test_login_shells(host: Host, shell: str, tell: str) -> None:
    if host.run(["test", "-x", shell]).status != 0:
        pytest.skip(f"{shell} is not on this machine")
    host.login(shells={"root": shell})
    name = "93u+" if shell.endswith(("/sh", "ksh93")) else shell.rpartition("/")[2]
    done = ssh(host, host.name, tell)
    assert name in done.stdout, done.stderr
    assert done.stderr == ""
    assert name in run_async(_output(host, tell))[1]
    # A login without a command reads its input.
    done = subprocess.run(
        ["ssh", "-T", "-F", str(host.ssh_config), host.name],
        input=f"{tell}\nexit 4\n",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, name in done.stdout) == (4, True), done.stderr


def test_path_and_locale_of_logins(host: Host) -> None:
    host.login(env={"PATH": "/usr/bin", "LANG": "de_DE.UTF-8"})
    host.login(env={"LC_TIME": "fr_FR.UTF-8"})
    tell = "echo $PATH $LANG $LC_TIME; dladm show-link"
    done = ssh(host, host.name, tell)
    assert done.stdout == "/usr/bin de_DE.UTF-8 fr_FR.UTF-8\n"
    assert "dladm" in done.stderr
    assert run_async(_output(host, tell))[1] == done.stdout


def test_path_comes_from_the_hosts_own_file(host: Host) -> None:
    old = host.run("cat /etc/default/login").stdout
    try:
        host.run("echo PATH=/usr/bin:/opt/user >/etc/default/login")
        host.run("echo SUPATH=/usr/sbin:/usr/bin:/opt/root >>/etc/default/login")
        assert ssh(host, host.name, "echo $PATH").stdout == "/usr/sbin:/usr/bin:/opt/root\n"
        assert host.ssh("echo $PATH", user="admin").stdout == "/usr/bin:/opt/user\n"
    finally:
        host.run("cat > /etc/default/login", input=old)


def test_root_stays_out_where_sshd_says_so(host: Host) -> None:
    file = "/etc/ssh/sshd_config"
    host.run(f"sed -i 's/^PermitRootLogin.*/PermitRootLogin no/' {file}").check()
    try:
        assert ssh(host, host.name, "true").returncode == 255
        assert host.ssh("id -un", user="admin").stdout == "admin\n"
    finally:
        host.run(f"sed -i 's/^PermitRootLogin.*/PermitRootLogin without-password/' {file}").check()
    assert ssh(host, host.name, "true").returncode == 0


def test_a_changed_host_key_is_noticed(host: Host) -> None:
    key = host.new_host_key()
    assert key.startswith("ssh-ed25519 ")
    done = ssh(host, host.name, "true")
    assert done.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        run_async(_output(host, "true"))
    host.clear_faults()
    assert ssh(host, host.name, "true").returncode == 0


# The machine -------------------------------------------------------------------------------------


def test_a_lock_is_held_for_a_time(host: Host) -> None:
    host.run("zonecfg -z locked 'create -b; set zonepath=/zones/locked; set brand=sparse'").check()
    start = time.monotonic()
    host.hold_lock("locked", 1.0)
    done = ssh(host, host.name, "zoneadm -z locked mark incomplete")
    assert done.returncode == 0, done.stderr
    assert elapsed(start) >= 1
    host.hold_lock("locked", 600.0)
    assert host.weather()["locks"] == [{"zone": "locked", "seconds": 600.0}]
    # Reading needs no lock.
    assert "locked" in ssh(host, host.name, "zoneadm list -c").stdout
    start = time.monotonic()
    threading.Timer(0.5, host.clear_faults).start()
    assert run_async(_output(host, "zoneadm -z locked mark incomplete"))[0] == 0
    assert 0.5 <= elapsed(start) < 60
    host.run("zonecfg -z locked delete -F").check()


def test_a_full_disk_is_full_for_every_program(host: Host) -> None:
    host.run("zonecfg -z full 'create -b; set zonepath=/zones/full; set brand=sparse'").check()
    host.disk_free(0)
    full = "No space left on device"
    for command, complaint in (
        ("echo x > /etc/file", full),
        ("cp /etc/passwd /export/home/copy", full),
        ("mkdir /var/tmp/dir", full),
        # What libdladm makes of ENOSPC.
        ("dladm create-etherstub full0", "buffer size too small"),
        ("zoneadm -z full install", full),
        ("zonecfg -z full 'set autoboot=true'", "Problem saving file"),
    ):
        done = ssh(host, host.name, command)
        assert done.returncode != 0, command
        assert complaint in done.stderr, (command, done.stderr)
    # Files in memory (/tmp) are not on the disk; what is there can be read.
    assert ssh(host, host.name, "echo x > /tmp/file && cat /etc/nodename").stdout == "gz1\n"
    assert run_async(_output(host, "dd if=/dev/zero of=/etc/zero bs=1024 count=1"))[0] == 1
    host.clear_faults()
    assert ssh(host, host.name, "echo x > /etc/file; rm /etc/file").returncode == 0
    host.run("zonecfg -z full delete -F")


def test_a_disk_fills_up(host: Host) -> None:
    host.disk_free(3 << 20)
    done = ssh(host, host.name, "dd if=/dev/zero of=/var/tmp/zeros bs=65536 count=100")
    assert "No space left" in done.stderr
    assert (
        ssh(host, host.name, "rm /var/tmp/zeros; echo again > /etc/again; cat /etc/again").stdout
        == "again\n"
    )


# The command line --------------------------------------------------------------------------------


def test_all_of_it_on_the_command_line(host: Host) -> None:
    words = ["--match", "zoneadm list", "--nth", "2", "--times", "3", "--status", "9", "--stderr", "no"]
    words += ["--delay", "0.5", "--drop", "after", "--freeze", "after"]
    words += ["--latency", "0.01", "--max-sessions", "3", "--max-startups", "5:50:9", "--banner", "b"]
    words += ["--noise", "n", "--noise-stderr", "e", "--shell", "root:/usr/bin/ksh93"]
    words += ["--env", "PATH=/usr/bin:/sbin", "--env", "LANG=C", "--new-host-key", "--frozen"]
    words += ["--lock", "web:30", "--disk-free", "64M"]
    set_ = cli(host, *words)
    (fault,) = set_["faults"]
    assert fault == {
        "pattern": "zoneadm list",
        "nth": 2,
        "times": 3,
        "status": 9,
        "stdout": "",
        "stderr": "no",
        "delay": 0.5,
        "drop": "after",
        "freeze": "after",
        "seen": 0,
    }
    assert set_["login"] == {
        "noise": "n",
        "noise_stderr": "e",
        "banner": "b",
        "shells": {"root": "/usr/bin/ksh93"},
        "env": {"PATH": "/usr/bin:/sbin", "LANG": "C"},
        "latency": 0.01,
        "frozen": True,
        "max_sessions": 3,
        "max_startups": "5:50:9",
    }
    assert set_["locks"] == [{"zone": "web", "seconds": 30}]
    assert set_["new_host_key"].startswith("ssh-ed25519")
    assert 0 < set_["disk_free"] <= 64 << 20
    set_ = cli(host, "--clear")
    assert (set_["faults"], set_["locks"], set_["new_host_key"], set_["disk_free"]) == ([], [], None, None)
    assert host.ssh("echo fair").stdout == "fair\n"


def test_effects_without_commands_are_refused(host: Host) -> None:
    argv = [sys.executable, "-m", "illumos_lab.cli", "fault", host.name, "--dir", str(host.root.parent)]
    done = subprocess.run([*argv, "--status", "1"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "illumos-lab: which commands? give --match REGEX\n")


def test_a_reboot_clears_the_weather(host: Host) -> None:
    host.new_host_key()
    host.login(noise="n")
    host.disk_free(0)
    host.reboot()
    weather = host.weather()
    assert (weather["login"]["noise"], weather["new_host_key"], weather["disk_free"]) == ("", None, None)
    assert ssh(host, host.name, "echo x > /etc/file; echo fair").stdout == "fair\n"


# The journal -------------------------------------------------------------------------------------


def test_the_journal_is_right_under_many_channels(host: Host) -> None:
    host.journal(clear=True)
    channels, commands = 12, 10

    async def many() -> None:
        limit = "for i in 0 1 2 3 4 5 6 7 8 9; do zoneadm -z c{0}n$i list; done; true"
        async with connect(host) as connection:
            await asyncio.gather(
                *(connection.run(limit.format(number), check=True) for number in range(channels))
            )

    host.login(max_sessions=channels)
    run_async(many())
    journal = host.journal()
    assert (journal["connections"], journal["channels"]) == (1, channels)
    by_channel: dict[int, list[list[str]]] = {}
    for entry in journal["commands"]:
        assert entry["connection"] == 1
        assert entry["status"] == 1
        by_channel.setdefault(entry["channel"], []).append(entry["argv"])
    assert len(by_channel) == channels
    clients = set()
    for ran in by_channel.values():
        client = ran[0][2].partition("n")[0]
        clients.add(client)
        assert ran == [["/usr/sbin/zoneadm", "-z", f"{client}n{i}", "list"] for i in range(commands)]
    assert len(clients) == channels
    # It is in the file, line by line.
    lines = (host.root / "journal.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["event"] == "command" for line in lines) == channels * commands


def test_zlogin_forgets_a_signal(host: Host) -> None:
    host.run("zonecfg -z sig 'create -b; set zonepath=/zones/sig; set brand=sparse; set ip-type=exclusive'")
    host.run("zoneadm -z sig install && zoneadm -z sig boot").check()
    assert ssh(host, host.name, "zlogin sig 'kill -9 $$'").returncode == 0
    assert ssh(host, host.name, "zlogin sig 'exit 3'").returncode == 3
    host.run("zoneadm -z sig halt; zoneadm -z sig uninstall -F; zonecfg -z sig delete -F").check()
