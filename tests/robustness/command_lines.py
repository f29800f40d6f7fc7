"""Draws command lines from click's tree of commands and says which of them end as none may.

    python command_lines.py SEED COUNT

Everything happens in this process, under a bound of memory, in a temporary folder, offline; nothing is trained, and no
report is drawn. A JSON object a line for each command line that ends badly, and one with the counts at last.
"""

import collections
import io
import itertools
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import urllib.request
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from urllib.error import URLError

import click
import torch

from gradflow import experiments, reporting
from gradflow.cli import main
from gradflow.cli.commands import cli
from gradflow.experiments import estimate
from gradflow.models import block_timing

MEMORY = 6 * 2**30  # bytes of addresses beyond those that torch takes when it is imported
SECONDS = 10  # of computing, for one command line
HANGS = 60  # seconds by the clock, on a machine that may be busy
EXIT_CODES = (0, 2)  # 1, 3 and 130 belong to checks, to runs that fail and to Ctrl-C

DIGITS = "9" * 20
NUMBERS = ["0", "-1", "1", "2", "1.5", "1e308", "-1e308", "1e-320", "nan", "inf", "-inf", "1e400", DIGITS, "-" + DIGITS]
NUMBERS += [
    "9" * 5000,
    "1_0",
    "٣",
    "²",
    "",
    " ",
    " 3 ",
    "0x10",
    "1e3",
    "3,",
    ",3",
    "1,2",
    "1000000",
    "3\x00",
    "½",
    "-",
]
TEXTS = [
    "",
    " ",
    "x",
    "cifar",
    "none",
    "all",
    ",",
    ",,",
    "ünïcode",
    "\x1b[31m",
    "a\nb",
    "*",
    "[",
    "{}",
    "=",
    "x" * 5000,
]
TEXTS += ["list", "\x00", "..", "é" * 300]
PATHS = [
    "",
    "new",
    "sweep",
    "sweep/runs",
    "rates.toml",
    "rates.toml/under",
    "a\x00b",
    "p" * 5000,
    "-",
    "~",
    ".",
    "locked",
]
PATHS += ["pipe", "/dev/null", "/dev/zero", "/dev/null/x", "link", "loop", "folder", "binary.toml", "empty.toml"]
PATHS += [
    "deep.toml",
    "digits.toml",
    "dates.toml",
    "bom.toml",
    "latin.toml",
    "/proc/self/mem",
    "~nobody/x",
    "d/" * 2000,
]
ASSIGNMENTS = [
    "lr=0.1",
    "depth=8",
    "lr",
    "=",
    "lr=",
    "=1",
    "x=1,2",
    "clip=nan",
    "seed=1",
    "steps=1e9",
    "steps=" + DIGITS,
]
ASSIGNMENTS += [
    "lr=" + "(" * 500,
    "lr=inf",
    "widths=2,2,2",
    "probes=none",
    "a b=1",
    "lr=0.1,0.1",
    "families=1",
    "norm=[]",
]
ASSIGNMENTS += [
    "workers=2",
    "batch-size=٣",
    "x=" + "9" * 5000,
    "device=cpu",
    "data=",
    "model=:",
    "momentum={}",
    "width=1e9",
]
# Values that are in order, by the parameter's name; one that is not here takes any of these.
ORDERLY = {
    "depths": ["8", "8,14", "3"],
    "depth": ["8", "20"],
    "families": ["plain", "plain,residual"],
    "seeds": ["1", "2"],
    "preset": ["smoke", "list", "he2015-fig6", "balduzzi2017-shattering"],
    "model": ["cifar", "mini", "mlp", "nets.py:make"],
    "data": ["digits", "numbers.py:make"],
    "shortcut": ["A", "B"],
    "widths": ["4,4,4", "2,2"],
    "width": ["4", "8"],
    "activation": ["relu", "tanh"],
    "init": ["default", "kaiming"],
    "norm": ["batch", "none"],
    "optimizer": ["sgd", "adamw"],
    "schedule": ["cosine", "multistep"],
    "precision": ["float32", "bf16"],
    "augment": ["crop", "flip,jitter", "none"],
    "probes": ["skips", "none"],
    "vary": ["lr=0.1,0.02", "clip=1,none"],
    "settings": ["relu-kaiming", "tanh-default"],
    "engine": ["local", "ray"],
    "store": ["file:stored", "memory://x"],
    "device": ["cpu", "auto"],
    "lang": ["en", "zh"],
    "input": ["2,1,8,8", "8,1,8,8"],
    "twin": ["nets.py:make"],
    "target": [
        "nets.py:make",
        "numbers.py:make",
        "nets.py",
        "nets:make",
        "torchvision:resnet18",
        "timm:x",
        ":",
        "x.py:y",
    ],
    "set": ["width=2", "width=4"],
    "tolerances": ["loss=1", "grad_norm=0.3"],
    "formats": ["png", "png,svg"],
    "interval": ["1", "0.5"],
    "lr": ["0.1", "0.02"],
    "momentum": ["0.5"],
    "file": ["rates.toml"],
    "paths": ["sweep", "sweep/runs"],
    "runs": ["sweep"],
    "run": ["sweep"],
    "joins": ["*", "0*"],
}
# What keeps a command short: options it always has. A later value of the same option replaces these.
KEPT_SHORT = {
    "compare": ["--dry-run"],
    "sweep": ["--dry-run"],
    "watch": ["--once"],
    "vanishing": ["--depth", "7", "--width", "4", "--seeds", "1", "--settings", "relu-kaiming"],
    "models": ["--repeats", "1"],
}
SWEEP = 'depths = [8]\nfamilies = ["plain"]\nseeds = 1\nsteps = 3\nwidths = [2, 2, 2]\n[vary]\nlr = [0.1, 0.02]\n'
NETS = "from torch import nn\ndef make(width=4):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, width))\n"
DATA = (
    "import torch\ndef make():\n    x = torch.randn(32, 1, 8, 8)\n    y = torch.arange(32) % 4\n    return x, y, x, y\n"
)


