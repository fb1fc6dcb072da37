"""Every transcript of `tests/scenarios` is what the engine does now.

After a change that is meant, `REWRITE_TRANSCRIPTS=1 pytest tests/consensus/test_scenarios.py` writes them anew; the
difference is then reviewed as text.
"""

import os
from pathlib import Path

import pytest

from tests.consensus.scenario import replayed

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_transcript(path: Path) -> None:
    now = replayed(path)
    if os.environ.get("REWRITE_TRANSCRIPTS"):
        path.write_text(now, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == now


def test_there_are_transcripts() -> None:
    assert len(SCENARIOS) >= 10
