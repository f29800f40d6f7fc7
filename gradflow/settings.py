"""Every setting of a run and of a sweep, declared once: its type, default, known words and range.

A class is a group of settings and an annotation one of them: its type, the words that are known, and the range of its
numbers unless it is the one of its name in `gradflow.ranges`. Options and `--help`, whose words are the texts
`help.<group>.<name>`, the checks of arguments and of sweep files, and what their errors say is allowed are made from
these. A `tuple` may be empty, which is written "none"; a `Sequence` may not.

Neither torch nor pydantic is imported, so that `gradflow --help` answers at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from gradflow.ranges import RANGES, Range, beginning, shown
from gradflow.text import text

NONE = "none"  # the word for an empty list, and for no value
ACTIVATIONS = ("relu", "leaky-relu", "identity", "tanh", "sigmoid", "gelu", "silu", "elu", "selu", "softplus")
INITS = ("kaiming-fan-out", "default", "xavier", "kaiming", "kaiming-0.8", "critical")
NORMS = ("batch", "none", "group", "layer")


class Known(tuple[str, ...]):
    """Words that help and completion name, where others may stand too: a factory of one's own, a name of a model's."""


Data = Annotated[str, Known(("digits", "mnist5k", "cifar10", "cifar10:FOLDER"))]
_AT_LEAST_0 = Range("a number of at least 0", 0)
_KINDS = {int: ("a whole number", "whole numbers"), float: ("a number", "numbers"), str: ("text", "words")}


class RunSettings:
    """What is trained on what, what is recorded of it beside the steps 0, 1, 10, 100 and the end, and where.

    The probes are those of `gradflow.experiments.probes`; "auto" takes the GPU if there is one, other devices have
    PyTorch's names; `processes` train a network together, as `torchrun` starts them.
    """

    model: Annotated[str, Known(("cifar", "resnet", "mini", "mlp", "transformer"))] = "cifar"
    data: Data = "digits"
    record_every: int = 10
    eval_every: int = 150
    probes: tuple[Literal["skips", "shattering", "paths"], ...] = ("skips", "shattering")
    device: Annotated[str, Known(("auto", "cpu", "cuda"))] = "auto"
    processes: int = 1


class OptionSettings:
    """Options of networks: which of them a model has, and with which defaults, is in its entry of the catalogue."""

    shortcut: Annotated[str, Known(("A", "B"))] = "A"
    widths: Annotated[Sequence[int], RANGES["size"]] = (16, 32, 64)
    width: Annotated[int, RANGES["size"]]
    activation: Annotated[str, Known(ACTIVATIONS)]
    init: Annotated[str, Known(INITS)]
    norm: Annotated[str, Known(NORMS)]


@dataclass(frozen=True)  # which dataclasses.fields and replace know, of a Recipe too
class RecipeSettings:
    """Training practice, every number of it.

    Attributes
    ----------
    accumulate
        Each backward pass takes batch_size / accumulate images. Batch norm sees these smaller batches.
    optimizer
        SGD with momentum (weight decay added to the gradient) or AdamW (Loshchilov & Hutter 2019; decoupled decay,
        beta2 0.999, `momentum` is beta1).
    schedule
        Cosine falls to 0 over the steps (Loshchilov & Hutter 2017); step falls tenfold at half and at three quarters
        of them, as in He et al. 2015; multistep falls tenfold at each of `milestones`; the warm-up is linear.
    warmup_until
        Start at a tenth of `lr` and go to it once the training error is below this fraction: 0.8 in He et al. 2015,
        section 4.2, for 110 layers. It is the mean error of 20 batches, looked at after every 20 updates.
    augment
        "crop" (pad by an eighth, 4 of 32, and crop at random), "flip" (horizontal) and "jitter" (brightness, contrast,
        saturation), as in `gradflow.experiments.augmentation`.
    clip
        Larger gradients are scaled down to it. Recorded are the gradients after it, and the norm before it as
        `unclipped_grad_norm`.
    precision
        bf16 and fp16 run the forward pass under autocast, fp16 with a gradient scaler. Weights, and errors on whole
        sets, stay float32.
    """

    steps: int = 300
    batch_size: int = 64
    accumulate: int = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "step", "multistep", "constant"] = "cosine"
    milestones: tuple[int, ...] = ()
    warmup: int = 0
    warmup_until: float | None = None
    augment: tuple[Literal["crop", "flip", "jitter"], ...] = ()
    clip: float | None = None
    precision: Literal["float32", "bf16", "fp16"] = "float32"


class OneRunSettings:
    """Which run of a sweep."""

    depth: int
    family: str
    seed: int


class SweepSettings:
    """Of which networks a sweep is made."""

    depths: Annotated[Sequence[int], RANGES["depth"]]
    families: Sequence[str] = ("plain", "residual")
    seeds: int | Sequence[int] = 3


class NotesSettings:
    """What a sweep file says beside the settings of its runs."""

    title: str = ""
    question: str = ""
    experiment: Literal["compare", "shattering"] = "compare"


class FigureSettings:
    """A published error: a fraction, of a network."""

    family: str
    depth: Annotated[float, _AT_LEAST_0]
    error: Annotated[float, Range("a fraction from 0 to 1", 0, math.nextafter(1, 2))]
    source: str
    kind: Literal["published", "illustrative"] = "published"
    measure: Literal["train_error", "test_error"] = "train_error"


class OtherFigureSettings:
    """What published figures that are no errors hold besides."""

    modules: Annotated[float, _AT_LEAST_0]
    shortest: Annotated[float, _AT_LEAST_0]
    longest: Annotated[float, _AT_LEAST_0]
    norm: str
    law: str


class ShatteringSettings:
    """Shattering by depth, at initialisation."""

    blocks: Sequence[int] = (1, 2, 3, 4, 8, 16, 32, 64, 128)
    width: Annotated[int, RANGES["size"]] = 256
    seeds: int = 10
    n_inputs: int = 128


class VanishingSettings:
    """The demonstration of the vanishing gradient.

    There are at least six hidden layers: three are left once the transients at both ends are left out. The closed forms
    hold for wide layers: at 256 units the factor is within 1 % of them. Batch norm's factor is that of large batches.
    """

    depth: Annotated[int, beginning("depth", 7)] = 20
    width: Annotated[int, RANGES["size"]] = 256
    seeds: int = 10
    data: Data = "digits"
    batch_size: Annotated[int, beginning("batch_size", 2)] = 128


class ExecutionSettings:
    """How and where runs are made; none of it shapes them."""

    address: str
    gpus_per_run: float
    retries: int = 5  # of a run whose node or process was lost
    store: str
    workers: int
    checkpoint_every: float = 20.0


class Setting(NamedTuple):
    """A setting as it is declared: `kind`, int, float or str, is that of each value where it `is_list`.

    The default is `...` where other settings decide it, the range None for words, and `choices` are empty where any
    word may be, or where a model or data set says which; `known` are words that are named then. `group` is the class
    that declares it.
    """

    name: str
    kind: type
    default: Any
    group: str
    range: Range | None
    known: tuple[str, ...]
    choices: tuple[str, ...]
    is_list: bool
    is_one: bool  # it may be a single value
    may_be_none: bool

    @property
    def help_line(self) -> str:
        """What `--help` says: the text `help.<group>.<name>`, and the default."""
        words = text("list.enumeration").join(self.choices or self.known)
        default = "" if self.default is ... else text("help.default", value=brief(self.default))
        return "  ".join(filter(None, (text(f"help.{self.group}.{self.name}", words=words), default)))

    @property
    def type_words(self) -> str:
        """Of which type a file has it."""
        one, several = _KINDS[self.kind]
        listed = f"a list of {'them' if self.is_one else several}"
        return " or ".join([one] * self.is_one + [listed] * self.is_list + [f'"{NONE}"'] * self.may_be_none)

    def checked(self, value: Any) -> Any:
        """Return a value as it is kept, lists as tuples; ValueError, in one line, if the setting may not have it."""
        values = listed(value) if self.is_list else (value,)
        if not (values or self.may_be_none):
            raise ValueError(f"{self.name} must name at least one; got {NONE}.")
        if any(one not in self.choices for one in values if self.choices):
            known = ", ".join(self.choices)
            if self.is_list:
                raise ValueError(f"{self.name} must be {NONE}, or some of {known}; got {in_words(values)}.")
            raise ValueError(f"{self.name} must be one of {known}; got {shown(value)}.")
        for one in () if value is None and self.may_be_none else values:
            wrong = self.range.complaint(self.name, one) if self.range else ""
            if wrong:
                raise ValueError(wrong)
        return values if self.is_list else value


@cache
def settings_of(*groups: type) -> Mapping[str, Setting]:
    """Return the settings of groups by name, in the order in which they are declared.

    Examples
    --------
    >>> settings_of(RecipeSettings)["optimizer"].help_line
    'Optimizer: sgd, adamw.  [default: sgd]'
    """
    hints = ((group, *item) for group in groups for item in get_type_hints(group, include_extras=True).items())
    return MappingProxyType(
        {
            name: setting(name, hint, getattr(group, name, ...), group.__name__.removesuffix("Settings").lower())
            for group, name, hint in hints
        }
    )


def setting(name: str, hint: Any, default: Any = ..., group: str = "") -> Setting:
    """Return a setting by its type, as the classes above write it."""
    hint, *told = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    forms = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    lists = [form for form in forms if get_origin(form) in (Sequence, tuple)]
    kind = get_args(lists[0])[0] if lists else forms[0]
    choices = get_args(kind)  # of a Literal
    known = next((one for one in told if isinstance(one, Known)), Known())
    numbers = next((one for one in told if isinstance(one, Range)), None if kind is str else RANGES.get(name))
    may_be_none = NoneType in forms or any(get_origin(form) is tuple for form in lists)
    is_one = lists != [forms[0]]
    kind = str if choices else kind
    return Setting(name, kind, default, group, numbers, known, choices, bool(lists), is_one, may_be_none)


def listed(value: Any) -> tuple[Any, ...]:
    """Return the values of a setting that is a list: none for None and for the word "none", a lone one by itself.

    Examples
    --------
    >>> listed(["crop", "flip"]), listed("crop"), listed(None), listed(["none"])
    (('crop', 'flip'), ('crop',), (), ())
    """
    values = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    return () if values in ((None,), (NONE,)) else values


def in_words(values: Iterable[Any]) -> str:
    """Return values as an error lists them; nothing where there are none."""
    return ", ".join(value if isinstance(value, str) else shown(value) for value in values)


def brief(value: Any) -> str:
    """Return a setting's value in few characters.

    Examples
    --------
    >>> brief(1e-4), brief(()), brief(("crop", "flip"))
    ('0.0001', 'none', 'crop,flip')
    """
    if value is None or value == ():
        return NONE
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
