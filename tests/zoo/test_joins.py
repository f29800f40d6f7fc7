"""A sample of the architectures with known joins; `python -m benchmarks.joins` checks all of them."""

import pytest

from benchmarks.joins import check
from benchmarks.zoo.architectures import architectures

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own

SAMPLE = (
    *("resnet18", "mobilenet_v3_small", "googlenet", "densenet121", "swin_t", "resnet50 with FPN"),
    *("poolformer_s12", "nfnet_f0", "repvgg_a0", "ghostnet_100", "convnextv2_atto"),
    *("gpt2", "bert", "gptj", "cohere", "qwen2_moe", "fnet", "t5"),
)


@pytest.mark.parametrize("architecture", [a for a in architectures() if a.name in SAMPLE], ids=lambda a: a.name)
def test_joins_are_those_of_the_configuration(architecture):
    row = check(architecture)
    assert row.note == ""
    assert row.found == row.expected
    assert row.largest_error < 1e-6
    names = [join.name for join in row.joins]
    assert len(set(names)) == len(names)
    assert all(not name.startswith("join") for name in names)


def test_the_list_has_what_was_promised():
    names = [architecture.name for architecture in architectures()]
    assert len(names) == len(set(names)) >= 21 + 13 + 40
