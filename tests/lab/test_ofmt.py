"""The output engine that dladm, ipadm and flowadm share."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from illumos_lab.invocation import Invocation
from illumos_lab.ofmt import OfmtError, Output, escape, fields, split_line

COLUMNS = fields(("NAME", 6), ("LIST", 10), ("LAST", 4))


def printed(
    rows: Sequence[Mapping[str, str]],
    wanted: str | None = None,
    *,
    parseable: bool = False,
    wrap: bool = False,
    warnings: list[str] | None = None,
) -> str:
    with tempfile.TemporaryFile() as file:
        run = Invocation("/sbin/x", [], {}, "/", 0, "global", 0, file.fileno(), file.fileno())
        warn = (warnings if warnings is not None else []).append
        output = Output(run, COLUMNS, wanted, parseable=parseable, warn=warn, wrap=wrap)
        for row in rows:
            output.print(row)
        file.seek(0)
        return file.read().decode("utf-8", "surrogateescape")


def test_human_output_is_padded_and_shows_dashes_for_empty_values() -> None:
    assert printed([{"NAME": "a", "LAST": "z"}]) == "NAME  LIST      LAST\na     --        z\n"


def test_no_rows_no_header() -> None:
    assert printed([]) == ""


def test_overflow_is_taken_back_from_later_padding() -> None:
    text = printed([{"NAME": "longname", "LIST": "x", "LAST": "z"}])
    assert text.splitlines()[1] == "longname x      z"
    assert len("longname x      ") == 16


def test_a_value_as_wide_as_its_column_is_followed_by_one_space() -> None:
    assert printed([{"NAME": "sixsix", "LIST": "x"}]).splitlines()[1] == "sixsix x        --"


def test_header_comes_again_before_rows_24_and_47() -> None:
    lines = printed([{"NAME": str(n)} for n in range(1, 48)], "name").splitlines()
    assert [n for n, line in enumerate(lines) if line == "NAME"] == [0, 24, 48]
    assert lines[24 + 1] == "24"
    assert lines[48 + 1] == "47"


def test_lists_are_broken_at_commas_in_human_mode_only() -> None:
    row = {"NAME": "a", "LIST": "one,two,three", "LAST": "z"}
    assert printed([row], wrap=True).splitlines()[1:] == [
        "a     one,two,  z",
        "      three     ",
    ]
    assert printed([row], "list", wrap=True, parseable=True) == "one,two,three\n"
    assert printed([row]).splitlines()[1] == "a     one,two,three z"


def test_one_parseable_field_is_raw_and_several_are_escaped() -> None:
    row = {"NAME": "2:8:20", "LIST": "a\\b"}
    assert printed([row], "name", parseable=True) == "2:8:20\n"
    assert printed([row], "NAME,list,last", parseable=True) == "2\\:8\\:20:a\\\\b:\n"


@given(st.lists(st.text(st.characters(exclude_characters="\n")), min_size=2, max_size=3))
def test_parseable_lines_can_be_taken_apart_again(values: list[str]) -> None:
    line = ":".join(map(escape, values))
    assert split_line(line) == values


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (None, "output fields must be specified in parsable mode"),
        ("all", "output field `all' invalid in parsable mode"),
        ("name,x", "unknown output field: `x'"),
        ("x,name,y", "unknown output fields: `x' `y'"),
        ("name,name,name,name", "insufficient memory"),
    ],
)
def test_parseable_errors(wanted: str | None, message: str) -> None:
    with pytest.raises(OfmtError) as caught:
        printed([], wanted, parseable=True)
    assert str(caught.value) == message


def test_unknown_field_in_human_mode_is_a_warning() -> None:
    warnings: list[str] = []
    assert printed([{"NAME": "a"}], "name,x", warnings=warnings) == "NAME\na\n"
    assert warnings == ["ignoring unknown output field: `x'"]
    with pytest.raises(OfmtError, match="no valid output fields"):
        printed([], "x")
