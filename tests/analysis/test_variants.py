import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradflow.analysis import (
    degradation,
    degradation_over_seeds,
    paired_difference,
    profile,
    profile_over_seeds,
    summary,
)
from gradflow.analysis.runs import check_seeds, identities
from gradflow.analysis.sources import by_folder, from_sources
from gradflow.analysis.variants import agree, base_family, labelled, told_apart_by
from gradflow.recording import Recording


def run(family="plain", depth=20, seed=0, *, error=0.5, **chosen):
    """Return a run in the newer form: what shapes it is in meta["settings"]."""
    steps = pd.DataFrame({"step": [0, 1], "loss": 1.0, "train_error": [0.9, error]})
    layers = pd.DataFrame({"step": 0, "layer": ["a", "b"], "weighted": True, "order": [0, 1], "layer_depth": [1, 2]})
    name = "-".join(map(str, (family, depth, *chosen.values(), seed)))
    meta = {"run": name, "family": family, "depth": depth, "seed": seed, "settings": chosen}
    return Recording(steps=steps, layers=layers.assign(grad_norm=error, out_grad_norm=error), meta=meta)


def families(recordings):
    return list(identities(recordings).family)


def test_a_setting_that_varies_at_one_depth_names_the_family_at_all_depths():
    runs = [run(depth=20, lr=0.1), run(depth=20, lr=0.01), run(depth=56, lr=0.1)]
    assert families(runs) == ["plain, lr 0.1", "plain, lr 0.01", "plain, lr 0.1"]


def test_a_setting_tied_to_the_depth_is_no_variant():
    runs = [run(depth=20, lr=0.1, seed=seed) for seed in (0, 1)] + [run(depth=56, lr=0.01)]
    assert families(runs) == ["plain"] * 3
    assert labelled(runs) == runs


def test_only_the_family_that_varies_is_renamed():
    runs = [run(lr=0.1), run(lr=0.01), run("residual", lr=0.1)]
    assert families(runs) == ["plain, lr 0.1", "plain, lr 0.01", "residual"]


def test_older_recordings_are_told_apart_by_their_flat_meta():
    flat = {"family": "plain", "depth": 20, "seed": 0}
    runs = [Recording(meta={**flat, "run": name, "lr": lr}) for name, lr in (("a", 0.02), ("b", 0.2))]
    assert families(runs) == ["plain, lr 0.02", "plain, lr 0.2"]


def test_of_settings_that_change_together_the_first_stands_for_all():
    runs = [run(optimizer="sgd", lr=0.1), run(optimizer="adamw", lr=0.001)]
    assert families(runs) == ["plain, sgd", "plain, adamw"]


def test_a_grid_is_named_by_both_of_its_settings():
    runs = [run(optimizer=name, lr=lr) for name, lr in itertools.product(("sgd", "adamw"), (0.1, 0.01))]
    assert families(runs) == [
        "plain, sgd, lr 0.1",
        "plain, sgd, lr 0.01",
        "plain, adamw, lr 0.1",
        "plain, adamw, lr 0.01",
    ]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"norm": ["batch", "none"]}, ["batch norm", "no norm"]),
        ({"clip": [None, 1.0]}, ["no clip", "clip 1"]),
        ({"widths": [[16, 32], [8, 8]]}, ["widths 16-32", "widths 8-8"]),
        ({"lr": [1e-05, 0.02]}, ["lr 1e-05", "lr 0.02"]),
        ({"data": ["cifar10:/home/me/cifar", "digits"]}, ["cifar", "digits"]),
        ({"nesterov": [True, False]}, ["nesterov", "no nesterov"]),
        ({"lr": [0.1, 0.1 + 1e-9]}, ["lr 0.1", "lr 0.1 (2)"]),
        ({"model": ["a, b", "c"]}, ["a; b", "c"]),
    ],
)
def test_values_read_short_and_never_alike(values, names):
    (key, pair), *_ = values.items()
    assert families([run(**{key: value}) for value in pair]) == [f"plain, {name}" for name in names]


def test_whole_numbers_and_fractions_of_one_value_are_one_variant():
    assert families([run(lr=1), run(lr=1.0, seed=1)]) == ["plain"] * 2


