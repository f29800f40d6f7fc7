from gradflow.plots.handles import edge_handles
from gradflow.plots.ticks import percent


def test_the_legend_names_the_edges_in_use():
    assert [handle.get_label() for handle in edge_handles(zeros=True, nonfinite=False)] == ["zero, at the foot"]
    assert not edge_handles(zeros=False, nonfinite=False)


def test_fractions_are_shown_as_percent():
    assert percent()(0.25, None) == "25 %"
    assert percent()(-0.5, None) == "−50 %"
