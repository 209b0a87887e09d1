"""One function quotes, and every shell agrees with it."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_illumos_provider.host.quoting import SHOWN_LIMIT, command_line, feed, quote, shown

SHELLS = [shell for shell in ("sh", "dash", "bash", "ksh93", "busybox", "mksh") if shutil.which(shell)]
SPECIAL = st.text("'\"`$\\!{}[]()<>|&;*?~#%=- \t\n\r\x01\x7fé€😀a1", max_size=40)
TEXTS = SPECIAL | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


def run(shell, script):
    """What a shell that reads a script from its standard input prints."""
    argv = [shell, "sh", "-s"] if shell == "busybox" else [shell, "-s"]
    done = subprocess.run(
        argv,
        input=script.encode(),
        capture_output=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    assert done.stderr == b""
    return done.stdout


@settings(max_examples=20, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_any_words_arrive_unchanged_in_every_shell(words):
    script = "printf '%s\\0' " + " ".join(quote(word) for word in words) + "\n"
    for shell in SHELLS:
        assert run(shell, script) == "".join(f"{word}\0" for word in words).encode()


@settings(max_examples=20, deadline=None)
@given(TEXTS.filter(bool))
def test_any_input_arrives_unchanged_in_every_shell(text):
    for shell in SHELLS:
        assert run(shell, f"{feed(text)} | /bin/cat\n") == text.encode()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("text", ["x" * 1_000_000, "'$\\`é\n" * 50_000, "last line without end\nno"])
def test_long_input_arrives_unchanged(shell, text):
    assert run(shell, f"{feed(text)} | /bin/cat\n") == text.encode()


def test_two_levels_of_quoting_do_not_disturb_each_other():
    value = "it's 2 o'clock; $HOME"
    inner = command_line(("/bin/echo", value))
    for shell in SHELLS:
        assert run(shell, command_line(("/bin/sh", "-c", inner)) + "\n") == f"{value}\n".encode()


def test_what_no_argument_can_carry_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")
    with pytest.raises(ValueError, match="NUL"):
        feed("a\0b")
    with pytest.raises(ValueError, match="surrogate"):
        quote("\udc80")


@pytest.mark.parametrize("argv", [(), ("",), ("echo", "a"), ("if",)])
def test_a_program_must_be_an_absolute_path(argv):
    with pytest.raises(ValueError, match="absolute path"):
        command_line(argv)


def test_a_command_is_shown_on_one_line_and_quoted_only_where_needed():
    assert shown(("/usr/sbin/dladm", "create-vnic", "-l", "lan0", "it's")) == (
        "/usr/sbin/dladm create-vnic -l lan0 'it'\\''s'"
    )
    assert (
        shown(("/bin/sh", "-c", "\nif a\nthen  b\nfi\n", "sh", "x")) == "/bin/sh -c 'if a then b fi' sh x"
    )


def test_a_long_command_is_cut():
    line = shown(("/bin/echo", "x" * 1000))
    assert len(line) == SHOWN_LIMIT
    assert line.endswith("...")


def test_a_long_script_is_not_shown_and_its_arguments_are():
    script = "cd /\n" * 30
    assert shown(("/bin/sh", "-c", script, "sh", "gw")) == "/bin/sh -c '(a script of 30 lines)' sh gw"
