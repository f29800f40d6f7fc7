"""The networks under study, written so that what differs between families is one visible expression."""

from gradflow.models.cifar import CifarNet, cifar_net


__all__ = ["CifarNet", "cifar_net"]
