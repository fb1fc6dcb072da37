"""What a training site and an operator have in common: connections to close, and a node to ask first."""

from types import TracebackType
from typing import Self

from participant.session import Session


class Connected:
    """A way into a consortium; close it after use, or use it in a `with` statement."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    @property
    def node(self) -> str:
        """URL of the node that is asked first: the one that answered last."""
        return self._session.nodes.first

    def ask_first(self, url: str) -> None:
        """Ask this node first from now on, until it fails; raises ConfigurationError for one not in the list."""
        self._session.nodes.ask_first(url)