class Late(BaseException):
    """A command line that takes too long; no command catches it."""


def furnish(home):
    """Put the files of `PATHS` into a folder."""
    contents = {
        "rates.toml": SWEEP.encode(),
        "nets.py": NETS.encode(),
        "numbers.py": DATA.encode(),
        "binary.toml": bytes(range(256)) * 16,
        "empty.toml": b"",
        "deep.toml": b"x = " + b"[" * 2000 + b"]" * 2000,
        "digits.toml": b"depths = [8]\nsteps = " + b"9" * 5000,
        "dates.toml": b"depths = [8]\nsteps = 1979-05-27\n",
        "bom.toml": b"\xef\xbb\xbf" + SWEEP.encode(),
        "latin.toml": SWEEP.encode() + b'title = "\xe9"\n',
    }
    for name, content in contents.items():
        (home / name).write_bytes(content)
    os.mkfifo(home / "pipe")
    (home / "folder").mkdir()
    (home / "locked").mkdir(mode=0)
    (home / "link").symlink_to("rates.toml")
    (home / "loop").symlink_to("loop")
    runs = experiments.plan(
        [6], families=["plain"], seeds=1, model="mini", widths=(2, 2), steps=2, probes=(), device="cpu"
    )
    experiments.keep_all([experiments.train(runs[0])], home / "sweep", group="runs", command="gradflow compare")


def orderly(draw, parameter):
    """A value in order."""
    name = max(parameter.opts, key=len).lstrip("-").replace("-", "_")
    return draw.choice(ORDERLY.get(name, ["1", "2", "4", "0.5", "new"]))


def nasty(draw, parameter):
    """Any value, most often of the parameter's own kind."""
    is_path = parameter.type.name == "path" or parameter.name in ("data", "model", "target", "twin")
    own = PATHS if is_path else NUMBERS
    return draw.choice(draw.choice([own, own, own, NUMBERS, TEXTS, PATHS, ASSIGNMENTS]))


