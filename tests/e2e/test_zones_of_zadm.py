"""Zones as OmniOS' zadm makes them are imported as they are, with the real engine."""

from __future__ import annotations

NATIVE = """\
create -b
set zonepath=/zones/native
set brand=lipkg
set autoboot=true
set limitpriv=default,dtrace_user
set ip-type=exclusive
set hostid=abcdef
add net
set allowed-address="192.0.2.86/24"
set physical="native0"
set vlan-id="20"
set global-nic="e1000g0"
set defrouter="192.0.2.1"
end
add net
set allowed-address="192.0.2.87/24"
set physical="native1"
set global-nic="auto"
end
add capped-memory
set physical=1G
set swap=2G
end
add capped-cpu
set ncpus=1.5
end
set max-lwps=2000
set cpu-shares=5
"""
GUEST = """\
create -b
set zonepath=/zones/guest
set brand=bhyve
set ip-type=exclusive
add net
set allowed-address="192.0.2.88/24"
set physical="guest0"
set global-nic="auto"
set defrouter="192.0.2.1"
end
add device
set match="/dev/zvol/rdsk/rpool/guest/root"
end
add device
set match="/dev/zvol/rdsk/rpool/guest/d0"
end
"""
GUEST_ATTRIBUTES = {
    "acpi": "on",
    "bootdisk": "rpool/guest/root",
    "bootrom": "BHYVE",
    "cloud-init": "on",
    "disk0": "rpool/guest/d0",
    "diskif": "virtio",
    "hostbridge": "i440fx",
    "netif": "virtio",
    "ram": "1G",
    "rng": "off",
    "sshkey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhVr0aMYDXhkQh9mCRgNwRjBKdvSRMFgWzNhbT8Zl5d me",
    "type": "generic",
    "uefivars": "on",
    "vcpus": "2",
    "vnc": "on",
    "xhci": "on",
}
LINUX = """\
create -b
set zonepath=/zones/linux
set brand=lx
set ip-type=exclusive
add net
set physical="linux0"
set global-nic="e1000g0"
add property (name=ips,value="192.0.2.89/24")
add property (name=gateway,value="192.0.2.1")
add property (name=primary,value="true")
end
"""
DNS = {"dns-domain": "example.com", "resolvers": "198.51.100.80,1.1.1.1"}


def attributes(values):
    return "".join(
        f'add attr\nset name={n}\nset type=string\nset value="{v}"\nend\n' for n, v in values.items()
    )


ZONES = {
    "native": (NATIVE, {}, ""),
    "guest": (GUEST, GUEST_ATTRIBUTES, ""),
    "linux": (LINUX, {"kernel-version": "5.4"}, "-t /tmp/linux.tar"),
}


def test_zones_of_zadm_are_imported_as_they_are(host, stack):
    host.run("zfs create -sp -V 1G rpool/guest/root && zfs create -sp -V 1G rpool/guest/d0").check()
    host.run("mkdir -p /tmp/tree/etc && tar -cf /tmp/linux.tar -C /tmp/tree etc").check()
    for name, (configuration, own, install) in ZONES.items():
        host.run(f"zonecfg -z {name} -f -", input=configuration + attributes(own | DNS)).check()
        host.run(f"zoneadm -z {name} install {install} && zoneadm -z {name} boot").check()
    look = "; ".join(["zoneadm list -p", *(f"zonecfg -z {name} export" for name in ZONES)])
    before = host.run(look).check().stdout

    shop = stack().write({})
    for name in ZONES:
        shop.run("import", "--yes", "--protect=false", "illumos:index:Zone", name, f"gz1/{name}")
    imported = shop.resources()
    shop.write({name: {"type": "illumos:Zone", "properties": imported[name]["inputs"]} for name in ZONES})
    shop.preview("--expect-no-changes")
    shop.refresh("--expect-no-changes")

    assert host.run(look).check().stdout == before
    shop.destroy()
    assert host.run("zoneadm list -c").check().stdout == "global\n"
    host.run("zfs destroy -r rpool/guest; rm -r /tmp/tree /tmp/linux.tar")
