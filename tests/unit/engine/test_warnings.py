"""What a step that succeeded has to say reaches the user, where the step is made for it."""

from dataclasses import dataclass, field

import pytest

from pulumi_illumos_provider.engine.execution import Outcome
from pulumi_illumos_provider.plan import Command, Completed, Step


@dataclass
class Ears:
    heard: list[str] = field(default_factory=list)

    def status(self, text: str) -> None:
        """Progress does not matter here."""

    def note(self, text: str) -> None:
        """Notes do not matter here."""

    def warn(self, text: str) -> None:
        self.heard.append(text)


@dataclass
class Event:
    step: Step
    completed: Completed | None
    kind: str = "done"


@pytest.mark.parametrize(
    ("warns", "stderr", "heard"),
    [(True, "files stay\n", ["files stay"]), (True, " \n", []), (False, "noise\n", [])],
)
def test_only_steps_that_are_made_for_it_warn(warns, stderr, heard):
    ears = Ears()
    step = Step("looking", Command(("/bin/true",)), warns=warns)
    Outcome(ears)(Event(step, Completed(0, "", stderr)))
    assert ears.heard == heard


def test_a_step_that_did_not_run_says_nothing():
    ears = Ears()
    Outcome(ears)(Event(Step("looking", Command(("/bin/true",)), warns=True), None))
    assert ears.heard == []
