"""A virtual datacenter as one component: a public address and a list of zones are enough."""

import pulumi

import pulumi_illumos as illumos

shop = illumos.VirtualDatacenter(
    "shop",
    public_address=pulumi.Config().require("publicAddress"),
    domain="shop.example",
    zones=[
        # A fixed address.
        {"name": "web", "address": "10.10.0.5", "memory": "512M"},
        # An address that follows from the zone's name, and stays when other zones come and go.
        {"name": "db", "cpus": 1.5},
    ],
)

pulumi.export("public address", shop.public_address)
pulumi.export("addresses", shop.addresses)
pulumi.export("zones", shop.zone_ids)
