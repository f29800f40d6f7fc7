"""Which combinations of settings a plan makes, and what it refuses because it would be ignored in silence."""

import pytest

from gradflow.experiments import Override, PlanError, plan


def test_what_is_left_out_is_no_run():
    runs = plan([8, 14], seeds=2, leave_out=[{"family": "plain", "depth": 14}], device="cpu")
    assert {(run.family, run.depth) for run in runs} == {("plain", 8), ("residual", 8), ("residual", 14)}
    assert len(runs) == 6


def test_lists_and_tuples_are_the_same_setting():
    vary = {"widths": [[4, 4, 4], [8, 8, 8]]}
    runs = plan([8], families=["plain"], seeds=1, vary=vary, leave_out=[{"widths": [8, 8, 8]}], device="cpu")
    assert [run.settings["widths"] for run in runs] == [(4, 4, 4)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"overrides": [Override({"depth": 20}, {"lr": 0.1})]},
            "override matches no run: none of 2 has depth = 20.",
        ),
        ({"overrides": [Override({"lr": 0.5}, {"lr": 0.1})]}, "override matches no run: none of 2 has lr = 0.5."),
        ({"overrides": [Override({"dept": 8}, {"lr": 0.1})]}, "override matches no run: none of 2 has dept = 8."),
        ({"leave_out": [{"depth": 14, "family": "plain"}]}, "leave_out matches no run: none of 2 has depth = 14"),
        ({"leave_out": [{"depth": 8}]}, "leave_out removes all 2 runs; keep at least one."),
        (
            {"vary": {"lr": [0.1, 0.02]}, "overrides": [Override({"depth": 8}, {"lr": 0.5})]},
            r"plain-8, lr 0.5 seed 0 and .* are the same \(2 of 4 repeat another\)",
        ),
        ({"probes": ["path"]}, "probes must be none, or some of skips, shattering, paths; got path"),
    ],
)
def test_what_would_be_ignored_is_refused(arguments, message):
    with pytest.raises(PlanError, match=message) as caught:
        plan([8], seeds=1, device="cpu", **arguments)
    assert "\n" not in str(caught.value)
