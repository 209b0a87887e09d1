"""Scripts and their answers, through the shells that hosts have."""

import shutil
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_illumos_provider.host import script
from pulumi_illumos_provider.host.quoting import quote
from pulumi_illumos_provider.plan import Command, Step, sh

SHELLS = [shell for shell in ("dash", "bash", "ksh93") if shutil.which(shell)]
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@pytest.fixture(params=SHELLS)
def shell(request):
    return request.param


def answers(shell, text, marker):
    """Frames and outputs of a script that a shell read from its standard input."""
    done = subprocess.run([shell, "-s"], input=text.encode(), capture_output=True, timeout=60, check=False)
    out, err = script.Unframer(marker), script.Unframer(marker)
    frames = list(out.feed(done.stdout.decode(errors="replace")))
    list(err.feed(done.stderr.decode(errors="replace")))
    return frames, out.output, err.output


def read(shell, **probes):
    marker = script.new_marker()
    frames, out, err = answers(shell, script.reading(probes, marker, 30), marker)
    assert frames[-1].word == "bye"
    statuses = {frame.numbers[0]: int(frame.numbers[1]) for frame in frames if frame.word == "end"}
    return [(statuses[str(n)], out[str(n)], err[str(n)]) for n in range(len(probes))]


def apply(shell, *steps):
    marker = script.new_marker()
    frames, out, _ = answers(shell, script.applying(steps, marker), marker)
    return [(f.word, *f.numbers) for f in frames if f.word in ("start", "skip", "finish", "bye")], out


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_any_value_survives_quoting_in_every_shell(values):
    for shell in SHELLS:
        line = "printf '%s\\0' " + " ".join(quote(value) for value in values)
        done = subprocess.run([shell, "-c", line], capture_output=True, check=True)
        assert done.stdout == "".join(f"{value}\0" for value in values).encode()


def test_a_nul_character_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")


@settings(max_examples=15, deadline=None)
@given(texts, texts)
def test_input_and_arguments_arrive_byte_for_byte(text, argument):
    command = sh('cat; printf %s "$1"', argument, stdin=text)
    for shell in SHELLS:
        assert read(shell, a=command) == [(0, text + argument, "")]


def test_both_streams_and_the_status_are_told_apart(shell):
    found = read(shell, a=sh("echo out; echo err >&2; exit 3"), b=sh("printf 'no newline'"))
    assert found == [(3, "out\n", "err\n"), (0, "no newline", "")]


def test_a_command_cannot_eat_the_script(shell):
    assert read(shell, a=Command(("cat",)), b=sh("echo still here")) == [
        (0, "", ""),
        (0, "still here\n", ""),
    ]


def test_output_that_looks_like_a_frame_of_another_run_is_output(shell):
    other = script.new_marker()
    assert read(shell, a=sh('printf "\\n%s end 0 0\\n" "$1"', other)) == [(0, f"\n{other} end 0 0\n", "")]


def test_noise_before_the_script_is_ignored(shell):
    marker = script.new_marker()
    text = "echo Welcome; echo; echo :::\n" + script.reading({"a": sh("echo x")}, marker, 30)
    assert answers(shell, text, marker)[1] == {"0": "x\n"}


def test_a_step_that_is_done_is_skipped(shell, tmp_path):
    there = tmp_path / "there"
    step = Step("touching", sh('touch "$1"', str(there)), done=sh('[ -e "$1" ]', str(there)))
    assert apply(shell, step)[0] == [("start", "0"), ("finish", "0", "0"), ("bye",)]
    assert apply(shell, step)[0] == [("start", "0"), ("skip", "0"), ("bye",)]


def test_a_step_that_says_success_without_effect_fails(shell):
    frames, _ = apply(shell, Step("pretending", sh("echo done"), done=sh("false")))
    assert frames[-1] == ("finish", "0", str(script.NO_EFFECT))


def test_nothing_follows_a_failed_step(shell, tmp_path):
    after = tmp_path / "after"
    frames, out = apply(
        shell, Step("failing", sh("echo why; exit 7")), Step("after", sh('touch "$1"', str(after)))
    )
    assert frames == [("start", "0"), ("finish", "0", "7")]
    assert out["0"] == "why\n"
    assert not after.exists()


def test_a_step_is_tried_again_while_it_fails(shell, tmp_path):
    count = tmp_path / "count"
    command = sh('echo x >>"$1"; [ "$(wc -l <"$1")" -ge 3 ]', str(count))
    assert apply(shell, Step("trying", command, attempts=5, pause=0.01))[0][-1] == ("bye",)
    assert count.read_text() == "x\n" * 3
    count.unlink()
    assert apply(shell, Step("trying", command, attempts=2, pause=0.01))[0][-1] == ("finish", "0", "1")


def test_a_time_limit_ends_a_command_and_leaves_no_process(shell):
    began = time.monotonic()
    frames, _ = apply(shell, Step("sleeping", Command(("/bin/sleep", "41.25")), timeout=1))
    assert frames[-1][:2] == ("finish", "0")
    assert time.monotonic() - began < 20
    assert not subprocess.run(["pgrep", "-f", "sleep 41.25"], capture_output=True, check=False).stdout


def test_a_limit_that_is_not_reached_leaves_no_watchdog(shell):
    assert apply(shell, Step("quick", sh(":"), timeout=1234))[0][-1] == ("bye",)
    assert not subprocess.run(["pgrep", "-f", "sleep 1234"], capture_output=True, check=False).stdout


def test_the_environment_is_the_same_everywhere(shell):
    ((_, out, _),) = read(shell, a=sh('echo "$LC_ALL $PATH $(pwd) $(umask)"'))
    assert out.split() == ["C", "/usr/bin:/usr/sbin:/sbin:/bin", "/", "0022"]


@given(st.lists(st.sampled_from(["a", "\n", "@x", "\nb\n"]), max_size=20), st.integers(1, 7))
def test_a_stream_is_taken_apart_alike_however_it_arrives(parts, size):
    body = "".join(parts)
    stream = f"noise\n@m hello 0\n\n@m begin 0\n{body}\n@m end 0 0\n"
    unframer = script.Unframer("@m")
    for start in range(0, len(stream), size):
        list(unframer.feed(stream[start : start + size]))
    assert unframer.output == {"0": body}
