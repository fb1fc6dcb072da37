"""Coverage is measured where it counts and nowhere else: tracing makes a test two to four times as slow."""

import sys

from coverage import Coverage


def test_what_does_not_count_as_coverage_is_not_traced() -> None:
    assert Coverage.current() is None
    assert "coverage" not in type(sys.gettrace()).__module__
