"""A process that appends blocks to a database until it is killed, and says after each which height is durable."""

import sys
from pathlib import Path

from node.storage.chain_store import ChainStore
from node.storage.leveldb import LevelDb
from tests.consortium import consortium
from tests.node.storage.chains import extend


def main() -> None:
    """Append runs of one to three blocks to the database that the first argument names, for ever."""
    members = consortium()
    store = ChainStore(LevelDb(Path(sys.argv[1])), members.genesis)
    while True:
        run = store.head.header.height % 3 + 1
        store.append_many(extend(members, store.tip(), blocks=run))
        sys.stdout.write(f"{store.head.header.height}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
