"""What `print` shows of findings, of an analysis and of a recording: cause, remedies and checks, as the page does."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

import gradflow
from gradflow.diagnosis import Findings, diagnose
from gradflow.diagnosis.cards import card
from gradflow.diagnosis.checks import QUESTIONS
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.ranking import LAYOUT, TIERS
from gradflow.diagnosis.seed_groups import Subject
from gradflow.diagnosis.verdict import how_sure, verdict
from gradflow.text import language
from gradflow.text.widths import columns


def recorded(model, inputs, steps=30, **options):
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    targets = torch.randint(0, 4, (len(inputs),))
    with gradflow.record(model, optimizer=optimizer, weights=True, activations=True, **options) as recorder:
        for _ in range(steps):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
    return recorder.recording


def words(printed):
    return " ".join(str(printed).split())


@pytest.fixture(scope="module")
def broken():
    torch.manual_seed(0)
    hidden = [module for _ in range(10) for module in (nn.Linear(8, 8), nn.Sigmoid())]
    return recorded(nn.Sequential(*hidden, nn.Linear(8, 4)), torch.randn(32, 8))


def test_findings_print_their_cause_and_their_remedies(broken):
    found = diagnose(broken)
    assert isinstance(found, list)
    said = words(found)
    places = [
        said.index(one) for one in ("Problem", "Why Each layer", "Change first Replace", "Then try", "Consequences")
    ]
    assert places == sorted(places)
    assert said.index("Not checked") < said.index("whether gradients shatter: run gradflow analyze")
    assert repr(found) == str(found)
    assert "Change first" in found._repr_html_()


def test_a_recording_prints_what_was_recorded_and_its_findings(broken):
    first, empty, *rest = str(broken).splitlines()
    assert first == repr(broken)
    assert empty == ""
    assert "\n".join(rest) == str(diagnose(broken))


def test_an_analysis_ends_with_its_findings(broken):
    found = gradflow.Analysis(replace(broken, meta={**broken.meta, "experiment": "analyze"}))
    said = words(str(found).split("\nFindings\n")[1])
    assert said.index("Problem") < said.index("Change first Replace the activation")
    assert "whether the loss falls" not in said  # one batch trains nothing


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_are_no_wider_than_asked(broken, lang, width):
    from gradflow.diagnosis.cards import cards
    from gradflow.tables.lines import lines

    with language(lang):
        found = diagnose(broken)
        tables = [*cards(found, found.checks), card(verdict(found, found.checks))]
        assert max(columns(line.text) for table in tables for line in lines(table, width)) <= width


def test_percent_stays_with_its_number(broken):
    assert not re.search(r"^ *%", str(diagnose(broken)), flags=re.MULTILINE)


def test_the_verdict_of_several_networks_names_the_one_it_is_about(broken):
    torch.manual_seed(0)
    sound = recorded(nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4)), torch.randn(32, 8))
    runs = [replace(one, meta={**one.meta, "run": name}) for one, name in ((sound, "sound"), (broken, "bad"))]
    found = diagnose(runs)
    assert "bad: before training" in verdict(found, found.checks).evidence[0]
    assert list(map(str, found)) == list(map(str, Findings(found)))


def test_what_needs_a_finite_gradient_says_so_where_none_is(broken):
    norms = dict.fromkeys(["grad_norm", "out_grad_norm"], float("nan"))
    layers = broken.layers.assign(**norms, n_nonfinite=3)
    steps = broken.steps.assign(total_grad_norm=float("nan"))
    said = words(diagnose(replace(broken, layers=layers, steps=steps)))
    assert "NaN or infin" in said.split("Checked and fine")[0]
    assert "the gradient over depth" not in said  # neither fine nor not looked at: a finding tells of it
    assert "activations=True" not in said


def test_a_problem_says_how_often_it_named_the_fault_where_enough_programs_tell(monkeypatch):
    study = {"first": {"inputs_unscaled": [7, 9], "lr_high": [3, 4]}}
    monkeypatch.setattr("gradflow.diagnosis.finding.diagnosis_study", lambda: study)
    subject = Subject("net")
    told = {key: Finding(key, "problem", subject).measured for key in ("inputs_unscaled", "lr_high", "exploding")}
    assert told == {"inputs_unscaled": (7, 9), "lr_high": None, "exploding": None}
    assert Finding("inputs_unscaled", "notice", subject).measured is None
    assert "came first 9 times and was the cause 7 times" in how_sure(Finding("inputs_unscaled", "problem", subject))[0]


def test_networks_that_were_trained_come_before_probes_of_untrained_ones(broken):
    probe = replace(broken, meta={**broken.meta, "run": "a probe", "experiment": "vanishing"})
    trained = recorded(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)), torch.randn(32, 8))
    found = diagnose([probe, replace(trained, meta={**trained.meta, "run": "a run"})])
    assert found[0].subject.label == "a probe"  # the one with a problem
    said = str(found)
    assert said.index("a run\n") < said.index("a probe\n")


def test_each_finding_on_one_network_answers_a_question_so_that_it_is_not_said_to_be_fine():
    answered = {key for question in QUESTIONS.values() for key in question.findings}
    assert {key for tier in (*TIERS, LAYOUT) for key in tier} - answered == {"degraded", "skip_helps"}
