"""What a run raises when the protocol breaks a promise; the text begins with the invariant's name."""


class Violation(AssertionError):
    """The protocol broke a promise."""
