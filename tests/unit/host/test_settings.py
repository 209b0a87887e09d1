"""A host is written as for ssh."""

import pytest

from pulumi_illumos_provider.host import ConnectionSettings
from pulumi_illumos_provider.host.settings import Destination, parse_destination


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gz", Destination("gz")),
        ("gz-1.example.net", Destination("gz-1.example.net")),
        ("root@gz", Destination("gz", "root")),
        ("root@gz:2222", Destination("gz", "root", 2222)),
        ("192.0.2.11", Destination("192.0.2.11")),
        ("192.0.2.11:22", Destination("192.0.2.11", None, 22)),
        ("[2001:db8::1]:22", Destination("2001:db8::1", None, 22)),
        ("me@[fe80::1%net0]", Destination("fe80::1%net0", "me")),
        ("2001:db8::1", Destination("2001:db8::1")),
        ("ssh://root@gz:22", Destination("gz", "root", 22)),
        ("ssh://gz/", Destination("gz")),
    ],
)
def test_a_destination_is_read(text, expected):
    assert parse_destination(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a b", "a:b", "@gz", "gz:", "a/b", "gz:0", "gz:65536", "-oProxyCommand=x", "[gz]:1", "a@b@c"],
)
def test_what_is_no_destination_is_refused(text):
    with pytest.raises(ValueError, match="is no host"):
        parse_destination(text)


def test_settings_for_another_host_keep_what_it_does_not_say():
    settings = ConnectionSettings("gz", user="me", port=7, ssh_config="/c").at("other")
    assert (settings.host, settings.user, settings.port, settings.ssh_config) == ("other", "me", 7, "/c")
    assert settings.at("you@third:8").user == "you"


def test_secrets_are_not_shown():
    shown = repr(ConnectionSettings("gz", private_key="KEY", private_key_passphrase="PASS"))
    assert "KEY" not in shown
    assert "PASS" not in shown
