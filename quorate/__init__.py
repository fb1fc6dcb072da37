"""What people touch: the command line, the explorer, offline verification, and the SDK's front door.

Imports every other package, each only where it is needed; nobody imports this one.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from participant.consortium import Consortium

__all__ = ["Consortium", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the SDK when it is asked for: the command line starts without numpy."""
    if name == "Consortium":
        from participant.consortium import Consortium  # noqa: PLC0415 - lazily, see above

        return Consortium
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
