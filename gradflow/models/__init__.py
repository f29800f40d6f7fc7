"""The networks under study, written so that what differs between families is one visible expression."""

from gradflow.models.cifar import CifarNet, cifar_net
from gradflow.models.mlp import Mlp, mlp
from gradflow.models.rectifiers import rectifier_net

__all__ = ["CifarNet", "Mlp", "cifar_net", "mlp", "rectifier_net"]