def test_seeds_of_data_are_no_variants():
    assert families([run(seed=0, data_seed=0), run(seed=1, data_seed=1)]) == ["plain"] * 2


def test_a_plain_network_has_no_shortcut():
    assert families([run(shortcut="A"), run(shortcut="B", seed=1)]) == ["plain"] * 2


def test_labelling_again_and_labelling_a_part_change_nothing():
    runs = labelled([run(lr=0.1), run(lr=0.01), run("residual", lr=0.1)])
    assert labelled(runs) == runs
    assert families(runs[:1]) == ["plain, lr 0.1"]
    assert (base_family(runs[0]), told_apart_by(runs[0])) == ("plain", "lr 0.1")
    assert told_apart_by(runs[2]) == "lr 0.1"


def test_labelled_runs_beside_new_ones_are_labelled_afresh():
    first, _ = labelled([run(lr=0.1), run(lr=0.01)])
    assert families([first, run(lr=0.1, seed=1)]) == ["plain", "plain"]
    assert families([first, run(lr=0.2)]) == ["plain, lr 0.1", "plain, lr 0.2"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from([20, 56]), st.integers(0, 2), st.sampled_from([0.1, 0.01, None]), st.booleans()),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_no_family_and_depth_holds_two_settings(choices):
    who = [{"family": "mine", "depth": depth, "seed": seed} for depth, seed, _, _ in choices]
    given_settings = [{"lr": lr, "skip": skip, "norm": "batch"} for _, _, lr, skip in choices]
    runs = [Recording(meta={**one, "settings": more}) for one, more in zip(who, given_settings, strict=True)]
    frame = identities(runs)
    for places in frame.groupby(["family", "depth"]).groups.values():
        assert len({str(runs[place].meta["settings"]) for place in places}) == 1
    check_seeds(frame)


def test_means_are_over_the_seeds_of_one_setting():
    runs = [run(lr=lr, seed=seed, error=lr + seed / 100) for lr in (0.1, 0.3) for seed in (0, 1)]
    frame = degradation_over_seeds(degradation(runs)).set_index("family")
    assert frame.n.tolist() == [2, 2]
    assert frame.loc["plain, lr 0.3", "train_error"] == pytest.approx(0.305)
    means = profile_over_seeds(profile(runs), "grad_norm").set_index("family")["mean"]
    assert means["plain, lr 0.1"].tolist() == pytest.approx([np.sqrt(0.1 * 0.11)] * 2)
    assert sorted(summary(runs).family) == ["plain, lr 0.1", "plain, lr 0.3"]


def test_families_are_paired_where_their_settings_agree():
    runs = [run(lr=lr, error=lr, shortcut="A") for lr in (0.1, 0.3)]
    runs += [run("residual", lr=lr, error=lr / 2, shortcut=kind) for lr in (0.1, 0.3) for kind in "AB"]
    frame = paired_difference(degradation(runs)).set_index("settings")
    assert frame["mean"].to_dict() == pytest.approx(
        {f"shortcut {kind}, lr {lr}": lr / 2 for lr in (0.1, 0.3) for kind in "AB"}
    )


def test_a_lone_rate_is_paired_with_its_equal_alone():
    runs = [run(lr=0.1, error=0.5), run(lr=0.3, error=0.7), run("residual", lr=0.1, error=0.2)]
    assert paired_difference(degradation(runs))["mean"].tolist() == pytest.approx([0.3])


def test_true_duplicates_are_still_refused():
    with pytest.raises(ValueError, match="one run per family, depth and seed"):
        degradation_over_seeds(degradation([run(lr=0.1), run(lr=0.1)]))


def test_the_same_run_of_two_folders_is_told_apart_by_folder():
    found = from_sources({"x/ann": [run()], "x/bob": [run()]})
    assert families(found) == ["plain, ann", "plain, bob"]


def test_folders_that_hold_other_seeds_or_settings_are_one_comparison():
    assert families(from_sources({"ann": [run()], "bob": [run(seed=1)]})) == ["plain"] * 2
    assert families(from_sources({"ann": [run(lr=0.1)], "bob": [run(lr=0.2)]})) == ["plain, lr 0.1", "plain, lr 0.2"]


