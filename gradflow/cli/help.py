"""Help in the language asked for, with options in groups: its sentences are the texts `help.*` of the catalogue."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gradflow.settings import Setting, brief
from gradflow.text import LANGUAGES, has, language, text
from gradflow.text.widths import columns, padded, wrapped

HELP = ("-h", "--help")
OUTPUT = "output"  # the group of options without another, the last one
GAP = 2  # columns between an option and its help
MAX_NAMES = 26  # columns of options that have their help beside them
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_LANG = re.compile(r"--lang(?:=|$)")


class Formatter(click.HelpFormatter):
    """Writes paragraphs and lists at a width in columns, of which a Chinese character takes two."""

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        self.write(f"{' ' * self.current_indent}{heading}{text('list.colon').rstrip()}\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs, an empty line between two."""
        indent = " " * self.current_indent
        lines = [wrapped(one, self.width, first=indent, indent=indent) for one in text.split("\n\n")]
        self.write("\n\n".join("\n".join(one) for one in lines) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = MAX_NAMES, col_spacing: int = GAP) -> None:
        """Write names with their help beside them, or below where a name is long."""
        listed = list(rows)
        taken = [columns(name) for name, _ in listed if columns(name) <= col_max]
        indent, beside = " " * self.current_indent, max(taken, default=col_max) + col_spacing
        for name, words in listed:
            lead = indent + padded(name, beside)
            if columns(name) > beside - col_spacing:
                self.write(f"{indent}{name}\n")
                lead = indent + " " * beside
            for line in wrapped(words, self.width, first=lead, indent=indent + " " * beside) or [lead.rstrip()]:
                self.write(line + "\n")


class Context(click.Context):
    """What a command is called in, with our formatter."""

    formatter_class = Formatter


class Option(click.Option):
    """An option of a group, whose help is a text, or that of a setting."""

    def __init__(
        self,
        *names: Any,
        group: str = OUTPUT,
        setting: Setting | None = None,
        known: Callable[[], Sequence[str]] | None = None,
        **how: Any,
    ) -> None:
        super().__init__(*names, **how)
        self.group = group
        self.setting = setting
        self.known = known or (lambda: () if setting is None else (*setting.choices, *setting.known))

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what a shell offers: of known words, those that begin as what is behind the last comma."""
        ahead, comma, last = incomplete.rpartition(",")
        found = [CompletionItem(f"{ahead}{comma}{word}") for word in self.known() if word.startswith(last)]
        return found or super().shell_complete(context, incomplete)

    def get_help_record(self, context: click.Context) -> tuple[str, str]:
        """Return names and help."""
        names, _ = super().get_help_record(context) or ("", "")
        return names, self.words(str(context.command.name))

    def words(self, command: str) -> str:
        """Return the help in the current language, as the command has it, or as all have it."""
        if self.setting is not None:
            return self.setting.help_line
        keys = [f"help.{command}.{self.name}", f"help.all.{self.name}"]
        said = next((text(key) for key in keys if has(key)), self.help or "")
        default = text("help.default", value=self._default) if self.show_default else ""
        return "  ".join(filter(None, [said, default]))

    @property
    def _default(self) -> str:
        if self.secondary_opts:
            return (self.opts if self.default else self.secondary_opts)[0].removeprefix("--")
        return brief(self.default)


class Helped:
    """What commands and groups of commands share: help in the language of --lang, wherever in the line that stands."""

    name: str | None

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Read the arguments, in their language where they ask for help."""
        if set(HELP) & set(arguments) and (chosen := language_of(arguments)):
            context.with_resource(language(chosen))
        return super().parse_args(context, arguments)  # type: ignore[misc,no-any-return]  # click's

    def format_usage(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how the command is called."""
        pieces = self.collect_usage_pieces(context)  # type: ignore[attr-defined]  # click's
        formatter.write_usage(context.command_path, " ".join(pieces), prefix=text("help.usage") + text("list.colon"))

    @property
    def help(self) -> str:
        """What the command does: one sentence, and more where there is more to say."""
        said = [text(key) for part in ("about", "more") if has(key := f"help.{self.name}.{part}")]
        return "\n\n".join(said)

    @help.setter
    def help(self, docstring: str | None) -> None:
        """Let click set a function's docstring, which is for those who read the code."""

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what a shell offers, options with their help."""
        found: list[CompletionItem] = super().shell_complete(context, incomplete)  # type: ignore[misc]  # click's
        options = [one for one in self.get_params(context) if isinstance(one, Option)]  # type: ignore[attr-defined]
        words = {name: one.words(str(self.name)) for one in options for name in (*one.opts, *one.secondary_opts)}
        for item in found:
            item.help = words.get(item.value, item.help)
        return found

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group after group, and the commands of a group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(context):  # type: ignore[attr-defined]  # click's
            if isinstance(one, Option):
                groups.setdefault(one.group, []).append(one.get_help_record(context))
        groups[OUTPUT] = [*groups.pop(OUTPUT, []), (", ".join(HELP), text("help.all.help"))]
        for group, rows in groups.items():
            with formatter.section(text(f"help.group.{group}")):
                formatter.write_dl(rows)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return what the command does, in one sentence."""
        return text(f"help.{self.name}.about")


class Command(Helped, click.Command):  # type: ignore[misc]  # help is a property
    """A command with our help."""

    context_class = Context


class Group(Helped, click.Group):  # type: ignore[misc]  # as above
    """The group of all commands, with our help."""

    context_class = Context

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        commands = [self.commands[name] for name in self.list_commands(context)]
        with formatter.section(text("help.commands")):
            formatter.write_dl([(str(one.name), one.get_short_help_str()) for one in commands])
        super().format_options(context, formatter)


def command(function: Callable[..., Any]) -> click.Command:
    """Make a command of a function: its help is `help.<name>.about` and `help.<name>.more`."""
    return click.command(cls=Command)(function)


def option(*names: str, **how: Any) -> Callable[[Decorated], Decorated]:
    """Return a decorator that gives a command an option: its help is `help.<command>.<name>`, or `help.all.<name>`."""
    return click.option(*names, cls=Option, **how)


def language_of(arguments: Sequence[str]) -> str:
    """Return the language that arguments ask for, empty without any."""
    for one, after in itertools.pairwise([*arguments, ""]):
        if _LANG.match(one):
            chosen = one.partition("=")[2] or after
            return chosen if chosen in LANGUAGES else ""
    return ""
