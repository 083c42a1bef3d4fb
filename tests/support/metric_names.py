"""The names of all metrics as they are served, each with its labels."""

from __future__ import annotations

from typing import Any

from cogento.metrics.declarations import METRICS, Type
from receiver import metrics

DECLARED = {one.series: one.labels for one in METRICS} | {"cogento_up": ("dependency",)}
"""The metrics of queue, workers and tables, which every process that serves metrics shows."""


def _own_labels(collector: Any) -> tuple[str, ...]:
    """The labels of a receiver's metric, but for the account's name."""
    return tuple(label for label in collector._labelnames if label != metrics.ACCOUNT)


RECEIVERS: dict[str, tuple[str, ...]] = {
    family.name + ("_total" if family.type == "counter" else ""): _own_labels(collector)
    for collector in metrics.REGISTRY._collector_to_names
    for family in collector.describe()  # type: ignore[attr-defined]
}
"""What a receiver counts itself; where accounts have names, each of these has theirs as one more label."""

HISTOGRAMS = {one.name: one.labels for one in METRICS if one.type is Type.HISTOGRAM} | {
    name: labels for name, labels in RECEIVERS.items() if name.endswith("_duration_seconds")
}

SERIES = {
    **DECLARED,
    **RECEIVERS,
    **{f"{name}_count": labels for name, labels in HISTOGRAMS.items()},
    **{f"{name}_bucket": (*labels, "le") for name, labels in HISTOGRAMS.items()},
}
"""Every series that a rule may ask for."""
