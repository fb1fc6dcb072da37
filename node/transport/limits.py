"""The limits of links, units last."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLimits:
    """What one node's links may take: memory, connections and time."""

    frame_bytes_max: int = 16 * 2**20
    """Longest frame of messages, both ways; receiving may take so much memory for every peer."""
    queue_bytes_max: int = 64 * 2**20
    """Most bytes that wait for one peer; beyond, the oldest frames go, and consensus sends again what matters."""
    queue_frames_max: int = 65_536
    write_bytes_max: int = 2**20
    """Most bytes of frames that are joined into one write; a longer frame is written by itself."""
    handshake_seconds: float = 10.0
    """From connecting to the end of the hello, and for every other question that must be answered at once."""
    retry_seconds_min: float = 0.05
    """Wait after the first failed dial; doubles with each further one."""
    retry_seconds_max: float = 2.0
    strangers_max: int = 64
    """Incoming connections that have not proved who they are; beyond, the oldest is dropped."""
    fetches_per_peer_max: int = 4
    """Blobs that are fetched from one peer at a time, and as many parts of a snapshot; others wait their turn."""
    blob_links_per_peer_max: int = 8
    """Incoming connections of one peer for blobs, and as many for snapshots. More than it should fetch: the end of one
    may overtake the next."""
    stall_seconds: float = 30.0
    """Longest that a blob transfer goes without progress."""

    def __post_init__(self) -> None:
        assert 0 < self.frame_bytes_max <= self.queue_bytes_max
        assert self.frame_bytes_max < 2**32
        assert min(self.queue_frames_max, self.write_bytes_max, self.strangers_max) > 0
        assert 0 < self.fetches_per_peer_max <= self.blob_links_per_peer_max
        assert 0 < self.retry_seconds_min <= self.retry_seconds_max
        assert min(self.handshake_seconds, self.stall_seconds) > 0
