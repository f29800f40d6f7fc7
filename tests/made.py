"""Values that several tests start from."""

from gradflow.experiments import Run, plan
from gradflow.experiments.network import Network


def one_run(family="plain", depth=8, seed=0, **settings):
    """Return one checked run on the CPU."""
    (run,) = plan([depth], families=[family], seeds=[seed], **{"device": "cpu", **settings})
    return run


def broken_run(seed=9, **settings):
    """Return a run whose network does not exist, which plan() would have said."""
    run = one_run(seed=seed, **settings)
    return Run(Network("cifar", "dense", 8, run.network.options), run.recipe, seed)
