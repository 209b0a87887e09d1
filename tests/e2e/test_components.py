"""Components: several resources declared as one, from any language."""

import json
import re

import pytest

from .programs import HTTP
from .stack import PulumiFailed
from .test_failures import failure


def datacenter(address, *zones, **options):
    properties = {"publicAddress": address, "subnet": "10.20.0.0/24", "zones": list(zones)}
    return {"type": "illumos:VirtualDatacenter", "properties": properties, "options": options}


def children(resources):
    """The resources below the component."""
    return {name: found for name, found in resources.items() if found["parent"].endswith("::shop")}


def changes(output):
    """What was done to resources of ours."""
    return sorted(re.findall(r"[-~+] illumos:index:(\w+: \(\w+\))", output))


def world_sees(host, zone):
    """The address that a zone has for the world."""
    return host.run(f"zlogin {zone['outputs']['name']} /bin/sh -s <<'E'\n{HTTP}\nE").stdout.strip()


def test_a_datacenter_in_yaml_lives_and_leaves_nothing(host, stack):
    # The provider of the configuration leads nowhere: only the one that is given to the component works.
    site = stack(illumos__host="nowhere.invalid")
    provider = {"type": "pulumi:providers:illumos", "properties": {"host": "gz1"}}
    web, db = {"name": "web", "memory": {"fn::secret": "512M"}}, {"name": "db"}
    outputs = {"addresses": "${shop.addresses}"}

    def declare(*zones):
        shop = datacenter("192.0.2.100", *zones, provider="${there}")
        site.write({"there": provider, "shop": shop}, outputs)

    declare({**web, "cpus": 0}, {**db, "address": "10.20.0"})
    told = failure(site.preview)
    assert re.search(r"property zones\[0\]\.cpus .*is not a CPU cap: it is at least 0\.01", told)
    assert re.search(r"property zones\[1\]\.address .*is not an IPv4 address: write 192\.0\.2\.10", told)
    assert "512M" not in told

    declare(web, db)
    foreseen = site.preview()
    addresses = {"web": "10.20.0.100", "db": "10.20.0.18"}
    assert all(address in foreseen for address in addresses.values())
    site.up()
    made = children(site.resources())
    assert set(made) == {"shop-lan", "shop-gw", "shop-web", "shop-db"}
    assert all("::there::" in child["provider"] for child in made.values())
    assert "512M" not in json.dumps(made)
    assert site.outputs() == {"addresses": addresses}
    assert world_sees(host, made["shop-web"]) == "192.0.2.100"
    assert host.run(f"zlogin {made['shop-web']['outputs']['name']} ping {addresses['db']} 2").status == 0

    # A zone in the middle changes nothing but itself.
    declare(web, {"name": "cache"}, db)
    assert changes(site.up()) == ["VirtualDatacenter: (update)", "Zone: (create)"]
    assert site.outputs()["addresses"].items() > addresses.items()
    declare(db)
    assert changes(site.up()) == ["VirtualDatacenter: (update)", "Zone: (delete)", "Zone: (delete)"]
    assert world_sees(host, made["shop-db"]) == "192.0.2.100"
    site.expect_no_change()
    site.destroy()


def test_the_example_in_python_works(host, stack):
    site = stack().example("virtual-datacenter-component")
    site.up()
    made = children(site.resources())
    assert set(made) == {"shop-lan", "shop-gw", "shop-web", "shop-db"}
    assert site.outputs()["addresses"] == {"web": "10.10.0.5", "db": "10.10.0.18"}
    # The provider that declares the children is the one that makes them: there is no second one.
    assert len({child["provider"] for child in made.values()}) == 1
    assert world_sees(host, made["shop-db"]) == "192.0.2.100"
    site.expect_no_change()

    program = site.program / "__main__.py"
    program.write_text(program.read_text().replace("10.10.0.5", "10.10.0.1"))
    with pytest.raises(PulumiFailed) as failed:
        site.preview()
    told = failed.value.output
    # Pulumi's Python SDK tells of its own place when a program ends early; the reason stands beside it.
    assert "pulumi_illumos_provider" not in told
    assert "10.10.0.1 is the address of the router: choose another" in told
    site.destroy()
