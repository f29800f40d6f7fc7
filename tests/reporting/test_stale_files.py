"""A report in a folder that held another one: what the older one wrote goes, and nothing else."""

import pandas as pd
import pytest

from gradflow import Recording
from gradflow.reporting import report
from gradflow.reporting.stale_files import named_in


def losses(run="mine", **columns):
    return Recording(steps=pd.DataFrame({"step": [0, 1, 2], "loss": [2.0, 1.0, 0.5], **columns}), meta={"run": run})


def files(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_a_page_names_every_file_beside_it(tmp_path):
    page = report(losses(), tmp_path, formats=("png", "pdf"))
    assert named_in(page) == files(tmp_path) - {"report.html"}


def test_files_of_an_older_report_go_and_a_users_own_stay(tmp_path):
    norms = pd.DataFrame({"step": 0, "layer": ["a", "b"], "layer_depth": [1, 2], "weighted": True, "grad_norm": 1.0})
    report(Recording(layers=norms, steps=losses().steps, meta={"run": "mine"}), tmp_path)
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    assert "figures/profile-grad-norm.png" in files(tmp_path)
    page = report(losses(), tmp_path)
    assert files(tmp_path) == named_in(page) | {"report.html", "figures/mine.png"}
    assert "figures/profile-grad-norm.png" not in files(tmp_path)


@pytest.mark.parametrize(
    "said", ["../kept.png", "figures/../../kept.png", "kept.png", "{outside}/kept.png", "figures/kept.py"]
)
def test_a_strangers_page_has_no_other_file_removed(tmp_path, said):
    folder = tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    for kept in (tmp_path / "kept.png", folder / "kept.png", folder / "figures" / "kept.py"):
        kept.write_text("kept")
    names = f"{said.format(outside=tmp_path)} figures/gone.png"
    (folder / "report.html").write_text(f'<meta name="gradflow-files" content="{names}">')
    (folder / "figures" / "gone.png").write_text("gone")
    report(losses(), folder)
    assert not (folder / "figures" / "gone.png").exists()
    assert all(kept.exists() for kept in (tmp_path / "kept.png", folder / "kept.png", folder / "figures" / "kept.py"))
