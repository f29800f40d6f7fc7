"""Do deeper networks fit worse all along? Training and test error against the step, as in He et al. 2015, figure 6."""

from __future__ import annotations

from gradflow.analysis.training import errors_over_seeds, training
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.names import in_order
from gradflow.figures.seed_words import span
from gradflow.text import text
from gradflow.text.words import heading, named

_COLUMNS = ("family", "depth", "step", "measure", "mean", "n")
_SOURCE = "gradflow.analysis.errors_over_seeds"


def learning(frame: Data, *, by_family: bool = True) -> Figure:
    """Return the training error (thin) and the test error (bold) of each network against the step.

    Thin lines in the wrong order, the deeper above the shallower, are degradation: the deeper network does not even
    fit the training set as well. Bold lines alone in that order are overfitting.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.errors_over_seeds`. Means over seeds; a network measured once is a point.
    by_family : bool
        Whether each family has a panel.
    """
    frame = frame_of(frame, lambda runs: errors_over_seeds(training(runs)))
    require(frame, _COLUMNS, _SOURCE)
    families = in_order(frame["family"])
    # Line style is the family, so that thin and faint is the training error, which the paper dashes.
    train = Mark("line", of={"measure": ("train_error",)}, width=0.7, opacity=0.6, label=text("figure.learning.train"))
    test = Mark("line", of={"measure": ("test_error",)}, width=1.6, label=text("figure.learning.test"))
    panels = Facet("family", heading("family"), {name: named(name) for name in families}, tells="family")
    return Figure(
        "learning",
        title=text("figure.learning.title"),
        rows=frame,
        x=Axis("step", text("figure.step")),
        y=Axis("mean", text("figure.error"), "fraction", text("figure.error"), ends=(0.0,)),
        marks=(train, test),
        note=text("figure.learning_mean", n=span(frame["n"])),
        layout=Layout(height=2.1),
        facets=(panels,) if by_family else (),
    )
