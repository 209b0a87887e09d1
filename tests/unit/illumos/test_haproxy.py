"""haproxy's fragments: what they say, and that they are read back as they were written."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_illumos_provider.illumos import haproxy, haproxy_service
from pulumi_illumos_provider.illumos.distribution import OMNIOS, OPENINDIANA, TRIBBLIX
from pulumi_illumos_provider.illumos.haproxy import Health, Ingress, Server, Tls

SHOP = Ingress(
    address=IPv4Address("192.0.2.100"),
    port=80,
    mode="http",
    hostnames=("shop.example.org",),
    tls=None,
    servers=(Server("web", "10.10.0.5", 8080), Server("", "10.10.0.9", 81, weight=0, check=False)),
    balance="roundrobin",
    health=Health(),
    send_proxy=False,
)
TLS = Tls("-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n", "00ff")

ingresses = st.builds(
    Ingress,
    address=st.ip_addresses(v=4),
    port=st.integers(1, 65535),
    mode=st.sampled_from(["tcp", "http"]),
    hostnames=st.lists(st.sampled_from(["a.b", "*.b", "c"]), unique=True).map(tuple),
    tls=st.none() | st.builds(Tls, st.text(), st.text()),
    servers=st.lists(
        st.builds(Server, st.text(), st.text(), st.integers(1, 65535), st.integers(0, 256), st.booleans()),
        min_size=1,
    ).map(tuple),
    balance=st.sampled_from(["roundrobin", "first"]),
    health=st.builds(Health, st.none() | st.text(), st.none() | st.text()),
    send_proxy=st.booleans(),
)


@given(ingresses)
def test_what_a_fragment_was_made_from_is_read_back(ingress):
    note = ingress.encode()
    assert "\n" not in note
    assert Ingress.decode(["owner: urn:x", note]) == ingress


@pytest.mark.parametrize(
    "damage", ["", "ingress: ", "ingress: 7", "ingress: {}", 'ingress: {"address": 1}']
)
def test_what_is_damaged_is_not_guessed(damage):
    assert Ingress.decode([damage]) is None


def test_a_fragment_says_where_for_which_names_and_who():
    text = haproxy.fragment("shop", SHOP, "urn:shop")
    lines = text.splitlines()
    assert lines[:2] == ["# owner: urn:shop", "# ports: tcp 192.0.2.100 80 80"]
    assert lines[3:] == [
        "listen 192.0.2.100:80 http plain",
        "route shop.example.org a use_backend shop if { req.hdr(host),field(1,:) -i shop.example.org }",
        "    mode http",
        "    balance roundrobin",
        "    option forwardfor",
        "    http-request set-header X-Forwarded-Proto http",
        "    default-server inter 5s fall 3 rise 2",
        "    server web:8080 10.10.0.5:8080 weight 1 check",
        "    server 10.10.0.9:81 10.10.0.9:81 weight 0",
    ]
    files = {"etc/haproxy.d/shop": text, "etc/haproxy.d/.unloaded": ""}
    notes = haproxy.read(files)
    assert list(notes) == ["shop"]
    assert Ingress.decode(notes["shop"]) == SHOP


def test_names_are_asked_where_they_can_be_seen():
    def asked(**more):
        (line,) = haproxy.routes("x", replace(SHOP, **more))
        return line.partition("if ")[2]

    assert asked(mode="tcp") == "{ req.ssl_sni -i shop.example.org }"
    assert asked(mode="tcp", tls=TLS) == "{ ssl_fc_sni -i shop.example.org }"
    assert asked(hostnames=("*.example.org",)).endswith("-i -m end .example.org }")
    assert haproxy.routes("x", replace(SHOP, hostnames=())) == ["default_backend x"]


def test_exact_names_go_first_then_longer_wildcards_then_the_rest():
    hostnames = ("*.example.org", "z.example.org", "*.a.example.org")
    text = haproxy.fragment("x", replace(SHOP, hostnames=hostnames), "")
    text += haproxy.fragment("y", replace(SHOP, hostnames=()), "")
    found = sorted(line.split()[2::-1][:2] for line in text.splitlines() if line.startswith("route"))
    assert [host for _, host in found] == ["z.example.org", "*.a.example.org", "*.example.org", "-"]


def test_checks_by_http_say_what_is_right():
    health = Health("/ok", "x.example.org", "200,204", 2, 1, 1)
    lines = haproxy.backend(replace(SHOP, health=health, mode="tcp", send_proxy=True))
    assert lines == [
        "mode tcp",
        "balance roundrobin",
        "option httpchk",
        "http-check send meth GET uri /ok ver HTTP/1.1 hdr Host x.example.org",
        "http-check expect status 200,204",
        "default-server inter 2s fall 1 rise 1",
        "server web:8080 10.10.0.5:8080 weight 1 check send-proxy-v2",
        "server 10.10.0.9:81 10.10.0.9:81 weight 0 send-proxy-v2",
    ]


def test_a_certificate_is_a_file_named_after_its_content():
    secure = replace(SHOP, tls=TLS)
    assert f"certificate shop-{TLS.file} shop.example.org" in haproxy.fragment("shop", secure, "")
    assert TLS.file != replace(TLS, key_digest="00fe").file
    assert "X-Forwarded-Proto https" in haproxy.fragment("shop", secure, "")


def test_what_the_configuration_lacks_is_told():
    lines = "\n".join([*haproxy.routes("shop", SHOP), *haproxy.backend(SHOP)[:-1]])
    files = {OMNIOS.haproxy.config.lstrip("/"): lines}
    (lacking,) = haproxy.missing(OMNIOS.haproxy, "shop", SHOP, files)
    assert "server 10.10.0.9:81" in lacking
    assert len(haproxy.missing(OMNIOS.haproxy, "shop", SHOP, {})) == 8
    (unloaded,) = haproxy.missing(
        OMNIOS.haproxy,
        "shop",
        replace(SHOP, servers=SHOP.servers[:1]),
        files | {haproxy.UNLOADED: ""},
    )
    assert "not loaded" in unloaded


@pytest.mark.parametrize("distribution", [OMNIOS, TRIBBLIX, OPENINDIANA], ids=lambda d: d.name)
def test_the_package_is_installed_inside_the_zone(distribution):
    package = distribution.haproxy
    command = haproxy_service.install("gw", package, distribution.install_package(package.package))
    words = command.argv[4:]
    assert words[:4] == ("gw", "/usr/sbin/zlogin", "-S", "gw")
    assert words[5:9] == ("-s", "--", package.program, package.package)
    assert words[-1] == package.package