def test_own_models_of_two_folders_are_told_apart_too():
    found = from_sources({"ann": [Recording(meta={"run": "mine"})], "bob": [Recording(meta={"run": "mine"})]})
    assert families(found) == ["mine, ann", "mine, bob"]


def test_settings_of_the_demonstration_are_told_apart():
    metas = [{"setting": "s", "label": "S", "seed": 0, "width": width} for width in (64, 128)]
    found = labelled([Recording(meta=meta) for meta in metas])
    assert [(one.meta["setting"], one.meta["label"]) for one in found] == [
        ("s, width 64", "S, width 64"),
        ("s, width 128", "S, width 128"),
    ]


def test_norms_of_the_shattering_experiment_are_no_variants():
    metas = [{"experiment": "shattering", "family": "plain", "depth": 4, "seed": 0, "norm": n} for n in (None, "batch")]
    assert families([Recording(meta=meta) for meta in metas]) == ["plain"] * 2


def test_what_one_run_lacks_is_no_disagreement():
    assert agree("", "lr 0.1")
    assert not agree("lr 0.1", "lr 0.3")


def own(name="Sequential", **meta):
    return Recording(meta={"run": name, "model": "Sequential", "parameters": 10, **meta})


def test_runs_of_one_name_without_a_family_are_numbered():
    frame = identities([own(), own(), own("Sequential (2)")])
    assert frame.run.tolist() == ["Sequential", "Sequential (3)", "Sequential (2)"]
    assert frame.family.tolist() == frame.run.tolist()


def test_seeds_of_one_nameless_network_are_one_family():
    frame = identities([own(seed=0), own(seed=1)])
    assert frame.family.tolist() == ["Sequential"] * 2
    assert frame.run.tolist() == ["Sequential", "Sequential (2)"]


@pytest.mark.parametrize(
    "other", [{"seed": 0}, {"seed": None}, {"seed": 1, "parameters": 11}, {"seed": 1, "model": "MLP"}]
)
def test_equal_seeds_and_other_networks_are_no_repetitions(other):
    assert families([own(seed=0), own(**other)]) == ["Sequential", "Sequential (2)"]


def test_numbers_hold_in_a_part_and_beside_new_runs():
    _, second = labelled([own(), own()])
    assert families([second]) == ["Sequential (2)"]
    assert families([second, own("other")]) == ["Sequential", "other"]
    assert families([second, second]) == ["Sequential", "Sequential (2)"]


def test_runs_of_one_name_are_told_apart_by_their_own_folders():
    found = by_folder(
        {"runs/wide": own(), "runs/deep": own(), "runs/mlp": own("mlp"), "runs/a": run(), "runs/b": run()}
    )
    assert families(found) == ["Sequential, wide", "Sequential, deep", "mlp", "plain", "plain"]
    assert families(by_folder({"s0": own(seed=0), "s1": own(seed=1)})) == ["Sequential"] * 2


def test_two_users_folders_of_namesakes_are_told_apart_by_both():
    folders = {who: by_folder({f"{who}/a": own(), f"{who}/b": own()}) for who in ("ann", "bob")}
    assert families(from_sources(folders)) == [f"Sequential, {who}/{one}" for who in ("ann", "bob") for one in "ab"]


def test_what_is_measured_tells_runs_apart_that_differ_in_nothing_else():
    runs = [
        replace(one, meta={**one.meta, "probes": probes, "record_every": every})
        for one in (run(seed=0), run(seed=1))
        for every, probes in ((2, []), (2, ["skips"]), (3, []))
    ]
    assert families(runs[:2]) == ["plain, no probes", "plain, probes skips"]
    assert families([runs[0], runs[2]]) == ["plain, record every 2", "plain, record every 3"]
    assert families([runs[0], runs[4]]) == ["plain", "plain"]  # of two seeds
    assert families([runs[0], replace(runs[1], meta={**runs[1].meta, "settings": {"lr": 0.1}})])[0] == "plain"
