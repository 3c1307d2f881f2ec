"""Command groups that suggest the closest name for an unknown command."""

from __future__ import annotations

import click

from mockserver.errors import unknown


class SuggestingGroup(click.Group):
    """A group whose error for an unknown command suggests the closest name and lists the available ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` start with."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(unknown("command", name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)
