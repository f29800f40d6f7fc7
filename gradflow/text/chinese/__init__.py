"""The catalogue in Chinese: every sentence by key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gradflow.text.chinese.words import WORDS
from gradflow.text.english import ENGLISH

CHINESE: Mapping[str, str] = MappingProxyType({**ENGLISH, "seeds.many": "{n} 个随机种子", **WORDS})
