from gradflow.plots.scales import edge_handles, percent_axis


def test_the_legend_names_the_edges_in_use():
    assert [handle.get_label() for handle in edge_handles(zeros=True, nonfinite=False)] == ["zero, at the foot"]
    assert not edge_handles(zeros=False, nonfinite=False)


def test_fractions_are_shown_as_percent(ax):
    percent_axis(ax)
    assert ax.yaxis.get_major_formatter()(0.25) == "25 %"
    assert ax.yaxis.get_major_formatter()(-0.5) == "−50 %"
