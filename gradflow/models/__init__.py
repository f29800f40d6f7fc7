"""The networks under study, written so that what differs between families is one visible expression."""

from gradflow.models.catalogue import CATALOGUE, Entry, build, check
from gradflow.models.cifar import CifarNet, cifar_net, mini_net
from gradflow.models.mlp import Mlp, mlp
from gradflow.models.rectifiers import rectifier_net
from gradflow.models.resnet import ResNet, resnet
from gradflow.models.transformer import Transformer, transformer

__all__ = [
    "CATALOGUE",
    "CifarNet",
    "Entry",
    "Mlp",
    "ResNet",
    "Transformer",
    "build",
    "check",
    "cifar_net",
    "mini_net",
    "mlp",
    "rectifier_net",
    "resnet",
    "transformer",
]
