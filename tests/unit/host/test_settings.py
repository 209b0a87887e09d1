"""A host is written as for ssh."""

import pytest

from pulumi_illumos_provider.host import ConnectionSettings


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("gz", None, "gz", None),
        ("gz.example.net", None, "gz.example.net", None),
        ("root@gz", "root", "gz", None),
        ("root@gz:2222", "root", "gz", 2222),
        ("192.0.2.11", None, "192.0.2.11", None),
        ("[2001:db8::1]:22", None, "2001:db8::1", 22),
        ("ssh://root@gz:22", "root", "gz", 22),
    ],
)
def test_a_destination_is_read(text, user, host, port):
    settings = ConnectionSettings("").at(text)
    assert (settings.user, settings.host, settings.port) == (user, host, port)


@pytest.mark.parametrize("text", ["", "a b", "a:b", "@gz", "gz:", "a/b"])
def test_what_is_no_destination_is_refused(text):
    with pytest.raises(ValueError, match="is no host"):
        ConnectionSettings("").at(text)


def test_other_settings_stay():
    settings = ConnectionSettings("gz", user="me", ssh_config="/c").at("other")
    assert (settings.user, settings.ssh_config) == ("me", "/c")


def test_secrets_are_not_shown():
    shown = repr(ConnectionSettings("gz", private_key="KEY", private_key_passphrase="PASS"))
    assert "KEY" not in shown
    assert "PASS" not in shown
