"""The figures as a text file for Prometheus, as node_exporter's textfile collector reads it; written whole, by a rename."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from synth.errors import ConfigError, install
from synth.telemetry.metrics import SUCCESS, Metric, metrics

if TYPE_CHECKING:
    from synth.telemetry import Watch


def check(path: Path) -> None:
    """Raise ConfigError where the file could not be written in the end, which may be days away."""
    if importlib.util.find_spec("prometheus_client") is None:
        raise ConfigError("--metrics: the package prometheus_client is missing", fix=install("metrics"))
    if path.is_dir() or not path.absolute().parent.is_dir():
        what = "is a folder" if path.is_dir() else "its folder is not there"
        raise ConfigError(f"--metrics {path}: {what}", fix="give a file, in the folder that node_exporter reads")


def write(watch: "Watch", path: Path) -> None:
    """Write the file in place of the one before, whose last success stays where this time was none. Raises OSError."""
    from prometheus_client import CollectorRegistry, write_to_textfile

    registry = CollectorRegistry()
    for metric in metrics(watch, _last_success(path, watch.config)):
        _register(metric, watch.config, registry)
    write_to_textfile(str(path), registry)


def _register(metric: Metric, config: str, registry: object) -> None:
    from prometheus_client import Gauge

    gauge = Gauge(metric.name, metric.help, ("config", *metric.labels), registry=registry)
    for labels, value in metric.values.items():
        gauge.labels(config, *labels).set(value)


def _last_success(path: Path, config: str) -> float | None:
    """Return when the command last came to a good end, by the file of the time before; null where that does not say."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            for sample in family.samples:
                if sample.name == SUCCESS and sample.labels == {"config": config}:
                    return float(sample.value)
    except (OSError, ValueError, KeyError, IndexError):  # none, or not ours
        pass
    return None
