"""The help of a command that has commands below it: in groups with an example each, no sentence cut off."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

EXAMPLE = "Example: "


class Groups(TyperGroup):
    """Lists commands under the panel that each was given, in the order in which they were added."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands with the whole first paragraph of their help, and an example of each panel."""
        panels: dict[str, list[tuple[str, Any]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            panel = getattr(command, "rich_help_panel", None)
            panels.setdefault(panel if isinstance(panel, str) else "Commands", []).append((name, command))
        for panel, shown in panels.items():
            with formatter.section(panel):
                formatter.write_dl([(name, _summary(command.help)) for name, command in shown])
                if len(panels) > 1:
                    formatter.write_paragraph()
                    formatter.write_text(next((command.epilog for _, command in shown if command.epilog), ""))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order in which they were added, not by the alphabet."""
        return list(self.commands)


def _summary(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def example(command: str) -> str:
    """Return the last line of a command's help."""
    return f"{EXAMPLE}precision {command}"
