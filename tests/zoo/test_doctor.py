"""The doctor leaves library models in peace, as their authors made them."""

import pytest
import torch

from gradflow.probe.doctor import doctor

models = pytest.importorskip("torchvision.models")
pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own

SIZE, EXAMPLES = 96, 8
RESIDUAL = ("resnet18", "resnet50", "resnext50_32x4d", "regnet_y_400mf", "regnet_x_400mf")
BOTTLENECKS = ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5", "efficientnet_b1")
OTHERS = ("densenet121", "efficientnet_v2_s", "shufflenet_v2_x0_5", "squeezenet1_0", "convnext_tiny")


def examined(name, lr=0.05):
    torch.manual_seed(0)
    model = models.get_model(name, weights=None)
    images, labels = torch.randn(EXAMPLES, 3, SIZE, SIZE), torch.arange(EXAMPLES)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return [one.key for one in doctor(model, images, labels, optimizer=optimizer).findings if one.severity != "healthy"]


@pytest.mark.parametrize("name", [*RESIDUAL, *BOTTLENECKS, *OTHERS])
def test_it_names_nothing(name):
    assert examined(name) == []


def test_biases_before_batch_norm_are_named():
    """VGG with batch norm has them in every convolution."""
    torch.manual_seed(0)
    model = models.vgg11_bn(weights=None, num_classes=10)
    found = doctor(model, torch.randn(2, 3, 64, 64), torch.tensor([0, 1])).findings
    (notice,) = (one for one in found if one.key == "bias_before_norm")
    assert (notice.severity, notice.values["n"]) == ("notice", 8)
