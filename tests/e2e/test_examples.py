"""The programs on the resources' pages run as they stand: up, no change, nothing left."""

import pytest

from pulumi_illumos_provider.model import examples

EXAMPLES = [
    (language, example)
    for example in (
        *examples.ETHERSTUB,
        *examples.ROUTER_ZONE,
        *examples.ZONE,
        *examples.PORT_FORWARD,
        *examples.INGRESS,
        *examples.VIRTUAL_DATACENTER,
    )
    for language in ("python", "yaml")
]


@pytest.mark.parametrize(
    ("language", "example"), EXAMPLES, ids=[f"{language}-{example.title}" for language, example in EXAMPLES]
)
def test_the_example_runs(language, example, host, stack):
    shop = stack()
    shop.program.mkdir()
    if language == "python":
        (shop.program / "Pulumi.yaml").write_text("name: example\nruntime: python\n")
        (shop.program / "__main__.py").write_text(example.code["python"])
    else:
        (shop.program / "Pulumi.yaml").write_text(example.code["yaml"])
    shop.up()
    shop.expect_no_change()
    shop.destroy()
