"""A virtual datacenter in one illumos host: a switch, a router to the world, two zones behind it."""

import pulumi

import pulumi_illumos as illumos

public_address = pulumi.Config().require("publicAddress")

# The virtual switch.
lan = illumos.Etherstub("lan", name="lan0")

# Forwards, translates addresses and serves DHCP. Everything else is worked out from these two.
router = illumos.RouterZone(
    "gw",
    name="gw",
    public_address=public_address,
    networks=[{"etherstub": lan.name, "subnet": "10.10.0.0/24"}],
)

# A fixed address: the network is found from it.
web = illumos.Zone("web", name="web", address="10.10.0.5", router=router.id, memory="512M")

# Asks the router for its address.
app = illumos.Zone("app", name="app", nics=[{"router": router.id, "dhcp": True}])

pulumi.export("public address", router.public_address)
pulumi.export("web", web.address)
pulumi.export("app", app.address)
