"""Measurements, side by side with peers and limits of the machine; docs/performance.md holds what they gave."""
