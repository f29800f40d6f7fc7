import pytest
import torch
from scipy.stats import binomtest
from torch import nn

import gradflow
from gradflow.models import mlp
from gradflow.probe.forecast import UNSEEN, Forecast, forecast, track_record
from gradflow.recording import Recording
from gradflow.reference import forecast_study

CLASSES = 3


def examples(n=96, features=12):
    """Three clouds far apart: any network that trains at all tells them apart at once."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % CLASSES
    centres = 3.0 * torch.randn(CLASSES, features, generator=generator)
    return centres[labels] + torch.randn(n, features, generator=generator), labels


def net(depth=3, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return mlp(depth, width=32, in_features=12, num_classes=CLASSES, generator=generator, **options)


@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_network_will_train(seed):
    found = forecast(net(seed=seed, init="kaiming"), *examples(), lr=0.05, batch_size=32)
    assert found.verdict == "will train"
    assert {reason.condition.sign for reason in found.reasons} == {"relative_error", "relative_loss"}


@pytest.mark.parametrize(
    ("options", "sign"),
    [
        ({"activation": "sigmoid"}, "gradient_decades"),
        ({"activation": "tanh"}, "gradient_decades"),
        ({"activation": "relu"}, "unlikeness"),
    ],
)
def test_a_deep_network_whose_signal_dies_will_fail(options, sign):
    found = forecast(net(depth=25, **options), *examples(), lr=0.05, batch_size=32)
    assert found.verdict == "will fail"
    assert sign in {reason.condition.sign for reason in found.reasons}


def test_a_loss_that_diverges_is_a_failure():
    found = forecast(net(init="kaiming"), *examples(), lr=1e12, batch_size=32)
    assert found.verdict == "will fail"
    assert [reason.condition.sign for reason in found.reasons] == ["diverged"]
    assert "became NaN or infinite" in str(found)


def test_the_blind_spot_is_open():
    found = forecast(net(init="kaiming"), *examples(), lr=1e-7, batch_size=32)
    assert found.verdict == "open"
    assert "learning rate and budget" in " ".join(str(found).split())


def test_a_zero_initialised_head_is_no_failure():
    model = net(init="kaiming")
    nn.init.zeros_(model.classifier.weight)
    assert forecast(model, *examples(), lr=0.05, batch_size=32).verdict != "will fail"


def test_regression_is_never_said_to_train():
    x, _ = examples()
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1))
    found = forecast(model, x, x[:, :1].clone(), lr=1e-3, batch_size=32)
    assert found.verdict == "open"
    assert found.signs.relative_error.isna().all()


def test_the_study_adds_up():
    study = forecast_study()
    assert sum(counts["n"] for counts in study["measured"].values()) == study["n"] >= 500
    for counts in study["measured"].values():
        verdicts = [counts[verdict] for verdict in ("will fail", "will train", "open")]
        assert sum(one["n"] for one in verdicts) == counts["n"]
        assert sum(one["failed"] for one in verdicts) == counts["failed"]


def test_a_verdict_whose_interval_reaches_below_its_target_is_experimental():
    study = forecast_study()
    held_out = [counts for split, counts in study["measured"].items() if split != "choose"]
    for verdict, target in study["targets"].items():
        n = sum(counts[verdict]["n"] for counts in held_out)
        failed = sum(counts[verdict]["failed"] for counts in held_out)
        right = failed if verdict == "will fail" else n - failed
        low = binomtest(right, n).proportion_ci(0.95, method="wilson").low
        assert (verdict in study["experimental"]) == (low < target)


def test_the_track_record_is_that_of_unseen_data_and_factors():
    counts, record = forecast_study()["measured"][UNSEEN], track_record()
    assert (record["will fail"].hits, record["will fail"].n) == (
        counts["will fail"]["failed"],
        counts["will fail"]["n"],
    )
    assert record["will fail caught"].n == counts["failed"]
    assert record["will train caught"].n == counts["n"] - counts["failed"]
    assert record["will train"].hits == counts["will train"]["n"] - counts["will train"]["failed"]
    assert record["open failed"].hits == counts["open"]["failed"]


def test_the_text_carries_counts_and_intervals():
    found = forecast(net(init="kaiming"), *examples(), lr=0.05, batch_size=32)
    counts = forecast_study()["measured"][UNSEEN]
    failing = counts["will fail"]
    shown = " ".join(str(found).split())
    assert f"right {failing['failed']} of {failing['n']}" in shown
    assert f"said of {failing['failed']} of {counts['failed']}" in shown
    assert f"{counts['n']} networks" in shown
    assert max(map(len, str(found).splitlines())) <= 80
    assert repr(found) == str(found)
    assert found._repr_html_().startswith("<pre>Forecast for Mlp")


def test_an_experimental_verdict_says_so(monkeypatch):
    study = {**forecast_study(), "experimental": ["will train"]}
    monkeypatch.setattr("gradflow.probe.forecast.forecast_study", lambda: study)
    found = forecast(net(init="kaiming"), *examples(), lr=0.05, batch_size=32)
    assert found.is_experimental
    assert "experimental" in str(found).splitlines()[0]


def test_a_saved_forecast_says_the_same(tmp_path):
    found = forecast(net(depth=25, activation="sigmoid"), *examples(), lr=0.05, batch_size=32)
    gradflow.save(found.recording, tmp_path / "run")
    again = Forecast(gradflow.load(tmp_path / "run"))
    assert isinstance(again.recording, Recording)
    assert str(again) == str(found)


def test_it_works_under_no_grad_and_on_inference_tensors():
    with torch.inference_mode():
        x, y = examples()
    with torch.no_grad():
        assert forecast(net(init="kaiming"), x, y, lr=0.05, batch_size=32).verdict == "will train"
