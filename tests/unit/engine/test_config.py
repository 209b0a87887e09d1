"""The provider's own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_illumos_provider.engine.config import (
    ENVIRONMENT,
    Configuration,
    changed_settings,
    check_config,
    replaces_provider,
)
from pulumi_illumos_provider.engine.connecting import settings
from pulumi_illumos_provider.engine.properties import Bag
from pulumi_illumos_provider.errors import Failure, Refused
from pulumi_illumos_provider.host import Elevate

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n"


def configuration(**given: object) -> Configuration:
    checked = check_config(Bag(dict(given)), {})
    assert checked.failures == ()
    assert checked.configuration is not None
    return checked.configuration


def test_every_setting_has_an_environment_variable() -> None:
    names = [Configuration.property_name(field) for field in Configuration.model_fields]
    assert list(ENVIRONMENT) == names


def test_numbers_may_come_as_strings_from_the_engine() -> None:
    found = configuration(port="2222", connectTimeout="2.5")
    assert (found.port, found.connect_timeout) == (2222, 2.5)


def test_all_settings_can_come_from_the_environment() -> None:
    environment = {
        "ILLUMOS_HOST": "gz1",
        "ILLUMOS_USER": "admin",
        "ILLUMOS_PORT": "2222",
        "ILLUMOS_PRIVATE_KEY": KEY,
        "ILLUMOS_PRIVATE_KEY_PASSPHRASE": "secret",
        "ILLUMOS_HOST_KEY": "ssh-ed25519 AAAA",
        "ILLUMOS_CONNECT_TIMEOUT": "5",
        "ILLUMOS_ELEVATE": "pfexec",
        "ILLUMOS_SSH_CONFIG": "/etc/ssh/other",
    }
    found = check_config(Bag(), environment).configuration
    assert found is not None
    way = settings(found)
    assert (way.host, way.user, way.port, way.private_key) == ("gz1", "admin", 2222, KEY)
    assert (way.private_key_passphrase, way.host_key) == ("secret", "ssh-ed25519 AAAA")
    assert (way.connect_timeout, way.elevate, way.ssh_config) == (5, Elevate.PFEXEC, "/etc/ssh/other")


def test_what_the_program_says_wins_over_the_environment() -> None:
    found = check_config(Bag({"host": "gz2"}), {"ILLUMOS_HOST": "gz1"}).configuration
    assert found is not None
    assert found.host == "gz2"


def test_an_unknown_setting_is_not_taken_from_the_environment() -> None:
    checked = check_config(Bag({}, frozenset({"host"})), {"ILLUMOS_HOST": "gz1"})
    assert (checked.configuration, checked.failures) == (None, ())


def test_an_empty_environment_variable_is_none() -> None:
    found = check_config(Bag(), {"ILLUMOS_PORT": ""}).configuration
    assert found is not None
    assert found.port is None


def test_all_failures_are_told_at_once_with_their_paths() -> None:
    bag = Bag({"port": 70000, "elevate": "doas", "hots": "gz1", "connectTimeout": True, "host": "a b"})
    checked = check_config(bag, {})
    assert checked.configuration is None
    assert {failure.property for failure in checked.failures} == {
        "port",
        "elevate",
        "hots",
        "connectTimeout",
        "host",
    }
    reasons = {failure.property: failure.reason for failure in checked.failures}
    assert "did you mean host?" in reasons["hots"]
    assert "'none', 'pfexec' or 'sudo'" in reasons["elevate"]
    assert "must be a number" in reasons["connectTimeout"]


def test_a_boolean_is_no_way_to_say_elevate() -> None:
    assert check_config(Bag({"elevate": False}), {}).failures[0].property == "elevate"


def test_a_failure_names_the_environment_variable_that_it_comes_from() -> None:
    (failure,) = check_config(Bag(), {"ILLUMOS_PORT": "many"}).failures
    assert failure == Failure(
        "port", "'many' must be a number (it comes from the environment variable ILLUMOS_PORT)"
    )


def test_what_the_engine_keeps_among_the_inputs_is_not_judged() -> None:
    configuration(version="1.2.3", pluginDownloadURL="https://example.net", __internal={"a": 1})


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ({"port": 22}, {"port": "22"}, []),
        ({"port": 22}, {}, ["port"]),
        ({}, {"user": "me", "host": "gz1"}, ["host", "user"]),
        ({"privateKey": "a"}, {"privateKey": "b"}, ["privateKey"]),
    ],
)
def test_changed_settings(old: dict[str, object], new: dict[str, object], changed: list[str]) -> None:
    assert changed_settings(Bag(old), Bag(new)) == changed


def test_only_another_host_makes_another_provider() -> None:
    one, two = Bag({"host": "gz1", "user": "a"}), Bag({"host": "gz2", "user": "b"})
    assert replaces_provider("host", one, two)
    assert not replaces_provider("user", one, two)
    assert not replaces_provider("host", Bag(), two)
    assert not replaces_provider("host", one, Bag({}, frozenset({"host"})))


def test_a_host_may_be_written_as_for_ssh() -> None:
    way = settings(configuration(host="root@gz1.example.net:2200", user="other"))
    assert (way.host, way.user, way.port) == ("gz1.example.net", "root", 2200)


def test_a_private_key_may_be_the_path_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "id").write_text(KEY)
    assert settings(configuration(privateKey=str(tmp_path / "id"))).private_key == KEY


def test_a_private_key_that_is_neither_text_nor_file_is_refused_without_showing_it() -> None:
    with pytest.raises(Refused) as caught:
        settings(configuration(privateKey="hunter2hunter2"))
    assert "hunter2" not in str(caught.value)
    assert "privateKey" in str(caught.value)
