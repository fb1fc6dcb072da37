"""What waits for one peer: bounded in frames and bytes, the oldest make room for the newest."""

from collections import deque


class SendQueue:
    """Frames in the order in which they leave."""

    def __init__(self, *, frames_max: int, bytes_max: int) -> None:
        self._frames: deque[bytes] = deque()
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: bytes) -> int:
        """Append a frame, which must fit an empty queue; return how many of the oldest were dropped for it."""
        assert len(frame) <= self._bytes_max
        dropped = 0
        while len(self._frames) == self._frames_max or self._bytes + len(frame) > self._bytes_max:
            self._bytes -= len(self._frames.popleft())
            dropped += 1
        self._frames.append(frame)
        self._bytes += len(frame)
        return dropped

    def take(self, bytes_max: int) -> list[bytes]:
        """Remove and return the oldest frames, at most so many bytes or one frame; none where there are none."""
        taken: list[bytes] = []
        room = bytes_max
        while self._frames and (not taken or len(self._frames[0]) <= room):
            frame = self._frames.popleft()
            room -= len(frame)
            taken.append(frame)
        self._bytes -= sum(map(len, taken))
        return taken
