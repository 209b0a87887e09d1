"""The examples run as they stand: up, no change, nothing left."""

import pytest

from .stack import PulumiFailed

GET = "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3 | tail -1"

LEASE = """\
n=0
until zlogin app ipadm show-addr -p -o addr | grep 10.10 || [ $((n += 1)) -gt 300 ]; do
    sleep 0.2
done
"""

EXAMPLES = {
    "zone-web-server": (f'zlogin web /bin/bash -s <<"E"\n{GET}\nE', "<h1>It works</h1>\n"),
    "zone-dhcp": (LEASE, "10.10.0.20/24\n"),
    "zone-data": (
        "zlogin db 'zfs list -H -o name rpool/db && touch /shared/x || echo ro'",
        "rpool/db\nro\n",
    ),
    "zone-bhyve": ("zoneadm -z debian list -p | cut -d: -f3", "running\n"),
    "zone-lx": ("zlogin alpine uname -r", "5.10\n"),
    "twelve-zones": ("zoneadm list -p | grep -c ':node.*:running:'", "12\n"),
}
"""The examples, each with a command that shows what it is for, and what that prints."""


@pytest.fixture
def images(host):
    """The images that the examples are made from."""
    host.run(
        "mkdir -p /images && echo disk >/images/debian.raw"
        " && cd / && tar -czf /images/alpine.tar.gz etc/release"
    ).check()
    yield
    host.run("rm -r /images").check()


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_runs(example, host, images, stack):
    command, printed = EXAMPLES[example]
    shop = stack().example(example)
    shop.up()
    assert host.run(command).stdout == printed
    shop.preview("--expect-no-changes")
    shop.destroy()


def test_programs_share_a_router_and_it_outlives_them(host, stack):
    platform = stack().example("shared-router/platform")
    platform.up()
    blue = stack().example("shared-router/shop")
    green = stack(shop="green", address="10.10.0.6", sshPort="2223").example("shared-router/shop")
    blue.up()
    red = stack(shop="red", address="10.10.0.7").example("shared-router/shop")
    with pytest.raises(PulumiFailed, match=r"2222.*shared-router-shop"):
        red.up()
    red.destroy()
    green.up()
    assert host.run("zlogin blue getent hosts green.lan.example").stdout.split()[0] == "10.10.0.6"
    with pytest.raises(PulumiFailed, match="still serves"):
        platform.destroy()
    for shop in (blue, green):
        shop.preview("--expect-no-changes")
        shop.destroy()
    platform.preview("--expect-no-changes")
    platform.destroy()
