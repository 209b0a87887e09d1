"""The virtual datacenter as dynamic resources: no plugin, only a Python package."""

import pulumi

from pulumi_illumos_provider.dynamic import Etherstub, RouterZone, Zone

config = pulumi.Config()
connection = {"host": config.require("host")}
if ssh_config := config.get("sshConfig"):
    connection["sshConfig"] = ssh_config

lan = Etherstub("lan", name="lan0", connection=connection)

router = RouterZone(
    "gw",
    name="gw",
    public_address=config.require("publicAddress"),
    networks=[{"etherstub": lan.name, "subnet": "10.10.0.0/24"}],
    connection=connection,
)

web = Zone("web", name="web", address="10.10.0.5", router=router.id, memory="512M", connection=connection)

app = Zone("app", name="app", nics=[{"router": router.id, "dhcp": True}], connection=connection)

pulumi.export("public address", router.public_address)
pulumi.export("web", web.address)
pulumi.export("app", app.address)
