"""Pulumi stacks for tests: the real engine, its state in a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class PulumiFailed(AssertionError):
    """pulumi ended with another exit status than 0.

    Attributes:
        output: everything that it printed.
    """

    def __init__(self, arguments: tuple[str, ...], output: str) -> None:
        super().__init__(f"pulumi {' '.join(arguments)} failed:\n{output}")
        self.output = output


class Stack:
    """One stack of one program.

    Args:
        directory: an empty folder for program and state.
        config: settings such as ``illumos:host``.
    """

    def __init__(self, directory: Path, config: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.program = directory / "program"
        self.config = dict(config)
        state = directory / "state"
        state.mkdir(parents=True)
        self.environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(directory / "home"),
            **environment,
        }
        self._begun = False

    def example(self, name: str) -> Stack:
        """Use one of the examples as the program."""
        shutil.copytree(ROOT / "examples" / name, self.program)
        return self

    def write(self, resources: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> Stack:
        """Write (or rewrite) the program: a YAML program of resources given as data."""
        self.program.mkdir(exist_ok=True)
        program = {"name": "test", "runtime": "yaml", "resources": resources, "outputs": outputs or {}}
        (self.program / "Pulumi.yaml").write_text(json.dumps(program, indent=2))
        return self

    def run(self, *arguments: str) -> str:
        """Run pulumi and return what it printed. Raises PulumiFailed."""
        if not self._begun:
            self._begun = True
            self.run("stack", "init", "test")
            for name, value in self.config.items():
                self.run("config", "set", name, value)
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.program,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0:
            raise PulumiFailed(arguments, done.stdout)
        return done.stdout

    def up(self, *arguments: str) -> str:
        return self.run("up", "--yes", "--skip-preview", "--diff", *arguments)

    def preview(self, *arguments: str) -> str:
        return self.run("preview", "--diff", *arguments)

    def refresh(self, *arguments: str) -> str:
        return self.run("refresh", "--yes", "--skip-preview", "--diff", *arguments)

    def destroy(self) -> str:
        return self.run("destroy", "--yes", "--skip-preview")

    def expect_no_change(self) -> None:
        """Neither a preview nor a refresh finds a difference."""
        self.preview("--expect-no-changes")
        self.refresh("--expect-no-changes")

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state's resources of ours, by Pulumi name."""
        deployment = json.loads(self.run("stack", "export"))["deployment"]
        return {
            resource["urn"].rsplit("::", 1)[-1]: resource
            for resource in deployment.get("resources") or []
            if not resource["type"].startswith("pulumi:p") and resource["type"] != "pulumi:pulumi:Stack"
        }

    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self.run("stack", "output", "--json")))
