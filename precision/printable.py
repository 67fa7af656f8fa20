"""Texts from elsewhere on their way out: to a terminal, a page, a table, a tool that records runs.

Names that users give, the errors of libraries (those of Keras have colours) and what files hold can carry
escape sequences that steer a terminal, and characters that turn a line around. Whatever shows a text to
somebody, or writes it for somebody, sends it through :func:`printable`.
"""

from __future__ import annotations

import re

# Sequences that ECMA-48 begins with ESC, or with its one-character forms: colours, moves, titles, links.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)


def printable(text: object, *, lines: bool = False) -> str:
    r"""Return a text that only says something, and does nothing.

    Escape sequences are left out, white space becomes a space, and any other character that does not print,
    such as one that reverses the direction of a line, is written as its escape.

    Args:
        lines: keep the ends of lines.

    >>> from precision.printable import printable
    >>> printable("a \x1b[1mbold\x1b[0m\ttext\x07")
    'a bold text\\x07'
    """
    given = str(text)
    if given.isprintable():
        return given
    kept = "\n" if lines else ""
    return "".join(
        c if c.isprintable() or c in kept else " " if c.isspace() else c.encode("unicode_escape").decode()
        for c in _SEQUENCE.sub("", given.replace("\r\n", "\n"))
    )
