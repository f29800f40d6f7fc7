"""A question to many recordings: what to train, on which data, and running it."""

from gradflow.experiments.data import DataError, Dataset, load_data
from gradflow.experiments.folder import keep_all
from gradflow.experiments.plan import Override, plan
from gradflow.experiments.planned_run import Run
from gradflow.experiments.pool import Event
from gradflow.experiments.recipe import PlanError, Recipe
from gradflow.experiments.run import RunsFailedError, compare, execute
from gradflow.experiments.shattering_depths import shattering_by_depth
from gradflow.experiments.train import train
from gradflow.experiments.vanishing_settings import vanishing

__all__ = [
    "DataError",
    "Dataset",
    "Event",
    "Override",
    "PlanError",
    "Recipe",
    "Run",
    "RunsFailedError",
    "compare",
    "execute",
    "keep_all",
    "load_data",
    "plan",
    "shattering_by_depth",
    "train",
    "vanishing",
]
