"""What is declared of a setting is what the command line, a recipe and a sweep file do with it."""

import dataclasses
import pickle

import pytest

from gradflow import settings
from gradflow.cli.commands import cli
from gradflow.experiments import PlanError, Recipe, plan
from gradflow.models import layer_parts
from gradflow.models.catalogue import CATALOGUE
from gradflow.ranges import RANGES

GROUPS = [
    one for name, one in vars(settings).items() if name.endswith("Settings") and one.__module__ == settings.__name__
]
DECLARED = [(group, one) for group in GROUPS for one in settings.settings_of(group).values()]
OF_RUNS = settings.settings_of(settings.RunSettings, settings.OptionSettings, settings.RecipeSettings)


@pytest.mark.parametrize(("group", "one"), DECLARED, ids=[f"{group.__name__} {one.name}" for group, one in DECLARED])
def test_defaults_are_allowed_and_numbers_have_ranges(group, one):
    assert (one.range is None) == (one.kind is str)
    if one.default is not ... and one.is_list:
        assert one.checked(one.default) == settings.listed(one.default)
    elif one.default is not ...:
        assert one.checked(one.default) == one.default
    for word in one.choices:
        one.checked(word)


@pytest.mark.parametrize("name", sorted(OF_RUNS.keys() - {"processes"}))
def test_every_setting_of_a_run_is_an_option_with_its_help(name):
    (option,) = [one for one in cli.commands["compare"].params if one.name == name]
    assert option.words("compare") == OF_RUNS[name].help_line
    assert option.opts == [f"--{name.replace('_', '-')}"]


def test_the_defaults_that_are_shown_are_those_of_a_plan():
    (run,) = plan([8], families=["plain"], seeds=1, device="cpu")
    made = {**run.settings, **{name: getattr(run, name) for name in ("record_every", "eval_every", "probes")}}
    shown = {name: one.default for name, one in OF_RUNS.items() if one.default is not ... and name != "device"}
    assert {name: made[name] for name in shown} == shown


def test_options_of_networks_are_of_the_kinds_that_the_catalogue_has():
    for name, one in settings.settings_of(settings.OptionSettings).items():
        defaults = [entry.options[name] for entry in CATALOGUE.values() if name in entry.options]
        assert defaults
        for default in defaults:
            assert isinstance(default, tuple) == one.is_list
            assert {type(value) for value in settings.listed(default)} <= {one.kind}


def test_known_words_are_those_of_the_networks():
    assert settings.settings_of(settings.RunSettings)["model"].known == tuple(CATALOGUE)
    known = {name: one.known for name, one in settings.settings_of(settings.OptionSettings).items()}
    assert known["activation"] == tuple(layer_parts.ACTIVATIONS)
    assert (known["norm"], known["init"]) == (layer_parts.IMAGE_NORMS, layer_parts.IMAGE_INITS)


def test_a_setting_says_its_type_its_help_and_what_is_wrong():
    described = settings.settings_of(settings.RecipeSettings, settings.SweepSettings)
    assert described["augment"].help_line == "Augmentation: any of crop, flip, jitter; or none.  [default: none]"
    assert (
        described["schedule"].help_line
        == "Learning-rate schedule: cosine, step, multistep, constant.  [default: cosine]"
    )
    assert described["depths"].help_line == "Weighted layers; for the default model 6n + 2, such as 20,56,110."
    assert described["augment"].type_words == 'a list of words or "none"'
    assert described["seeds"].type_words == "a whole number or a list of them"
    assert described["clip"].type_words == 'a number or "none"'
    assert described["depths"].range is RANGES["depth"]
    with pytest.raises(ValueError, match=r"^depths must name at least one; got none.$"):
        described["depths"].checked([])
    with pytest.raises(ValueError, match=r"^milestones must be a whole number of at least 1; got None.$"):
        described["milestones"].checked([3, None])


def test_a_recipe_is_a_value():
    recipe = Recipe(steps=5, augment="crop")
    assert recipe == pickle.loads(pickle.dumps(recipe)) == Recipe(**vars(recipe))
    assert len({recipe, Recipe(steps=5, augment=["crop"])}) == 1
    assert dataclasses.replace(recipe, lr=1).lr == 1
    assert type(dataclasses.replace(recipe, lr=1).lr) is int  # run ids tell it from 1.0
    with pytest.raises(PlanError, match=r"^a recipe has no setting 'stpes'. Did you mean steps\? Allowed: steps, "):
        Recipe(stpes=5)
    with pytest.raises(PlanError, match=r"^steps must be at least 1; got 0.$"):
        dataclasses.replace(recipe, steps=0)
    with pytest.raises(ValueError, match="frozen"):
        recipe.steps = 6
