"""The whole life of a virtual datacenter, in each way that a program can be written."""

import time

import pytest

from .programs import HTTP


def wait_until(host, command, answer):
    """The command answers so within two minutes."""
    end = time.monotonic() + 120
    while (said := host.run(command).stdout.strip()) != answer:
        assert time.monotonic() < end, f"last answer: {said!r}"
        time.sleep(0.2)


@pytest.mark.parametrize(
    "example", ["virtual-datacenter", "virtual-datacenter-yaml", "virtual-datacenter-dynamic"]
)
def test_an_example_goes_up_works_and_leaves_nothing(example, host, stack, lab):
    settings = {"host": "gz1", "sshConfig": str(lab.ssh_config)} if "dynamic" in example else {}
    site = stack(**settings).example(example)
    site.up()
    # NAT: the world sees the router's address.
    assert host.run(f"zlogin web /bin/sh -s <<'E'\n{HTTP}\nE").stdout.strip() == "192.0.2.100"
    # DHCP: the zone has exactly its reserved address, and names work through the router.
    address = host.run("zlogin app ipadm show-addr -p -o type,addr | grep '^dhcp:'").stdout.strip()
    assert address == f"dhcp:{site.outputs()['app']}"
    # The world cannot reach a zone, and could reach the router.
    assert lab.outside("ping", "-c1", "-W1", "10.10.0.5").status != 0
    assert lab.outside("ping", "-c1", "-W5", "192.0.2.100").status == 0
    site.expect_no_change()
    site.destroy()


def test_a_datacenter_survives_reboots_of_its_zones_and_of_the_host(host, stack):
    site = stack().example("virtual-datacenter-yaml")
    site.up()
    # A connection that began before the router translated addresses leads nowhere: another one is tried.
    ask = f"zlogin web timeout 5 bash -s <<'E'\n{HTTP}\nE"
    host.run("zoneadm -z gw reboot && zoneadm -z web reboot")
    wait_until(host, ask, "192.0.2.100")
    host.reboot()
    wait_until(host, ask, "192.0.2.100")
    lease = "zlogin app ipadm show-addr -p -o type,addr | grep '^dhcp:'"
    wait_until(host, lease, f"dhcp:{site.outputs()['app']}")
    site.expect_no_change()
    site.destroy()
