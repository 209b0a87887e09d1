"""What is cut off is not lost: Ctrl-C, lost connections, many things at once."""

import signal
import subprocess
import time

import pytest

from .programs import LAN, site, web, zone


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_up_goes_on_over_a_new_connection_when_one_is_lost(drop, host, stack):
    shop = stack()
    shop.write(site(web=web()))
    host.fault("zoneadm -z web install", drop=drop)
    host.journal(clear=True)
    shop.up()
    assert host.journal()["connections"] == 2
    assert host.run("zlogin web echo up").stdout == "up\n"
    shop.expect_no_change()
    shop.destroy()


INSTALLS = "pgrep -f '[z]oneadm -z web install'"


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def read_until(stream, words):
    """What is printed, up to a line with some words."""
    text = ""
    while words not in text:
        text += (line := stream.readline())
        assert line, text
    return text


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_an_install_leaves_a_state_that_the_next_up_finishes(times, host, stack):
    shop = stack()
    shop.write(site()).up()
    shop.write(site(web=web()))
    host.fault("zoneadm -z web install", delay=600.0)
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
    running = subprocess.Popen(
        command, cwd=shop.program, env=shop.environment, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    output = read_until(running.stdout, "installing zone web")
    until(lambda: host.run(INSTALLS).stdout != "")
    running.send_signal(signal.SIGINT)
    if times == 2:
        output += read_until(running.stdout, "cancelling")
        running.send_signal(signal.SIGINT)
    with running:
        output += running.stdout.read()
    assert running.returncode != 0
    assert "Traceback" not in output
    host.clear_faults()
    # No process of ours goes on over there.
    until(lambda: host.run(INSTALLS).stdout == "")
    if times == 2:
        shop.run("cancel", "--yes")
    shop.refresh("--clear-pending-creates")
    shop.up()
    assert host.run("zlogin web echo up").stdout == "up\n"
    shop.expect_no_change()
    shop.destroy()


@pytest.mark.parametrize(
    ("count", "login"), [(12, {"max_sessions": 1}), (40, {"max_sessions": 10, "max_startups": "10:30:60"})]
)
def test_many_zones_at_once_over_one_connection_with_few_channels(count, login, host, stack):
    shop = stack()
    zones = {f"z{n}": zone(f"z{n}", address=f"10.10.0.{20 + n}", router="${gw.id}") for n in range(count)}
    host.fault("dladm create-vnic", times=None, delay=0.2)
    host.login(**login)
    host.journal(clear=True)
    shop.write(site(**zones)).up()
    assert host.journal()["connections"] == 1
    vnics = host.run("dladm show-vnic -p -o link,over").stdout.split()
    assert len({line for line in vnics if line.endswith(":lan0") and line.startswith("z")}) == count
    assert host.run("zoneadm list -p | grep -c :z").stdout == f"{count}\n"
    host.clear_faults()
    shop.expect_no_change()
    shop.destroy()


def test_a_secret_is_neither_in_the_state_nor_in_what_is_printed(host, stack, lab):
    key = (lab.directory / "id_ed25519").read_text()
    body = key.splitlines()[2]
    shop = stack()
    shop.write({"lan": LAN})
    shop.run("stack", "ls")
    subprocess.run(
        ["pulumi", "config", "set", "--secret", "illumos:privateKey"],
        cwd=shop.program,
        env=shop.environment,
        input=key,
        text=True,
        check=True,
        capture_output=True,
    )
    printed = shop.up() + shop.run("preview", "--diff") + shop.run("stack", "export")
    assert body not in printed
    files = [path for path in (shop.program.parent / "state").rglob("*") if path.is_file()]
    assert files
    assert not any(body in path.read_text() for path in files)
    shop.destroy()
