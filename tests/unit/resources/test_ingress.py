"""Ingresses: what is planned, refused and read back."""

from __future__ import annotations

import pytest

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos.distribution import OMNIOS
from pulumi_illumos_provider.model.base import check
from tests.lab.certificates import server_certificate

from .hosts import INGRESS, OTHER, OWNER, PORT_FORWARD, FakeHost, plan, says, text_of

PACKAGE = OMNIOS.haproxy
CONFIG = PACKAGE.config.lstrip("/")
WEB_CONFIG = """\
create -b
set zonepath=/zones/web
set brand=lipkg
set ip-type=exclusive
add net
set physical="web_0"
set allowed-address="ADDRESS/24"
end
"""
SHOP = {
    "router": "gw",
    "name": "shop",
    "port": 80,
    "hostnames": ["shop.example.org"],
    "backends": [{"target": "web", "port": 8080}],
}


@pytest.fixture(scope="module")
def certificate():
    return server_certificate("shop.example.org")


@pytest.fixture(scope="module")
def tls(certificate):
    return {"certificate": certificate.chain, "key": certificate.key}


def host(files=None, web="10.9.1.5", state="running", service="online", live=None):
    """A router zone gw with one network, and zone web behind it."""
    fake = FakeHost().router(state, files=files, live=live, services={PACKAGE.fmri: service})
    return fake.zone("web", "running", WEB_CONFIG.replace("ADDRESS", web))


def after(steps, files=None):
    """The router's files when the steps have run: the configuration has all lines, in another order."""
    files = dict(files or {})
    for step in steps:
        if "making ingress" in step.say:
            text = step.run.stdin.partition("\n-----BEGIN")[0] + "\n"
            files[f"etc/haproxy.d/{step.run.argv[6]}"] = text
            lines = [
                line.split(" ", 3)[-1] if line.startswith("route") else line for line in text.split("\n")
            ]
            files[CONFIG] = files.get(CONFIG, "") + "\n".join(lines)
        elif "filter" in step.say:
            files[f"etc/ipf/ipf.d/{step.run.argv[6]}"] = step.run.stdin
    return files


def with_ingresses(*inputs, owner=OWNER):
    files: dict[str, str] = {}
    for raw in inputs:
        files = after(plan(INGRESS, raw, host(files), owner), files)
    return files


def read(files, **more):
    return INGRESS.read("gz", "gw/shop", host(files, **more).snapshot())


def differences(raw, state):
    return [d.property for d in INGRESS.differences(INGRESS.inputs.model_validate(raw), state)]


@pytest.mark.parametrize(
    ("said", "forged"),
    [
        ('"mode": "http"', '"mode": "gopher"'),
        ('["shop.example.org"]', "[7]"),
        ('"interval": 5', '"interval": 0'),
        ('"port": 8080', '"port": [8080]'),
        ('"tls": null', '"tls": {"chain": "none", "key_digest": ""}'),
    ],
)
def test_a_fragment_that_the_zone_has_damaged_is_none(said, forged):
    files = with_ingresses(SHOP)
    assert read(files).port == 80
    text = files["etc/haproxy.d/shop"]
    assert said in text
    assert read(files | {"etc/haproxy.d/shop": text.replace(said, forged)}) is None


# Planning ----------------------------------------------------------------------------------------


def test_haproxy_is_installed_configured_and_let_through_the_filter():
    steps = plan(INGRESS, SHOP, host())
    assert says(steps) == [
        "installing package ooce/server/haproxy in zone gw",
        "making ingress shop in router zone gw",
        "letting the filter pass ingress shop in router zone gw",
    ]
    assert "    server web:8080 10.9.1.5:8080 weight 1 check" in steps[1].run.stdin.splitlines()
    assert [line for line in steps[2].run.stdin.splitlines() if not line.startswith("#")] == [
        f"pass in quick on {link} proto tcp from any to 192.0.2.100/32 port = 80 flags S/SA keep state"
        for link in ("gw_0", "gw_1")
    ]


