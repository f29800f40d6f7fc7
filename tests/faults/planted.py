"""Programs of the zoo with a fault planted, trained for real."""

from benchmarks.diagnosis.faults import FAULTS
from benchmarks.diagnosis.networks import NETWORKS
from benchmarks.diagnosis.odd import ODD
from benchmarks.diagnosis.program import program, train


def trained(network, kind, strength):
    """Return the program, whose network is trained by then, and what was recorded."""
    fault = (FAULTS | ODD)[kind]
    design = NETWORKS[network] if fault.change is None else fault.change(NETWORKS[network], strength)
    one = program(design, 0)
    if fault.plant is not None:
        fault.plant(one, strength)
    return one, train(one, 0, is_recorded=True)
