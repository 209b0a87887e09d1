"""A router zone on a host whose network cards are aggregated."""

from .programs import zone

TRUNK = """
set -o errexit
dladm create-simnet sim0
ipadm delete-if e1000g0
dladm create-aggr -l e1000g0 -l sim0 aggr0
ipadm create-if aggr0
ipadm create-addr -T static -a 192.0.2.11/24 aggr0/v4
route add default 192.0.2.1
"""

UNTRUNK = """
set -o errexit
ipadm delete-if aggr0
dladm delete-aggr aggr0
dladm delete-simnet sim0
ipadm create-if e1000g0
ipadm create-addr -T static -a 192.0.2.11/24 e1000g0/v4
route add default 192.0.2.1
"""

WORLD = "curl -s -m 5 http://198.51.100.80/"


def router(**properties):
    networks = [{"subnet": "10.10.0.0/24"}]
    properties = {"name": "gw", "publicAddress": "192.0.2.100", "networks": networks, **properties}
    return {"type": "illumos:RouterZone", "properties": properties}


def test_a_router_over_an_aggregation_serves_as_over_a_card(host, stack):
    host.ssh("ksh93 -s", input=TRUNK).check()
    shop = stack()
    web = zone("web", address="10.10.0.5", router="${gw.id}")
    shop.write({"gw": router(publicLink="aggr0"), "web": web}).up()
    assert host.run(f"zlogin web {WORLD}").stdout == "192.0.2.100\n"
    assert host.run(f"{WORLD}").stdout == "192.0.2.11\n"
    assert host.run("dladm show-vnic -p -o over gw_0").stdout == "aggr0\n"
    shop.expect_no_change()

    # Without a name it is the link that has the route to the world, which is the same one.
    shop.write({"gw": router(), "web": web})
    shop.expect_no_change()

    host.reboot()
    shop.refresh()
    shop.expect_no_change()
    shop.destroy()
    host.ssh("ksh93 -s", input=UNTRUNK).check()
