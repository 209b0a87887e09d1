"""What a dump tells of a host's network: every change shows in it, and one that is undone does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from illumos_lab.testing import Host, Lab

BUILD = """
set -o errexit
for number in 0 1 2 3 4 5; do dladm create-simnet sim$number; done
dladm create-aggr -l sim0 -l sim1 aggr0
dladm create-bridge -l sim2 lan
dladm create-iptun -T ipv4 -a local=192.0.2.11,remote=192.0.2.12 tun0
dladm create-overlay -e vxlan -s direct -v 7 -p vxlan/listen_ip=192.0.2.11 \\
  -p direct/dest_ip=192.0.2.12,direct/dest_port=4789 over0
ipadm create-if sim4
ipadm create-if sim5
ipadm create-ipmp -i sim4 ipmp0
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.start(time_scale=0) as lab:
        lab.host.run("svcadm enable -s network/varpd").check()
        lab.host.run(BUILD).check()
        yield lab.host


def differences(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Names of the lists that differ."""
    found: set[str] = set()
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            found |= differences(one, other)
        elif one != other:
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("change", "undo", "where"),
    [
        ("dladm modify-aggr -P L2 aggr0", "dladm modify-aggr -P L4 aggr0", "aggregations"),
        ("dladm modify-aggr -t -L active aggr0", "dladm modify-aggr -t -L off aggr0", "aggregations"),
        ("dladm modify-aggr -T long aggr0", "dladm modify-aggr -T short aggr0", "persistent aggregations"),
        ("dladm remove-aggr -l sim1 aggr0", "dladm add-aggr -l sim1 aggr0", "active"),
        ("dladm modify-bridge -p 4096 lan", "dladm modify-bridge -p 32768 lan", "bridges"),
        ("dladm add-bridge -l sim3 lan", "dladm remove-bridge -l sim3 lan", "persistent"),
        (
            "dladm modify-iptun -a remote=192.0.2.13 tun0",
            "dladm modify-iptun -a remote=192.0.2.12 tun0",
            "tunnels",
        ),
        (
            "dladm modify-iptun -t -a remote=192.0.2.13 tun0",
            "dladm modify-iptun -t -a remote=192.0.2.12 tun0",
            "tunnels",
        ),
        ("dladm set-linkprop -p mtu=1350 over0", "dladm set-linkprop -p mtu=1400 over0", "overlays"),
        ("ipadm add-ipmp -i sim5 ipmp0", "ipadm remove-ipmp -i sim5 ipmp0", "groups"),
    ],
)
def test_a_change_shows_and_its_undoing_leaves_nothing(
    host: Host, change: str, undo: str, where: str
) -> None:
    before = host.dump()
    host.run(change).check()
    after = host.dump()
    assert where in differences(before, after)
    host.run(undo).check()
    assert host.dump() == before


def test_a_temporary_change_is_told_from_one_that_lasts(host: Host) -> None:
    before = host.dump()
    host.run("dladm modify-iptun -t -a remote=192.0.2.13 tun0").check()
    assert differences(before, host.dump()) == {"tunnels"}
    host.run("dladm modify-iptun -a remote=192.0.2.12 tun0").check()
    assert host.dump() == before
