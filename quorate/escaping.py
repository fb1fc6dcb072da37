"""Text from a chain or a node, made safe to print: what it says is shown, what it would do to a terminal is not.

Names on chain are plain ASCII, but addresses of genesis, answers of nodes and names of files are not ours. Control
characters, bidirectional overrides and invisible ones could hide or reorder what an operator reads (CVE-2021-42574).
"""

import unicodedata

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories never printed as they are: control, format, surrogate, private, unassigned, separators."""


def escape(text: str) -> str:
    """Return `text` on one line, every unsafe character written as its code: escape as x1b behind a backslash."""
    return "".join(
        _escaped(character) if unicodedata.category(character) in _UNSAFE else character for character in text
    )


def ascii_only(text: str) -> str:
    """Return escaped `text` with every character beyond ASCII written as its code too."""
    return escape(text).encode("ascii", "backslashreplace").decode("ascii")


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
