"""One report of several folders, as the command makes it."""

import pandas as pd
import pytest
from click.testing import CliRunner

from gradflow import Recording, load, save
from gradflow.cli import cli, main


def made(folder, *seeds, run="plain-20"):
    for seed in seeds:
        steps = pd.DataFrame({"step": [0, 1], "loss": 1.0, "train_error": [0.9, 0.5]})
        meta = {"run": f"{run}-{seed}", "family": "plain", "depth": 20, "seed": seed}
        save(Recording(steps=steps, meta=meta), folder / f"{run}-{seed}")
    return folder


def families(out, *folders):
    result = CliRunner().invoke(cli, ["report", *map(str, folders), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return pd.read_csv(out / "tables" / "degradation.csv").set_index("run").family.to_dict()


def test_the_same_run_of_two_folders_is_drawn_under_both_names(tmp_path):
    found = families(tmp_path / "out", made(tmp_path / "ann", 0, 1), made(tmp_path / "bob", 0))
    assert found == {"plain-20-0": "plain, ann", "plain-20-1": "plain, ann", "plain-20-0 (2)": "plain, bob"}


def test_further_seeds_and_a_folder_given_twice_make_one_family(tmp_path):
    ann, bob = made(tmp_path / "ann", 0), made(tmp_path / "bob", 1)
    assert families(tmp_path / "out", ann, bob, ann) == {"plain-20-0": "plain", "plain-20-1": "plain"}
    assert len(families(tmp_path / "all", tmp_path / "ann" / "plain-20-0", tmp_path / "ann")) == 1


def test_a_folder_given_in_two_spellings_is_one(tmp_path, monkeypatch):
    ann, bob = made(tmp_path / "ann", 0), made(tmp_path / "bob", 1)
    (tmp_path / "link").symlink_to(ann)
    monkeypatch.chdir(tmp_path)
    assert families(tmp_path / "out", "ann", ann, tmp_path / "link", bob) == {
        "plain-20-0": "plain",
        "plain-20-1": "plain",
    }


def test_two_runs_of_one_label_in_one_folder_are_named_in_a_line(tmp_path, capsys):
    folder = made(tmp_path / "ann", 0)
    save(load(folder / "plain-20-0"), folder / "again")
    with pytest.raises(SystemExit) as ended:
        main(["report", str(folder), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert "one run per family, depth and seed" in capsys.readouterr().err
