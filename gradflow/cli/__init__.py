"""The command line `gradflow`."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from gradflow.cli import output
from gradflow.cli.commands import BAD_INPUT, INTERRUPTED, cli
from gradflow.cli.help import language_of
from gradflow.cli.usage_errors import in_language
from gradflow.errors import GradflowError
from gradflow.text import current_language, language, text
from gradflow.text.widths import shortened

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["main"]

DONE = 0
MAX_LINE = 1000  # characters of what is said of an error
SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 0.05


class _SignalError(KeyboardInterrupt):
    """A signal came.

    Of a KeyboardInterrupt itself that passes through `exec` of a text, Python remembers that it was not handled, and
    ends by SIGINT in the end whatever the exit code.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 a check failed, 2 bad usage or input, 3 some runs failed, 130 interrupted by SIGINT (Ctrl-C)
    or SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        sys.exit(_exit_code(arguments, []))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise _SignalError

    signal.signal(signal.SIGTERM, interrupt)
    if before[signal.SIGINT] is signal.default_int_handler:  # a command in the background ignores it
        signal.signal(signal.SIGINT, interrupt)
    try:
        code = _exit_code(arguments, received)
    finally:
        if arguments is not None:  # called from Python, which goes on
            for number, handler in before.items():
                signal.signal(number, handler)
    sys.exit(code)


@contextlib.contextmanager
def _interruptible(received: Sequence[int]) -> Iterator[None]:
    """See that a signal interrupts.

    Where C code imports, KeyboardInterrupt comes out as another error: after a signal any is the interruption. Where it
    is raised in a destructor or at a weak reference's end, Python only prints it: the signal is then sent once more.
    """
    before = sys.unraisablehook

    def send_again(lost: UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, _SignalError):
            threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), received[-1])).start()
        else:
            before(lost)

    sys.unraisablehook = send_again
    try:
        yield
    except Exception as error:
        if received:
            raise KeyboardInterrupt from error
        raise
    finally:
        sys.unraisablehook = before


def _exit_code(arguments: list[str] | None, received: Sequence[int]) -> int:
    """Run a command, all that is said of it in the language of its --lang."""
    with language(language_of(sys.argv[1:] if arguments is None else arguments) or current_language()):
        return _ended(arguments, received)


def _ended(arguments: list[str] | None, received: Sequence[int]) -> int:
    """Run a command; turn what a user can mend, and signals, into one line and an exit code."""
    if sys.stdout is None:  # as Python has it where the shell closed it
        _complain("standard output is closed.")
        return BAD_INPUT
    for given in sys.argv[1:] if arguments is None else arguments:
        if not output.encodes(given, "utf-8") or "\0" in given:
            _complain(f"arguments must be UTF-8 without null characters; got {given!r}.")
            return BAD_INPUT
    try:
        with _interruptible(received), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            result: Any = cli.main(arguments, prog_name="gradflow", standalone_mode=False)
        sys.stdout.flush()  # what cannot be written is to be known here, not when Python ends
    except click.ClickException as error:
        if not error.message.startswith("Usage: "):  # help, where no command is given
            error.message = _line(error.message)  # type: ignore[misc]  # final, but formatted by each subclass
        _show_usage_error(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        click.echo(text("error.interrupted"), err=True)
        return INTERRUPTED
    except ValueError as error:
        if not isinstance(error, GradflowError):
            raise
        _complain(str(error))
        return BAD_INPUT
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        _complain(text("error.out_of_memory"))
        return BAD_INPUT
    except OSError as error:  # a disk that is full, a folder that may not be read
        where = f"{error.filename}: " if error.filename else ""
        _complain(text("error.system", reason=f"{where}{error.strerror or error}"))
        return BAD_INPUT
    return result if isinstance(result, int) else DONE


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python or torch could not get the memory that they asked for; torch raises RuntimeError on the CPU."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("can't allocate memory", "of memory")
    )


def _show_usage_error(error: click.ClickException) -> None:
    """Print what click says of an error, in the current language."""
    said = io.StringIO()
    error.show(said)
    with contextlib.suppress(OSError):
        output.emit("\n".join(map(in_language, said.getvalue().rstrip("\n").split("\n"))), err=True)


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # nothing is left to say it on
        output.say(f"gradflow: {in_language(_line(line))}", err=True)


def _line(message: str) -> str:
    """Return a message as one line that a terminal has room for: it may hold a name of any length."""
    return shortened(message, MAX_LINE)


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Print a warning of our own as one line, any other as Python does."""
    if category.__module__.startswith("gradflow."):
        output.say(f"gradflow: {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, *where[:2]), err=True, nl=False)
