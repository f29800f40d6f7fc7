"""`gradflow env`: its options."""

from __future__ import annotations

from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option


@command
@option("--json", "as_json", is_flag=True)
@lang_option
def env(as_json: bool) -> None:
    """Print versions and hardware, for a bug report."""
    with busy("loading"):
        from gradflow.cli.env_table import print_environment  # brings torch, which --help need not

    print_environment(as_json=as_json)
