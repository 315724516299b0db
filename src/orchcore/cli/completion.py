"""``completion``: the script that a shell needs."""

import click

from orchcore.cli.output import say
from orchcore.cli.shared_options import COMPLETE_VAR, PROGRAM


@click.command(
    "completion",
    help="""Print the script that completes commands and options.

\b
bash:  orchcore completion bash > ~/.local/share/bash-completion/completions/orchcore
zsh:   orchcore completion zsh > ~/.zfunc/_orchcore     (a folder of your fpath)
fish:  orchcore completion fish > ~/.config/fish/completions/orchcore.fish

Completing never imports an orchfile.
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, /, shell: str) -> None:
    """Prints the script."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}", ctx)
    say(kind(ctx.find_root().command, {}, PROGRAM, COMPLETE_VAR).source())
