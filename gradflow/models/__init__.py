"""The networks under study, written so that what differs between families is one visible expression."""

from gradflow.models.catalogue import CATALOGUE, Entry, build, check
from gradflow.models.cifar import CifarNet, cifar_net
from gradflow.models.mlp import Mlp, mlp
from gradflow.models.rectifiers import rectifier_net

__all__ = ["CATALOGUE", "CifarNet", "Entry", "Mlp", "build", "check", "cifar_net", "mlp", "rectifier_net"]