def test_a_key_travels_on_the_standard_input_alone(tls, certificate):
    steps = plan(INGRESS, SHOP | {"tls": tls}, host())
    secret = certificate.key.splitlines()[1]
    assert secret in steps[1].run.stdin
    assert secret not in text_of(steps).replace(steps[1].run.stdin, "")
    # What stays on the host for everybody to read ends before the certificate begins.
    assert secret not in steps[1].run.stdin.partition("\n-----BEGIN CERTIFICATE")[0]
    assert secret not in read(after(steps)).model_dump_json()


def test_a_certificate_for_other_names_is_told_of(tls):
    wanted = INGRESS.inputs.model_validate(SHOP | {"tls": tls, "hostnames": ["a.example.org"]})
    (warning,) = INGRESS.plan(wanted, host().snapshot(), OWNER, None).warnings
    assert "is not for a.example.org" in warning


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "property", "words"),
    [
        ({"router": "nowhere"}, "router", "there is no router zone nowhere"),
        ({"address": "192.0.2.7"}, "address", "does not have 192.0.2.7"),
        ({"backends": [{"target": "10.8.1.2", "port": 1}]}, "backends[0].target", "in no network of"),
        ({"backends": [{"target": "missing", "port": 1}]}, "backends[0].target", "no zone missing"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_done(more, property, words):
    with pytest.raises(Refused, match=words) as refusal:
        plan(INGRESS, SHOP | more, host())
    assert refusal.value.property == property


def test_a_router_that_does_not_run_is_refused():
    with pytest.raises(Refused, match="gw does not run: start it"):
        plan(INGRESS, SHOP, host(state="installed"))


@pytest.mark.parametrize(
    ("more", "property"),
    [
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"hostnames": ["a b"]}, "hostnames[0]"),
        ({"hostnames": ["a.*.b"]}, "hostnames[0]"),
        ({"hostnames": ["-a.example"]}, "hostnames[0]"),
        ({"hostnames": ["10.1.2.3"]}, "hostnames[0]"),
        ({"hostnames": ["a.example", "A.example."]}, "hostnames[1]"),
        ({"backends": []}, "backends"),
        ({"backends": [{"target": "web", "port": 1}] * 2}, "backends[1]"),
        ({"backends": [{"target": "web", "port": 1, "weight": 257}]}, "backends[0].weight"),
        ({"mode": "udp"}, "mode"),
        ({"balance": "fair"}, "balance"),
        ({"healthCheck": {"path": "/a b"}}, "healthCheck.path"),
        ({"healthCheck": {"path": "/ok", "expect": "fine"}}, "healthCheck.expect"),
        ({"healthCheck": {"expect": 204}}, "healthCheck.path"),
        ({"name": "../x"}, "name"),
    ],
)
def test_what_is_no_ingress_is_refused_without_a_host(more, property):
    _, failures = check(INGRESS.inputs, SHOP | more)
    assert [failure.property for failure in failures] == [property]


def test_a_key_must_be_that_of_the_certificate(tls):
    other = server_certificate("shop.example.org").key
    for wrong, property in (
        ({"key": other}, "tls.key"),
        ({"key": "secret"}, "tls.key"),
        ({"certificate": "no"}, "tls.certificate"),
    ):
        _, failures = check(INGRESS.inputs, SHOP | {"tls": tls | wrong})
        assert [failure.property for failure in failures] == [property]
        assert not any(word in failures[0].reason for word in ("secret", *other.splitlines()[1:2]))


