"""From a target such as "torchvision:resnet50" or "nets.py:make" to a model and a batch that fits it.

torchvision and timm are optional and imported here alone; so is transformers, but for its callback.
"""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gradflow.factories import TargetError, importable, in_a_line, load_factory, nearest
from gradflow.memory import lack
from gradflow.ranges import shown
from gradflow.text import text

CLASSIFIERS = ("torchvision", "timm")  # libraries whose networks take the number of classes
COLOURS = 3  # channels that torchvision's networks take
BATCH = 8
BYTES = 4  # of a number of an input
TOKENS = 16  # length of a guessed sequence
# Sizes that pictures have, tried in order; networks whose first convolution neither strides nor spans more than 3
# pixels are made for small ones (He et al. 2015, section 4.2 against table 1).
LARGE_FIRST = (224, 299, 256, 384, 128, 96, 64, 32, 28, 8)
SMALL_FIRST = (32, 28, 64, 224, 8, 96, 128, 256, 299, 384)
LENGTHS = (1024, 256, 64, 16)  # of a one-dimensional signal
VOLUMES = ((16, 112, 112), (8, 64, 64), (32, 32, 32), (16, 16, 16))

DOWNLOADED = ("weights", "weights_backbone", "pretrained")  # arguments of a library's models that fetch trained weights
NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
Shape = tuple[int, ...]
Settings = Mapping[str, Any]
NO_SETTINGS: Settings = MappingProxyType({})


class Target(NamedTuple):
    """A model, what it is called with, and the targets of a loss; `origin` tells where the input comes from."""

    name: str
    model: nn.Module
    inputs: Any
    targets: Any = None
    origin: str = "given"


