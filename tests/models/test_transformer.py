"""The transformer, beside PyTorch's own encoder layer."""

import math

import pytest
import torch
from torch import nn

from gradflow import theory
from gradflow.models import transformer
from gradflow.models.transformer import TRANSFORMER_FAMILIES, TransformerBlock


def encoder_layer(block, *, norm_first):
    """PyTorch's layer with the weights of a block."""
    theirs = nn.TransformerEncoderLayer(
        12, 3, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first
    )
    pairs = [
        (theirs.self_attn.out_proj, block.attention.output),
        (theirs.linear1, block.mlp[0]),
        (theirs.linear2, block.mlp[2]),
        (theirs.norm1, block.norm1),
        (theirs.norm2, block.norm2),
    ]
    for to, source in pairs:
        to.load_state_dict(source.state_dict())
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(block.attention.query_key_value.weight)
        theirs.self_attn.in_proj_bias.copy_(block.attention.query_key_value.bias)
    return theirs


@pytest.mark.parametrize("family", ["pre-norm", "post-norm"])
def test_a_block_is_pytorchs(family):
    block = TransformerBlock(family, 12, 3, 2, "layer", "gelu")
    for norm in (block.norm1, block.norm2):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(block(x), encoder_layer(block, norm_first=family == "pre-norm")(x))


def test_no_skip_is_pre_norm_without_its_additions():
    blocks = [TransformerBlock(family, 12, 3, 2, "layer", "relu") for family in ("pre-norm", "no-skip")]
    blocks[1].load_state_dict(blocks[0].state_dict())
    x = torch.randn(2, 5, 12)
    after = x + blocks[0].attention(blocks[0].norm1(x))
    torch.testing.assert_close(blocks[0](x), after + blocks[0].mlp(blocks[0].norm2(after)))
    after = blocks[0].attention(blocks[0].norm1(x))
    torch.testing.assert_close(blocks[1](x), blocks[0].mlp(blocks[0].norm2(after)))


def test_tokens_are_patches_row_by_row():
    net = transformer(1, width=8, heads=2, patch=2, input_shape=(3, 4, 6))
    image = torch.randn(1, 3, 4, 6)
    tokens = net.patches(image).flatten(2).transpose(1, 2)[0]
    weight = net.patches.weight.flatten(1)
    for number, (row, column) in enumerate((row, column) for row in range(2) for column in range(3)):
        patch = image[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
        torch.testing.assert_close(tokens[number], weight @ patch + net.patches.bias)


def test_positions_are_sines_and_cosines():
    net = transformer(1, width=8, heads=2, patch=2, input_shape=(1, 4, 4))
    for token in range(4):
        for entry in range(8):
            angle = token / 10_000 ** (2 * (entry // 2) / 8)
            wave = math.cos(angle) if entry % 2 else math.sin(angle)
            assert net.positions[token, entry].item() == pytest.approx(wave, abs=1e-6)


def test_families_of_one_seed_share_all_weights():
    weights = []
    for family in TRANSFORMER_FAMILIES:
        torch.manual_seed(2)
        net = transformer(2, family=family, width=16)
        weights.append([module.weight for module in net.modules() if isinstance(module, nn.Linear | nn.Conv2d)])
    assert len(weights[0]) == 4 * 2 + 2
    for others in weights[1:]:
        assert all(torch.equal(one, other) for one, other in zip(weights[0], others, strict=True))


def test_weights_have_the_variance_of_the_theory():
    torch.manual_seed(0)
    net = transformer(1, width=128, init="kaiming", activation="relu")
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.numel() > 5000:
            fan_in = module.weight[0].numel()
            assert module.weight.var().item() == pytest.approx(
                theory.weight_variance("kaiming", "relu") / fan_in, rel=0.1
            )
            assert not module.bias.any()


@pytest.mark.parametrize("norm", ["layer", "none"])
@pytest.mark.parametrize("family", TRANSFORMER_FAMILIES)
def test_shapes(family, norm):
    net = transformer(2, family=family, norm=norm, width=8, patch=4, input_shape=(1, 8, 12), num_classes=7)
    assert net(torch.randn(3, 1, 8, 12)).shape == (3, 7)
    n_norms = sum(isinstance(module, nn.LayerNorm) for module in net.modules())
    assert n_norms == (0 if norm == "none" else 4 if family == "post-norm" else 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth must be at least 1 block; got 0. Nearest: 1."),
        ({"family": "residual"}, "family must be one of no-skip, pre-norm, post-norm; got 'residual'"),
        ({"heads": 5}, "heads must divide width 64; got 5. Nearest: 4."),
        ({"patch": 5}, "patch must divide the image's 32 x 32 pixels; got 5. Nearest: 4."),
        ({"width": 0}, "width must be at least 1; got 0"),
        ({"norm": "batch"}, "norm must be one of layer, none; got 'batch'"),
        ({"activation": "mish"}, "activation must be one of relu, .*; got 'mish'"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        transformer(**{"depth": 1, **arguments})