def test_only_ingresses_of_one_mode_with_other_names_share_a_port(tls):
    def claims(kind=INGRESS, **more):
        return kind.claims(kind.inputs.model_validate(SHOP | more))

    def conflict(others, **more):
        return any(one.conflicts(other) for one in claims(**more) for other in others)

    assert conflict(claims(hostnames=["SHOP.example.org", "b.example.org"]))
    assert not conflict(claims(hostnames=["b.example.org"]))
    assert not conflict(claims(hostnames=[]))
    assert conflict(claims(hostnames=[]), hostnames=[])
    assert not conflict(claims(port=81))
    assert not conflict(claims(router="gw2"))
    assert conflict(claims(hostnames=["b.example.org"], mode="tcp"))
    assert conflict(claims(hostnames=["b.example.org"], tls=tls))
    forward = {"router": "gw", "name": "f", "publicPort": "70-90", "target": "web"}
    assert conflict(PORT_FORWARD.claims(PORT_FORWARD.inputs.model_validate(forward)))


@pytest.mark.parametrize(
    ("theirs", "more", "property", "words"),
    [
        ({}, {}, "hostnames", "shop.example.org on port 80 of 192.0.2.100 is taken by .*::other"),
        ({"hostnames": []}, {"hostnames": []}, "hostnames", "whatever no ingress .*::other"),
        ({"mode": "tcp", "hostnames": []}, {}, "mode", "in mode tcp for .*::other"),
    ],
)
def test_what_another_stack_has_is_refused_naming_it(theirs, more, property, words):
    files = with_ingresses(SHOP | theirs | {"name": "theirs"}, owner=OTHER)
    with pytest.raises(Refused, match=words) as refusal:
        plan(INGRESS, SHOP | more, host(files))
    assert refusal.value.property == property


def test_a_port_with_tls_is_not_shared_with_one_without(tls):
    files = with_ingresses(SHOP | {"tls": tls, "name": "theirs", "hostnames": []}, owner=OTHER)
    with pytest.raises(Refused, match=r"with TLS for .*::other") as refusal:
        plan(INGRESS, SHOP, host(files))
    assert refusal.value.property == "tls"


def test_other_names_of_the_same_port_are_no_conflict():
    plan(INGRESS, SHOP, host(with_ingresses(SHOP | {"name": "theirs", "hostnames": []}, owner=OTHER)))


def test_a_port_that_is_forwarded_is_refused():
    files = {"etc/ipf/ipnat.d/50-forward-x": "# owner: urn:x\n# ports: tcp 192.0.2.100 70 90\n"}
    with pytest.raises(Refused, match=r"tcp port 80 of 192.0.2.100 is forwarded by urn:x"):
        plan(INGRESS, SHOP, host(files))
    plan(INGRESS, SHOP | {"port": 91}, host(files))


def test_a_port_of_an_ingress_is_not_forwarded():
    forward = {"router": "gw", "name": "f", "publicPort": 80, "target": "web"}
    with pytest.raises(Refused, match=r"tcp port 80 .* is taken by"):
        plan(PORT_FORWARD, forward, host(with_ingresses(SHOP)))


def test_an_ingress_of_another_resource_is_refused():
    with pytest.raises(Refused, match="pulumi import illumos:index:Ingress NAME HOST/gw/shop"):
        plan(INGRESS, SHOP, host(with_ingresses(SHOP, owner=OTHER)))


# Reading -----------------------------------------------------------------------------------------

FULL = SHOP | {
    "port": 8443,
    "hostnames": ["*.shop.example.org", "shop.example.org"],
    "balance": "leastconn",
    "sendProxy": True,
    "healthCheck": {"path": "/healthz", "hostname": "x.example.org", "expect": "204", "interval": 2},
    "backends": [
        {"target": "web", "port": 8080, "weight": 5},
        {"target": "10.9.1.7", "port": 8080, "check": False},
    ],
}


def test_what_was_made_is_read_back_and_spelled_as_it_was_written():
    state = read(with_ingresses(FULL))
    assert state.deviations == []
    assert differences(FULL, state) == []
    assert state.url == "http://shop.example.org:8443/"
    assert [str(backend.address) for backend in state.backends] == ["10.9.1.5", "10.9.1.7"]
    assert INGRESS.spell(state) == FULL
    assert INGRESS.spell(read(with_ingresses(SHOP))) == SHOP
    tcp = SHOP | {"mode": "tcp", "hostnames": []}
    assert read(with_ingresses(tcp)).url is None


