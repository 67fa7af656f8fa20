"""The help: commands in groups, each with a sentence that is not cut off and an example that runs."""

import shlex
import sys

import pytest
import typer

from precision.cli.app import app
from precision.cli.groups import EXAMPLE

ROOT = typer.main.get_command(app)


def commands(command=ROOT, names=()):
    """Every command and group below, with the words that call it."""
    for name, child in getattr(command, "commands", {}).items():
        yield (*names, name), child
        yield from commands(child, (*names, name))


COMMANDS = dict(commands())


def text_of(command, words=()):
    with command.make_context("precision", [*words], resilient_parsing=True) as context:
        return command.get_help(context)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_the_example_of_a_command_is_understood(names):
    example = COMMANDS[names].epilog.removeprefix(EXAMPLE)
    program, *words = shlex.split(example)
    called = shlex.split(" ".join(names))  # the name of a command may have two words
    assert program == "precision" and words[: len(called)] == called
    command, context = ROOT, ROOT.make_context("precision", [], resilient_parsing=True)
    while words and hasattr(command, "commands"):
        _, command, words = command.resolve_command(context, words)
    with command.make_context(names[-1], words) as context:  # refuses an unknown option, a missing argument
        assert not context.args
    assert text_of(COMMANDS[names]).rstrip().endswith(example)


@pytest.mark.parametrize(
    "names", [(), *(names for names in COMMANDS if hasattr(COMMANDS[names], "commands"))]
)
def test_every_command_has_its_whole_first_paragraph(names):
    command = COMMANDS[names] if names else ROOT
    text = " ".join(text_of(command).split())
    for name, child in command.commands.items():
        summary = " ".join(child.help.split("\n\n")[0].split())
        assert f" {name} {summary}" in text
        assert summary.endswith(".")
    assert "..." not in text.replace("[ARGS]...", "")


def test_the_groups_and_an_example_in_each():
    text = text_of(ROOT)
    titles = [
        *("Run a grid:", "Look at what there is:", "Explore a network:", "Number formats:"),
        *("Arithmetic:", "Keep house:"),
    ]
    parts = text.split("\n\n")
    starts = [next(i for i, part in enumerate(parts) if part.startswith(title)) for title in titles]
    assert starts == sorted(starts)
    for start in starts:
        assert parts[start + 1].strip().startswith(EXAMPLE)
    assert "Commands:" not in text


def test_the_version(monkeypatch, capsys):
    import precision
    from precision.cli import main

    monkeypatch.setattr(sys, "argv", ["precision", "--version"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert capsys.readouterr().out == f"precision {precision.__version__}\n"
