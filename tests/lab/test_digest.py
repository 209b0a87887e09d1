"""digest(1)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fakes import fake_host

DIGEST = "/usr/bin/digest"
SHA256 = hashlib.sha256(b"hello\n").hexdigest()


@pytest.fixture
def host(tmp_path: Path) -> Any:
    made = fake_host(tmp_path)
    for name in ("a", "b"):
        file = made.root / "tmp" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("hello\n")
    return made


def test_one_file_has_its_digest_alone_on_a_line(host: Any) -> None:
    assert host.run(DIGEST, "-a", "sha256", "/tmp/a") == (0, f"{SHA256}\n", "")


def test_several_files_are_named(host: Any) -> None:
    done = host.run(DIGEST, "-a", "sha256", "/tmp/a", "/tmp/b")
    assert done == (0, f"(/tmp/a) = {SHA256}\n(/tmp/b) = {SHA256}\n", "")


def test_more_is_told_when_asked(host: Any) -> None:
    md5 = hashlib.md5(b"hello\n", usedforsecurity=False).hexdigest()
    assert host.run(DIGEST, "-v", "-a", "md5", "/tmp/a") == (0, f"md5 (/tmp/a) = {md5}\n", "")


def test_the_standard_input_is_read_without_a_file(host: Any) -> None:
    assert host.run(DIGEST, "-a", "sha256", stdin="hello\n") == (0, f"{SHA256}\n", "")


def test_a_missing_file_leaves_the_others(host: Any) -> None:
    done = host.run(DIGEST, "-a", "sha256", "/tmp/none", "/tmp/b")
    assert (done.exit, done.stdout) == (1, f"(/tmp/b) = {SHA256}\n")
    assert "/tmp/none" in done.stderr


def test_algorithms_are_listed(host: Any) -> None:
    assert "sha256" in host.run(DIGEST, "-l").stdout.splitlines()


@pytest.mark.parametrize("argv", [[], ["/tmp/a"], ["-a", "rot13", "/tmp/a"], ["-x"]])
def test_wrong_usage(host: Any, argv: list[str]) -> None:
    done = host.run(DIGEST, *argv)
    assert (done.exit, done.stdout) == (2, "")
    assert done.stderr.startswith(("digest: ", "usage: "))
