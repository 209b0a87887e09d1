"""What real hosts print is read right: their own spellings, escapes, noise and extra columns."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_illumos_provider.illumos import (
    dladm,
    dnsmasq,
    ipadm,
    ipfilter,
    ofmt,
    records,
    route,
    zoneadm,
    zonecfg,
)
from pulumi_illumos_provider.illumos.distribution import OMNIOS, OPENINDIANA, TRIBBLIX, identify

NOISE = "Welcome to blue42\n\n:::\n"


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"), max_size=8), min_size=2, max_size=6))
def test_parseable_fields_survive_escaping(fields):
    line = ":".join(f.replace("\\", "\\\\").replace(":", "\\:") for f in fields)
    assert ofmt.split(line) == fields


def test_zoneadm_list_is_read_with_any_number_of_columns():
    listed = zoneadm.parse_list(
        "0:global:running:/::ipkg:shared:0\n"
        "-:db-01:configured:/zones/db-01::lipkg:excl\n"
        "7:web.blue:running:/pool\\:a/zones/web.blue:0b6c2f0e-5a53-4c0e-9d41-6a0f4d1b7c11:lx:excl:41\n"
        "-:tmp_9:incomplete:/zones/tmp_9:77c5a0b1-9a4e-4be0-8f6e-2d0d7a4f0c22:sparse:excl:-:R:none:\n"
    )
    assert list(listed) == ["db-01", "web.blue", "tmp_9"]
    assert [zone.id for zone in listed.values()] == ["-", "7", "-"]
    assert listed["web.blue"].zonepath == "/pool:a/zones/web.blue"
    assert listed["db-01"].uuid == ""
    assert listed["tmp_9"].state == "incomplete"
    assert listed["tmp_9"].exclusive


def test_zoneadm_list_ignores_noise_of_login_files():
    assert list(zoneadm.parse_list(NOISE + "-:a:installed:/z/a:u:lipkg:excl\n")) == ["a"]


def test_a_mac_is_padded_whatever_dladm_prints():
    links = dladm.parse(
        NOISE + "stub0:etherstub:9000:\nweb_0:vnic:9000:stub0\n",
        NOISE + "web_0:stub0:2\\:8\\:20\\:a\\:b0\\:c:0\n",
        "web_0:zone:web\nweb_0:protection:ip-nospoof\nweb_0:allowed-ips:10.9.1.20\n",
    )
    assert links["web_0"].mac == "02:08:20:0a:b0:0c"
    assert links["web_0"].over == "stub0"
    assert links["web_0"].zone == "web"
    assert links["web_0"].protection == ("ip-nospoof",)
    assert links["web_0"].allowed_ips == ("10.9.1.20",)


def test_a_lower_link_that_cannot_be_told_is_unknown():
    links = dladm.parse("net0:vnic:1500:?\n", "net0:?:2\\:8\\:20\\:0\\:0\\:1:0\n", "")
    assert links["net0"].over == ""


def test_links_of_one_name_in_several_zones_are_told_apart():
    links = dladm.parse(
        "igb0:phys:1500:\nnet0:vnic:1500:igb0\nnet0:vnic:1500:igb0\nnet0:vnic:1500:igb1\n"
        "gamma/net0:vnic:9000:stub7\n",
        "net0:igb0:2\\:8\\:20\\:0\\:0\\:a:0:alpha\n"
        "net0:igb0:2\\:8\\:20\\:0\\:0\\:b:0:beta\n"
        "gamma/net0:stub7:2\\:8\\:20\\:0\\:0\\:c:0:gamma\n"
        "net0:igb1:2\\:8\\:20\\:0\\:0\\:d:0:--\n",
        "",
    )
    assert links["alpha/net0"].mac == "02:08:20:00:00:0a"
    assert links["beta/net0"].mac == "02:08:20:00:00:0b"
    assert (links["gamma/net0"].name, links["gamma/net0"].zone) == ("net0", "gamma")
    assert (links["net0"].over, links["net0"].zone) == ("igb1", "")


def test_a_dladm_without_the_zone_column_is_asked_again_without_it():
    script = dladm.SHOW_VNICS.argv[2]
    assert script.index("vid,zone") < script.index("||")
    assert script.endswith("macaddress,vid")


def test_addresses_of_the_host_leave_out_loopback_ipv6_and_missing_leases():
    found = ipadm.parse_addresses(
        "lo0/v4:static:ok:127.0.0.1/8\n"
        "igb0/v4:static:ok:192.0.2.11/24\n"
        "igb0/v6:addrconf:ok:fe80\\:\\:8\\:20ff%igb0/10\n"
        "igb1/dhcp:dhcp:ok:?\n"
    )
    assert found == {"igb0": [IPv4Interface("192.0.2.11/24")]}


def test_the_default_route_is_read_by_label():
    text = (
        "   route to: default\ndestination: default\n       mask: default\n"
        "    gateway: 192.0.2.1\n  interface: igb0\n      flags: <UP,GATEWAY,DONE,STATIC>\n"
        " recvpipe  sendpipe\n       0         0\n"
    )
    assert route.parse_default(text) == route.DefaultRoute(IPv4Address("192.0.2.1"), "igb0")
    assert route.parse_default(" 0.0.0.0: not in table\n") is None


EXPORT = """\
create -b
set zonepath=/zones/reg7
set brand=bhyve
set autoboot=false
set ip-type=exclusive
add net
set allowed-address="192.0.2.10/24"
set physical="reg7_0"
set defrouter="192.0.2.1"
add property (name=mtu,value="1500")
end
add rctl
set name="zone.cpu-cap"
add value (priv=privileged,limit=150,action=deny)
end
add attr
set name=cloud-note
set type=string
set value=cmVnaXN0cnk=
end
add attr
set name="vm-opts"
set type="string"
set value="LWMgMSAtbSA0Zw=="
end
"""


def test_an_export_is_read_with_quoted_and_bare_values():
    config = zonecfg.parse_export(EXPORT)
    assert config.properties["zonepath"] == "/zones/reg7"
    assert config.attributes == {"cloud-note": "cmVnaXN0cnk=", "vm-opts": "LWMgMSAtbSA0Zw=="}
    assert config.rctl_limit("zone.cpu-cap") == 150
    assert config.rctl_limit("zone.max-swap") is None
    assert config.of_kind("net")[0].values["physical"] == "reg7_0"


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,20}", fullmatch=True),
        st.text(
            st.characters(exclude_characters='"\n\r\0', exclude_categories=["Cs", "Cc", "Zl", "Zp"]),
            min_size=1,
        ),
        max_size=5,
    )
)
def test_attributes_are_read_as_they_are_written(attributes):
    attributes = {name: value.strip() for name, value in attributes.items() if value.strip()}
    lines = [line for name, value in attributes.items() for line in _added(name, value)]
    assert zonecfg.parse_export("\n".join(lines)).attributes == attributes


def _added(name, value):
    return zonecfg.add_resource(zonecfg.attribute(name, value))


@pytest.mark.parametrize("value", ["cmVnaXN0cnk=", "LWMgMSAtbSA0Zw=="])
def test_values_that_need_it_are_quoted(value):
    assert f'set value="{value}"' in _added("a", value)


def test_a_command_file_ends_with_a_line_feed():
    assert (zonecfg.edit("web", ["set autoboot=true"]).stdin or "").endswith("\n")


def test_reservations_are_read_back():
    line = "02:08:20:0a:b0:0c,web,10.9.1.20,infinite\n"
    found = dnsmasq.parse_fragment("pulumi-web_0", line)
    assert found == dnsmasq.Reservation(
        "pulumi-web_0", "02:08:20:0a:b0:0c", "web", IPv4Address("10.9.1.20")
    )
    assert dnsmasq.parse_fragment("x", "garbage\n") is None


def test_nat_rules_write_out_the_address_and_the_ports():
    rules = ipfilter.nat_rules("gw_0", IPv4Address("192.0.2.100"), [IPv4Network("10.9.1.0/24")])
    assert rules == [
        "map gw_0 10.9.1.0/24 -> 192.0.2.100/32 portmap tcp/udp 10000:32767",
        "map gw_0 10.9.1.0/24 -> 192.0.2.100/32",
    ]


def test_the_distribution_is_told_by_its_own_files():
    omnios = 'SunOS\nillumos\nglobal\nomnios-r151054-1a2b\nNAME="OmniOS"\nID=omnios\n'
    tribblix = (
        "SunOS\nillumos\nglobal\ntribblix-m38\nNAME=Tribblix\nVERSION=m38\nID=tribblix\nID_LIKE=illumos\n"
    )
    indiana = "SunOS\nillumos\nglobal\nillumos-93bf\n   OpenIndiana Hipster 2024.10 (powered by illumos)\n"
    assert identify(omnios) is OMNIOS
    assert identify(tribblix) is TRIBBLIX
    assert identify(indiana) is OPENINDIANA


def test_a_host_that_is_none_of_ours_is_refused_with_the_reason():
    assert "illumos" in str(identify("Linux\nGNU/Linux\n"))
    assert "global zone" in str(identify("SunOS\nillumos\nweb\nx\nID=omnios\n"))
    assert "not known yet" in str(identify("SunOS\nillumos\nglobal\njoyent_2026\n  SmartOS 2026 x86_64\n"))


def test_records_survive_being_stored():
    public = records.Public("e1000g0", "gw_0", IPv4Interface("192.0.2.100/24"), None)
    assert records.Public.decode(public.encode()) == public
    assert len(records.owner_value("urn:" + "x" * 300)) <= 255
    assert records.owner_value("urn:short") == "urn:short"
