"""The command line, a file for each group of commands; app.py has the list."""

from precision.cli.app import main as main
