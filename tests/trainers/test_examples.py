"""Examples with a trainer run, record, and print the same without gradflow's lines."""

import pytest
from example_programs import printed

import gradflow


@pytest.mark.parametrize(("name", "run"), [("lightning_digits", "lightning"), ("transformers_lora", "lora")])
def test_a_program_prints_the_same_with_gradflow(name, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert printed(name) == printed(name, attached=False)
    assert gradflow.load(f"runs/{run}").layers.step.nunique() == 3