def load_target(
    name: str,
    *,
    shape: Sequence[int] | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    settings: Settings = NO_SETTINGS,
    must_run: bool = True,
) -> Target:
    """Return the model that a target names, freshly initialised, and a batch of random numbers that fits it.

    Parameters
    ----------
    name : str
        `torchvision:NAME`, `timm:NAME` or `transformers:NAME`, never with downloaded weights (of transformers a class,
        such as GPT2LMHeadModel, or a type of model, such as gpt2, whose configuration the settings change);
        `package.module:FACTORY` or `path/to/file.py:FACTORY`. A factory returns a model, or a tuple (model,
        inputs) or (model, inputs, targets); a module class will do, and a model itself.
    shape : sequence of int, optional
        Of the input, batch first: `(8, 3, 224, 224)`. By default what the library says or what the first layer takes.
    num_classes : int, optional
        Of the data. A factory whose signature names it gets it, as it gets `input_shape` and `in_channels` of `shape`.
    seed : int
        Of weights and inputs. The global random state is left as it was.
    settings : mapping
        What the factory, or the library's model, is called with, by name.
    must_run : bool
        Whether a guessed input has to run through the model. If not, the likeliest one is taken where none does.

    Raises
    ------
    TargetError
        There is no such file, module, factory or model; a library is missing; the factory fails, does not take a
        setting or needs another; or no input could be guessed.

    Examples
    --------
    >>> import sys
    >>> from types import ModuleType
    >>> def make():
    ...     return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> sys.modules["nets"] = ModuleType("nets")
    >>> sys.modules["nets"].make = make
    >>> load_target("nets:make").inputs.shape
    torch.Size([8, 1, 32, 32])
    """
    source, colon, attribute = name.rpartition(":")
    if not colon or not source or not attribute:
        raise TargetError(text("error.target.form", value=shown(name)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if source in _LIBRARIES:
            made, hints = _LIBRARIES[source](attribute, settings)
        else:
            made, hints = _made(name, source, settings, _of_data(shape, num_classes)), []
    model, *given = made if isinstance(made, tuple) and made else (made,)
    if not isinstance(model, nn.Module) or len(given) > 2:
        raise TargetError(text("error.target.returns", name=name, kind=type(made).__name__))
    if shape is not None:
        return Target(name, model, random_input(model, tuple(shape), seed=seed))
    if given:
        return Target(name, model, given[0], given[1] if len(given) > 1 else None, origin="factory")
    return Target(name, model, _guessed(name, model, hints, seed, must_run=must_run), origin="guessed")


def check_classifier(name: str) -> str:
    """Return the version of the library, torchvision or timm, that a name such as `timm:resnet18` begins with.

    Raises TargetError where the library is missing or has no such model.
    """
    source, _, attribute = name.rpartition(":")
    library = _library(source)
    _check_known(attribute, (library.models if source == "torchvision" else library).list_models(), source)
    return str(library.__version__)


def check_channels(name: str, channels: int) -> None:
    """Raise TargetError where a library's networks do not take images of so many channels."""
    if name.startswith("torchvision:") and channels != COLOURS:
        raise TargetError(text("error.target.channels", name=name, channels=COLOURS, value=channels))


def classifier(name: str, settings: Settings, *, channels: int, num_classes: int) -> nn.Module:
    """Return a network of torchvision or timm for images of some channels, initialised by the present random state."""
    source, _, attribute = name.rpartition(":")
    of_data = {"num_classes": num_classes} | ({"in_chans": channels} if source == "timm" else {})
    return _LIBRARIES[source](attribute, {**of_data, **settings})[0]


def moved(target: Target, device: str) -> Target:
    """Return the target with its model, which is moved itself, and copies of its tensors on a device.

    Raises TargetError if torch knows no such device, or this machine has none.

    Examples
    --------
    >>> moved(Target("net", nn.Linear(2, 1), (torch.ones(3, 2),)), "meta").inputs[0].device
    device(type='meta')
    """
    try:
        return target._replace(
            model=target.model.to(device), inputs=_on(device, target.inputs), targets=_on(device, target.targets)
        )
    except (RuntimeError, AssertionError) as error:  # a torch built without CUDA asserts
        raise TargetError(text("error.target.device", value=repr(device), reason=in_a_line(error))) from error


def _on(device: str, value: Any) -> Any:
    """Return a nest of tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _on(device, item) for name, item in value.items()}
    return type(value)(_on(device, item) for item in value) if type(value) in (list, tuple) else value


def random_input(model: nn.Module, shape: Shape, *, seed: int = 0) -> Tensor:
    """Return random numbers of a shape: standard normal, or token numbers where the first layer is an embedding.

    Type and device are those of the model's first parameter.

    Examples
    --------
    >>> random_input(nn.Embedding(10, 4), (2, 3)).dtype
    torch.int64
    """
    missing = lack(math.prod(shape) * BYTES)
    if missing:
        raise TargetError(f"input {','.join(map(str, shape))} is too large: {missing}.")
    generator = torch.Generator().manual_seed(seed)
    first = _first_layer(model)[1]
    parameter = next(model.parameters(), torch.empty(0))
    if isinstance(first, nn.Embedding | nn.EmbeddingBag):
        return torch.randint(0, first.num_embeddings, shape, generator=generator).to(parameter.device)
    drawn = torch.randn(shape, generator=generator)
    return drawn.to(parameter.device, parameter.dtype if parameter.is_floating_point() else drawn.dtype)


def _guessed(name: str, model: nn.Module, hints: Sequence[Shape], seed: int, *, must_run: bool) -> Any:
    """Return the first input that runs through a copy of the model, in eval mode and with a batch of two."""
    layer, first = _first_layer(model)
    shapes = list(dict.fromkeys([*hints, *_shapes(first)]))
    trial = copy.deepcopy(model).eval()
    failure = ""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for shape in shapes:
            try:
                trial(random_input(trial, (2, *shape), seed=seed))
            except Exception as error:  # this shape does not fit; the next may
                failure = failure or in_a_line(error)
                continue
            return random_input(model, (BATCH, *shape), seed=seed)
        dummy = getattr(model, "dummy_inputs", None)  # of a transformers model that takes more than one input
        if isinstance(dummy, dict) and _runs(trial, dummy):
            return dummy
    if shapes and not must_run:
        return random_input(model, (BATCH, *shapes[0]), seed=seed)
    kind = f"{layer} ({type(first).__name__})"
    tried = text("error.target.no_layer")
    if shapes:
        tried = text("error.target.tried", n=len(shapes), layer=kind, reason=failure)
    raise TargetError(text("error.target.no_input", name=name, tried=tried))


def _runs(model: nn.Module, inputs: dict[str, Any]) -> bool:
    try:
        model(**inputs)
    except Exception:  # whatever it is, this input does not fit
        return False
    return True


def _first_layer(model: nn.Module) -> tuple[str, nn.Module | None]:
    """Return the first layer that tells what a model takes, in the order of its making, and its name."""
    telling = (nn.modules.conv._ConvNd, nn.Linear, nn.Embedding, nn.EmbeddingBag, nn.RNNBase, nn.MultiheadAttention)
    found = ((name or "(root)", module) for name, module in model.named_modules() if isinstance(module, telling))
    return next(found, ("", None))


def _shapes(first: nn.Module | None) -> list[Shape]:
    """Return the shapes, without the batch, that a first layer suggests, the likeliest first."""
    if isinstance(first, nn.modules.conv._ConvNd):
        return [(first.in_channels, *size) for size in _sizes(first)]
    if isinstance(first, nn.Linear):
        return [(first.in_features,), (TOKENS, first.in_features)]
    if isinstance(first, nn.RNNBase):
        return [(TOKENS, first.input_size)]
    if isinstance(first, nn.MultiheadAttention):
        return [(TOKENS, first.embed_dim)]
    return [] if first is None else [(TOKENS,)]


def _sizes(first: nn.modules.conv._ConvNd) -> list[Shape]:
    """Return the sizes of signals, pictures or volumes that a first convolution may be made for."""
    dimensions = len(first.kernel_size)
    if dimensions != 2:
        return [(length,) for length in LENGTHS] if dimensions == 1 else list(VOLUMES)
    is_small = max(first.stride) == 1 and max(first.kernel_size) <= 5
    return [(size, size) for size in (SMALL_FIRST if is_small else LARGE_FIRST)]


def _torchvision(name: str, settings: Settings) -> tuple[nn.Module, list[Shape]]:
    models = _library("torchvision.models")
    _check_known(name, models.list_models(), "torchvision")
    options = dict.fromkeys(
        {"weights", "weights_backbone"} & signature(models.get_model_builder(name)).parameters.keys()
    )
    preset = models.get_model_weights(name).DEFAULT.transforms()  # says the size; loads nothing
    size = getattr(preset, "crop_size", None)
    model = _of_library(name, lambda: models.get_model(name, **options, **settings), settings)
    first = _first_layer(model)[1]
    if size is None or not isinstance(first, nn.Conv2d):
        return model, []
    return model, [(first.in_channels, size[0], size[-1])]


def _timm(name: str, settings: Settings) -> tuple[nn.Module, list[Shape]]:
    timm = _library("timm")
    _check_known(name, timm.list_models(), "timm")
    model = _of_library(name, lambda: timm.create_model(name, pretrained=False, **settings), settings)
    size = getattr(model, "pretrained_cfg", {}).get("input_size")
    return model, [tuple(size)] if size else []


def _transformers(name: str, settings: Settings) -> tuple[nn.Module, list[Shape]]:
    library = _library("transformers")
    types = library.CONFIG_MAPPING
    if name in types:
        kind, configured = library.AutoModel, types[name]
        make = kind.from_config
    else:
        kind = getattr(library, name, None) if name.isidentifier() else None
        configured = getattr(kind, "config_class", None)
        if configured is None:
            classes = [
                one for one in dir(library) if one.endswith(("Model", "LM")) or "ModelFor" in one or "LMHead" in one
            ]
            _check_known(name, [*types, *classes], "transformers")
            raise TargetError(text("error.target.unknown", library="transformers", name=repr(name), hint=""))
        make = kind
    _check_settings(name, configured, settings)
    with torch.device("meta"):  # a configuration's default may be the largest model of its kind
        empty = _of_library(name, lambda: make(configured(**settings)), settings)
    n_entries = sum(parameter.numel() for parameter in empty.parameters())
    missing = lack(n_entries * BYTES)
    if missing:
        raise TargetError(f"{name} has {n_entries:,} parameters: {missing}. Make it smaller (--set hidden_size=64).")
    return _of_library(name, lambda: make(configured(**settings)), settings), []


def _check_settings(name: str, configured: Any, settings: Settings) -> None:
    """Raise TargetError for a setting that a configuration has no use for: it would keep any."""
    known = [one for one in vars(configured()) if not one.startswith("_")] + [*configured.attribute_map]
    for setting in settings:
        if setting not in known:
            raise TargetError(text("error.target.setting", name=name, setting=setting, hint=nearest(setting, known)))


# Each gives a model without trained weights, and the shapes of input that the library itself names.
_LIBRARIES: Mapping[str, Callable[[str, Settings], tuple[nn.Module, list[Shape]]]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "transformers": _transformers,
}


def _of_library(name: str, make: Callable[[], nn.Module], settings: Settings) -> nn.Module:
    """Return the model that a library makes with the settings."""
    fetched = next((one for one in DOWNLOADED if one in settings), None)
    if fetched is not None:
        raise TargetError(text("error.target.pretrained", name=name, setting=fetched))
    try:
        return make()
    except Exception as error:
        if not settings:
            raise
        given = ", ".join(f"{one}={value!r}" for one, value in settings.items())
        line = text("error.target.cannot_make", name=name, settings=given, reason=in_a_line(error))
        raise TargetError(line) from error


def _library(module: str) -> Any:
    name = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name and error.name.partition(".")[0] != name:
            raise TargetError(text("error.factory.import", name=name, reason=in_a_line(error))) from error
        raise TargetError(text("error.target.not_installed", name=name)) from None


def _check_known(name: str, known: Sequence[str], library: str) -> None:
    if name not in known:
        hint = nearest(name, known)
        raise TargetError(text("error.target.unknown", library=library, name=repr(name), hint=hint))


def _of_data(shape: Sequence[int] | None, num_classes: int | None) -> Settings:
    """Return what the data decides, as far as it is known, by the names that a factory may have for it."""
    known: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    if shape is not None and len(shape) > 1:
        known |= {"input_shape": tuple(shape[1:]), "in_channels": shape[1]}
    return known


def _made(name: str, source: str, settings: Settings, of_data: Settings) -> Any:
    """Return what a factory in a module or a file makes; a model itself is returned as it is."""
    found = load_factory(name)
    if isinstance(found, nn.Module):
        if settings:
            raise TargetError(text("error.target.is_model", name=name, setting=next(iter(settings))))
        return found
    arguments = _arguments(name, found, settings, of_data)
    with importable(source):
        try:
            return found(**arguments)
        except (Exception, SystemExit) as error:
            raise TargetError(text("error.target.failed", name=name, reason=in_a_line(error))) from error


def _arguments(name: str, factory: Callable[..., Any], settings: Settings, of_data: Settings) -> dict[str, Any]:
    """Return what a factory is called with, once its signature fits."""
    try:
        whole = signature(factory)
    except ValueError:  # of some builtins
        return dict(settings)
    parameters = whole.parameters.values()
    named = {one.name for one in parameters if one.kind in NAMED}
    takes_any = any(one.kind is Parameter.VAR_KEYWORD for one in parameters)
    written = f"{name.rpartition(':')[2]}{' '.join(str(whole).split())}"
    told = text("error.target.signature", signature=written)
    unknown = [one for one in settings if one not in named]
    if unknown and not takes_any:
        raise TargetError(text("error.target.no_argument", name=name, argument=unknown[0], signature=told))
    arguments = {**{one: value for one, value in of_data.items() if one in named}, **settings}
    by_position = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    missing = [
        one.name
        for one in parameters
        if one.default is Parameter.empty and one.kind not in by_position and one.name not in arguments
    ]
    if missing:
        wanted = ", ".join(missing)
        raise TargetError(text("error.target.needs", name=name, arguments=wanted, first=missing[0], signature=told))
    return arguments
