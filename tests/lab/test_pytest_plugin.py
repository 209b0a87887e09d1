"""The pytest plugin as a user of the lab has it."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = 'pytest_plugins = ["illumos_lab.pytest_plugin"]\n'


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with the plugin and nothing else."""
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def test_every_test_has_hosts_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import subprocess
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_fresh(illumos_host, turn):
            illumos_host.run("dladm create-etherstub lan0").check()
            assert illumos_host.ssh("dladm show-etherstub").stdout == "LINK\\nlan0\\n"

        @pytest.mark.illumos(profile="tribblix", hosts=["north", "south"])
        def test_two(illumos_lab):
            assert list(illumos_lab.hosts) == ["north", "south"]
            command = ["ssh", "-F", str(illumos_lab.ssh_config), "south", "uname", "-n", "-v"]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.stdout == "south tribblix-m38\\n"
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_the_distribution_can_be_chosen_for_all(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(illumos_host):
            assert "OpenIndiana" in illumos_host.run("cat /etc/release").stdout
        """
    )
    project.runpytest_subprocess("--illumos-profile=openindiana").assert_outcomes(passed=1)
    project.runpytest_subprocess("-o", "illumos_profile=openindiana").assert_outcomes(passed=1)


def test_a_failure_shows_what_the_host_ran(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(illumos_host):
            illumos_host.ssh("dladm delete-vnic nope0").check()
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*invalid link name 'nope0'*",
            "*commands of illumos host gz1*",
            "*[[]global] /*sbin/dladm delete-vnic nope0 -> 1",
        ]
    )


def test_faults_make_a_program_fail_as_a_real_host_may(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(illumos_host):
            illumos_host.fault("dladm create-vnic", status=1, stderr="dladm: link busy\\n")
            assert illumos_host.ssh("dladm create-vnic -l e1000g0 a0").stderr == "dladm: link busy\\n"
            illumos_host.ssh("dladm create-vnic -l e1000g0 a0").check()
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