def command_line(draw):
    """A command with some of its parameters, of which most often one has a value that may be out of order."""
    if draw.random() < 0.02:
        return draw.choice([[], ["compar"], ["-h"], ["--version"], [""], ["a\nb"], ["--depth"], ["sweep", "--help"]])
    name, command = draw.choice(sorted(cli.commands.items()))
    chosen = [
        parameter
        for parameter in command.params
        if draw.random() < (0.97 if isinstance(parameter, click.Argument) or parameter.name == "depths" else 0.12)
    ]
    valued = [parameter for parameter in chosen if not getattr(parameter, "is_flag", False)]
    ill = draw.choice(valued) if valued and draw.random() < 0.8 else None
    parts = []
    for parameter in chosen:
        for _ in range(draw.choice([1, 1, 2]) if parameter.multiple or parameter.nargs == -1 else 1):
            value = (nasty if parameter is ill else orderly)(draw, parameter)
            if isinstance(parameter, click.Argument):
                parts.append([value])
            elif parameter not in valued:
                parts.append([draw.choice([*parameter.opts, *parameter.secondary_opts])])
            else:
                parts.append([max(parameter.opts, key=len), value])
    if draw.random() < 0.04:
        parts.append([draw.choice(["--depht", "--no-such", "-x", "--lr=", "--", "extra", "ex\ntra"])])
    draw.shuffle(parts)
    return [name, *KEPT_SHORT.get(name, []), *itertools.chain.from_iterable(parts)]


def ended(arguments):
    """Exit code (or what was raised in its place), standard error and seconds of a command line."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    began = time.process_time()
    sys.argv = ["gradflow", *arguments]
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(arguments)
    except SystemExit as error:
        code = error.code or 0
    except BaseException as error:
        code = f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    err.seek(0)
    return code, err.read(), time.process_time() - began


def complaint(code, err):
    """What is wrong with how a command line ended; nothing where all is in order."""
    if code not in EXIT_CODES:
        return f"ended with {code}"
    if "Traceback" in err:
        return "a traceback"
    said = [line for line in err.splitlines() if line.startswith(("gradflow: ", "Error: ", "错误："))]
    if code == 2 and not err.startswith("Usage: gradflow [OPTIONS] COMMAND [ARGS]...\n\n"):  # help for no command
        others = [
            line
            for line in err.splitlines()
            if line and line not in said and not line.startswith(("Usage: ", "用法：", "Try ", "运行"))
        ]
        if len(said) != 1 or others:
            return f"{len(said)} lines that say what is wrong, and {len(others)} others"
    return ""


def guard():
    """Bound memory, and let nothing be fetched, drawn or long timed."""

    def late(*_):
        raise Late(f"more than {HANGS} s")

    def refused(*_, **__):
        raise URLError("offline")

    def undrawn(recordings, folder, **_):
        return Path(folder) / "report.html"

    signal.signal(signal.SIGALRM, late)
    urllib.request.urlopen = refused
    urllib.request.urlretrieve = refused
    reporting.report = undrawn
    estimate.REPEATS = 1
    block_timing.block_rows = partial(block_timing.block_rows, size=2)
    torch.set_num_threads(1)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


def show_line(values):
    """Write an object as a line of JSON."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def run(seed, count, show):
    """Run `count` command lines of a seed; `show` gets what ended badly. Return how many ended how."""
    counts = collections.Counter()
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "above" / "home"
        home.mkdir(parents=True)
        os.chdir(home)
        os.environ["HOME"] = os.environ["XDG_CACHE_HOME"] = str(home)
        furnish(home)
        guard()
        for _ in range(count):
            arguments = command_line(draw)
            code, err, seconds = ended(arguments)
            wrong = complaint(code, err) or (f"took {seconds:.0f} s" if seconds > SECONDS else "")
            counts["bad" if wrong else code] += 1
            counts["slowest"] = max(counts["slowest"], round(seconds, 1))
            if wrong:
                show({"arguments": arguments, "wrong": wrong, "err": err[-600:]})
        counts["outside"] = len([*home.parent.iterdir(), *Path(scratch).iterdir()]) - 2
        os.chdir("/")
    return dict(counts)


if __name__ == "__main__":
    show_line(run(int(sys.argv[1]), int(sys.argv[2]), show_line))