def test_order_and_spelling_of_names_mean_nothing(tls):
    state = read(with_ingresses(FULL | {"tls": tls}))
    spelled_otherwise = {
        "hostnames": ["*.Shop.example.org", "shop.example.org."],
        "router": "gz/gw",
        "tls": {"certificate": f"\n{tls['certificate']}", "key": f"{tls['key']}\n"},
    }
    assert differences(FULL | spelled_otherwise, state) == []
    assert state.url == "https://shop.example.org:8443/"
    assert len(state.certificate_info.fingerprint) == 95
    assert state.certificate_info.names == ["shop.example.org"]


@pytest.mark.parametrize("field", ["port", "mode", "hostnames", "balance", "healthCheck", "sendProxy"])
def test_each_change_is_seen(field):
    assert differences(
        SHOP
        | {"port": 81}
        | {
            field: {
                "port": 82,
                "mode": "tcp",
                "hostnames": ["b.example.org"],
                "balance": "first",
                "healthCheck": {"interval": 9},
                "sendProxy": True,
            }[field]
        },
        read(with_ingresses(SHOP | {"port": 81})),
    ) == [field]


def test_another_key_is_a_change(tls):
    state = read(with_ingresses(SHOP | {"tls": tls}))
    other = server_certificate("shop.example.org")
    assert differences(SHOP | {"tls": {"certificate": other.chain, "key": other.key}}, state) == ["tls"]
    assert differences(SHOP, state) == ["tls"]
    # A key is never read back: an import asks for it.
    assert INGRESS.spell(state)["tls"] == {"certificate": tls["certificate"]}


def test_a_backend_follows_its_zone():
    files = with_ingresses(SHOP)
    state = read(files, web="10.9.1.6")
    assert state.backends[0].target == "10.9.1.5"
    assert differences(SHOP, state) == ["backends"]
    steps = plan(INGRESS, SHOP, host(files, web="10.9.1.6"))
    assert "server web:8080 10.9.1.6:8080" in steps[1].run.stdin


def test_what_is_not_in_force_is_told():
    files = with_ingresses(SHOP)
    edited = files | {CONFIG: files[CONFIG].replace("use_backend", "# use_backend")}
    assert "use_backend shop if" in read(edited).deviations[0]
    assert read(files | {"etc/haproxy.d/.unloaded": ""}).deviations == [
        "/etc/opt/ooce/haproxy/haproxy.cfg was not loaded by haproxy"
    ]
    assert read(files, service="maintenance").deviations == [f"{PACKAGE.fmri} is maintenance"]
    assert read(files, service="disabled", state="installed").deviations == []
    # Another ingress is being made at this moment.
    assert read(files, service="offline").deviations == []
    unfiltered = {path: text for path, text in files.items() if "ipf.d" not in path}
    assert len(read(unfiltered).deviations) == 2
    assert differences(SHOP, read(edited)) == ["deviations"]


def test_a_damaged_fragment_is_not_imported():
    damaged = {"etc/haproxy.d/shop": "# owner: urn:x\n# ingress: {}\n"}
    assert read(damaged) is None
    with pytest.raises(Refused, match="is damaged: remove it"):
        INGRESS.importable("gw/shop", host(damaged).snapshot())
    INGRESS.importable("gw/shop", host(with_ingresses(SHOP)).snapshot())


# Deleting ----------------------------------------------------------------------------------------


def test_with_its_router_an_ingress_is_gone():
    state = read(with_ingresses(SHOP))
    assert len(INGRESS.plan_delete("gw/shop", host().snapshot(), state).steps) == 2
    assert INGRESS.plan_delete("gw/shop", FakeHost().snapshot(), state).steps == ()
