"""From a name such as "nets.py:make" or "package.module:make" to the function it names, and to its source's digest."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from gradflow.errors import GradflowError
from gradflow.text import text


class TargetError(GradflowError):
    """A name that stands for no factory or model, or a model that no input could be guessed for; one line."""


def load_factory(name: str) -> Any:
    """Return what `package.module:FACTORY` or `path/to/file.py:FACTORY` names; it is not called.

    Modules are looked up in the present folder too, and a file's own imports beside it. Raises TargetError where there
    is no such file, module or factory, or importing it fails.
    """
    return _attribute(name, _module(name), name.rpartition(":")[2])


def _module(name: str) -> ModuleType:
    """Return the module, imported, that a factory's name begins with."""
    source, colon, attribute = name.rpartition(":")
    if not colon or not source or not attribute:
        raise TargetError(text("error.factory.form", value=repr(name)))
    with importable(source):
        try:
            return _from_file(source) if _is_file(source) else importlib.import_module(source)
        except TargetError:
            raise
        except (Exception, SystemExit) as error:
            raise TargetError(text("error.factory.import", name=name, reason=in_a_line(error))) from error


@contextmanager
def importable(source: str) -> Iterator[None]:
    """Find modules in the present folder, or beside a source that is a file, meanwhile."""
    folder = str(Path(source).resolve().parent) if _is_file(source) else str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def source_digest(name: str) -> str:
    """Return a digest of the code behind a factory: its module and those of its own that it uses, as they are on disk.

    A module is its own if it belongs to the same package, or lies in or below the factory's folder outside of
    `site-packages`. Uses that leave no name in a module (imports inside functions, files that are read) are not seen.
    Raises TargetError where the name stands for no factory.
    """
    module = _module(name)
    _attribute(name, module, name.rpartition(":")[2])
    files = _own_files(module, _root(module), {})
    listed = "".join(f"{name} {digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def _root(module: ModuleType) -> Path:
    """Return the folder that a module, or the package it belongs to, lies in."""
    file = Path(module.__file__ or ".").resolve()
    is_package = hasattr(module, "__path__")
    return file.parents[module.__name__.count(".") + is_package]


def _own_files(module: ModuleType, root: Path, found: dict[str, str]) -> dict[str, str]:
    """Add the digest of a module's file, and of the modules of its own that its names come from."""
    file = getattr(module, "__file__", None)
    if file is None or module.__name__ in found:
        return found
    path = Path(file).resolve()
    packages = {name.partition(".")[0] for name in found}
    is_beside = path.is_relative_to(root) and "site-packages" not in path.relative_to(root).parts
    is_own = not found or module.__name__.partition(".")[0] in packages
    if not (is_own or (is_beside and root.name != "site-packages")):
        return found
    found[module.__name__] = hashlib.sha256(path.read_bytes()).hexdigest()
    for value in list(vars(module).values()):
        origin = getattr(value, "__module__", None)
        used = value if isinstance(value, ModuleType) else sys.modules.get(origin) if isinstance(origin, str) else None
        if used is not None:
            _own_files(used, root, found)
    return found


def _is_file(source: str) -> bool:
    return source.endswith(".py")


def _from_file(source: str) -> ModuleType:
    path = Path(source)
    if not path.is_file():
        raise TargetError(text("error.factory.no_file", path=source))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(text("error.factory.not_python", path=source))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickle look their module up
    spec.loader.exec_module(module)
    return module


def _attribute(name: str, module: ModuleType, attribute: str) -> Any:
    if not callable(getattr(module, attribute, None)):
        known = [one for one in vars(module) if callable(getattr(module, one)) and not one.startswith("_")]
        raise TargetError(
            text(
                "error.factory.unknown",
                name=name,
                module=module.__name__,
                factory=repr(attribute),
                hint=nearest(attribute, known),
            )
        )
    return getattr(module, attribute)


def nearest(name: object, known: Iterable[str], most: int = 3) -> str:
    """Return the nearest of the names there are, as what an error says last; nothing where none is near."""
    found = difflib.get_close_matches(str(name), list(known), n=most, cutoff=0.4)
    return text("error.nearest", names=", ".join(found)) if found else ""


def in_a_line(error: BaseException) -> str:
    """Return an error's kind and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
