"""Transformers' architectures from tiny configurations: two layers, 32 features, a vocabulary of 128."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, logging
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from .specimen import Batch, Specimen

VOCABULARY, LENGTH, PIXELS = 128, 16, 64

# What configurations call a number, and what it is set to where it is larger.
TINY = {
    32: "hidden_size d_model n_embd dim emb_dim embed_dim embedding_size decoder_hidden_size attention_hidden_size "
    "encoder_embed_dim decoder_embed_dim projection_dim width hidden_dim word_embed_dim entity_emb_size "
    "conv_pos_batch_norm encoder_hidden_dim decoder_hidden_dim text_embed_dim vision_embed_dim model_dim",
    64: "intermediate_size ffn_dim d_ff d_inner encoder_ffn_dim decoder_ffn_dim dim_feedforward n_inner "
    "moe_intermediate_size shared_expert_intermediate_size mlp_dim inner_dim dff max_position_embeddings "
    "n_positions n_ctx max_seq_len seq_length filter_size",
    2: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_encoder_layers "
    "num_decoder_layers depth num_blocks encoder_num_hidden_layers decoder_num_hidden_layers "
    "num_experts_per_tok top_k moe_topk num_nextn_predict_layers num_hidden_groups",
    4: "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads "
    "num_key_value_heads num_experts num_local_experts n_routed_experts decoder_num_attention_heads "
    "encoder_num_attention_heads num_kv_heads n_head_kv",
    8: "head_dim attention_head_size d_kv kv_channels",
    VOCABULARY: "vocab_size src_vocab_size tgt_vocab_size decoder_vocab_size text_vocab_size entity_vocab_size",
    PIXELS: "image_size img_size",
}
LARGEST = {name: value for value, names in TINY.items() for name in names.split()}
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "sep_token_id", "mask_token_id")


def names() -> list[str]:
    """Every model type that `AutoModel` builds from its configuration, one of each class."""
    _make("bert", {})  # imports what all models need once, before a process is forked for each
    first = {kind_of(name): name for name in reversed(CONFIG_MAPPING_NAMES) if name in MODEL_MAPPING_NAMES}
    return list(reversed(first.values()))


def kind_of(name: str) -> str:
    """Return the class that `AutoModel` chooses."""
    entry = MODEL_MAPPING_NAMES[name]
    return entry if isinstance(entry, str) else entry[0]


def specimens(name: str) -> Iterator[Specimen]:
    """Yield the tiny model with eager attention and with the library's default."""
    for attention in ({"attn_implementation": "eager"}, {}):
        yield Specimen(partial(_make, name, attention), BATCHES)


def shrink(config: PreTrainedConfig) -> PreTrainedConfig:
    """Set every size of a configuration, and of those inside it, to at most its tiny value."""
    for key, value in list(vars(config).items()):
        if isinstance(value, PreTrainedConfig):
            shrink(value)
        elif key in LARGEST and isinstance(value, int) and not isinstance(value, bool):
            setattr(config, key, min(value, LARGEST[key]))
        elif key in TOKENS and isinstance(value, int) and value >= VOCABULARY:
            setattr(config, key, 1)
        elif key == "layer_types" and isinstance(value, list):
            setattr(config, key, value[:2])
    return config


def _make(name: str, attention: dict[str, Any]) -> nn.Module:
    logging.set_verbosity_error()
    config = shrink(AutoConfig.for_model(name))
    model: nn.Module = AutoModel.from_config(config, **attention)
    return model


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def _ids() -> Tensor:
    return torch.randint(3, VOCABULARY - 8, (2, LENGTH), generator=torch.Generator().manual_seed(1))


def _tokens(model: nn.Module) -> Batch:
    return Batch((), {"input_ids": _ids(), "attention_mask": torch.ones(2, LENGTH, dtype=torch.long)})


def _ids_alone(model: nn.Module) -> Batch:
    return Batch((), {"input_ids": _ids()})


def _pairs(model: nn.Module) -> Batch:
    """Tokens for the encoder and for the decoder."""
    return Batch((), {"input_ids": _ids(), "decoder_input_ids": _ids()})


def _pixels(model: nn.Module) -> Tensor:
    config: Any = model.config
    vision = getattr(config, "vision_config", config)
    size = getattr(vision, "image_size", PIXELS)
    channels = getattr(vision, "num_channels", 3)
    size = size if isinstance(size, (list, tuple)) else (size, size)
    return _random(2, channels, *size)


def _images(model: nn.Module) -> Batch:
    return Batch((), {"pixel_values": _pixels(model)})


def _images_and_tokens(model: nn.Module) -> Batch:
    return Batch((), {"pixel_values": _pixels(model), "input_ids": _ids()})


def _sound(model: nn.Module) -> Batch:
    return Batch((), {"input_values": _random(2, 4000)})


def _channel_of_sound(model: nn.Module) -> Batch:
    return Batch((), {"input_values": _random(2, 1, 4000)})


def _spectra(model: nn.Module) -> Batch:
    config: Any = model.config
    bands = getattr(config, "num_mel_bins", 80)
    frames = 2 * getattr(config, "max_source_positions", 32)
    return Batch((), {"input_features": _random(2, bands, frames), "decoder_input_ids": _ids()})


BATCHES = (_tokens, _ids_alone, _pairs, _images, _images_and_tokens, _sound, _channel_of_sound, _spectra)
