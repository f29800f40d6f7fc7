"""What `gradflow env` prints: the versions that gradflow runs with, and the hardware."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from gradflow.cli import output
from gradflow.cli.terminal import show
from gradflow.tables import Table
from gradflow.tables.exports import as_json as as_json_text
from gradflow.text import text

OWN = "gradflow-torch"


def print_environment(*, as_json: bool) -> None:
    """Print versions of all packages that gradflow uses, and what it would compute on."""
    found = dict(environment())
    if as_json:
        output.emit(as_json_text(found))
    else:
        show(Table("", (), list(found.items())))


def environment() -> Iterator[tuple[str, str]]:
    """Yield what a bug report needs: name and value, packages that are not installed left out."""
    yield "gradflow", _version(OWN)
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "system", platform.platform()
    yield "processors", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    yield from _torch()
    names = sorted({re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in requires(OWN) or ()} - {OWN, "torch"})
    yield from ((name, found) for name in names if (found := _version(name)))


def _torch() -> Iterator[tuple[str, str]]:
    try:
        import torch
    except ImportError as error:
        yield "torch", text("cli.env.no_torch", error=str(error))
        return
    yield "torch", torch.__version__
    yield "threads", str(torch.get_num_threads())
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        yield "accelerator", text("cli.env.none")
    else:
        number = torch.accelerator.device_count()
        name = torch.cuda.get_device_name(0) if accelerator.type == "cuda" else accelerator.type
        yield "accelerator", f"{name} × {number}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
