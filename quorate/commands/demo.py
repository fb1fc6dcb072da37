"""`quorate demo`: all of it lives in `quorate.demo`."""

from quorate.demo import app

__all__ = ["app"]
