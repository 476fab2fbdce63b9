"""The run as OpenTelemetry has it: a span for it, one for each stage, and the figures; by OTLP over HTTP.

Only where OpenTelemetry's own environment variables say where to (OTEL_EXPORTER_OTLP_ENDPOINT, …), and once, in the end. A
collector that is down or hangs costs `LIMIT` seconds at most, and nothing else.
"""

import logging
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from synth import __version__
from synth.errors import install
from synth.secrets import register
from synth.telemetry.metrics import metrics

if TYPE_CHECKING:
    from synth.telemetry import StageRun, Watch

LIMIT = 5.0
"""Seconds. Kubernetes kills 30 s after it asks, of which what is in flight may take 23."""
_HEADERS = tuple(f"OTEL_EXPORTER_OTLP_{signal}HEADERS" for signal in ("", "TRACES_", "METRICS_"))
_INSTALL = f"the variables of OpenTelemetry are set, and its packages are missing: {install('otel')}; nothing was sent"


def wanted(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return which of `TRACES` and `METRICS` the environment asks for."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    return [
        signal
        for signal in ("TRACES", "METRICS")
        if any(environment.get(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT") for part in ("", f"{signal}_"))
        and environment.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() != "none"
    ]


def send(watch: "Watch", environment: Mapping[str, str] = os.environ) -> None:
    """Send what is wanted, within LIMIT; say on stderr what could not be."""
    from synth.telemetry import say

    signals = wanted(environment)
    if not signals:
        return None
    odd = {environment.get(f"OTEL_EXPORTER_OTLP_{part}PROTOCOL", "") for part in ("", *(f"{one}_" for one in signals))}
    if odd := odd - {"", "http/protobuf"}:
        return say(
            f"OpenTelemetry: the protocol {', '.join(sorted(odd))} is not spoken here, only http/protobuf; nothing was sent"
        )
    for name in _HEADERS:
        register(name)
    heard = _Heard()
    log = logging.getLogger("opentelemetry")
    log.addHandler(heard)
    log.propagate, before = False, log.propagate
    try:
        ways = {"TRACES": _traces, "METRICS": _figures}
        sending = [ways[signal](watch) for signal in signals]
    except ImportError:
        return say(_INSTALL)
    except Exception as error:  # a variable that is no number, a certificate that is not there
        return say(f"OpenTelemetry: {type(error).__name__}: {error}; nothing was sent")
    failed = list[str]()

    def all_of_them() -> None:
        for way in sending:
            try:
                if not way():
                    failed.append(heard.last or "the collector did not take it")
            except Exception as error:
                failed.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=all_of_them, daemon=True)
    thread.start()
    thread.join(LIMIT)
    if thread.is_alive():
        failed.append(f"no answer within {LIMIT:g} s{heard.last and f' ({heard.last})'}")
    else:
        log.removeHandler(heard)
        log.propagate = before
    if failed:
        return say(f"OpenTelemetry: {failed[0][:500]}; the run is as it is")
    return say(f"OpenTelemetry: {heard.last[:500]}") if heard.last else None


class _Heard(logging.Handler):
    """What the SDK has to say is not printed, but kept: the last of it is the reason."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _resource() -> Any:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    return Resource({"service.name": "synth", "service.version": __version__}).merge(OTELResourceDetector().detect())


def _traces(watch: "Watch") -> Any:
    """Return what sends the spans of a command that has ended."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, exporter = InMemorySpanExporter(), OTLPSpanExporter()  # all in one request
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("synth", __version__)
    whole = tracer.start_span(f"synth {watch.command}", start_time=watch.started, attributes=_about(watch))
    if watch.error:
        whole.set_status(trace.StatusCode.ERROR, watch.error)
    within = trace.set_span_in_context(whole)
    for stage in watch.stages:
        span = tracer.start_span(stage.name, within, start_time=stage.started, attributes=_about_stage(stage))
        span.end(stage.finished)
    whole.end(watch.started + int(watch.seconds * 1e9))
    return lambda: exporter.export(kept.get_finished_spans()) is SpanExportResult.SUCCESS


def _figures(watch: "Watch") -> Any:
    """Return what sends the figures of a command that has ended."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

    exporter, reader = OTLPMetricExporter(), InMemoryMetricReader()
    provider = MeterProvider([reader], resource=_resource(), shutdown_on_exit=False)
    meter = provider.get_meter("synth", __version__)
    for metric in metrics(watch, None):
        gauge = meter.create_gauge(metric.name.replace("_", ".", 1), description=metric.help)
        for labels, value in metric.values.items():
            gauge.set(value, {"config": watch.config, **dict(zip(metric.labels, labels, strict=True))})
    data = reader.get_metrics_data()
    return lambda: data is not None and exporter.export(data) is MetricExportResult.SUCCESS


def _about(watch: "Watch") -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "synth.command": watch.command, "synth.config": watch.config, "synth.run": watch.run,
        "synth.state": watch.state, "synth.exit_code": watch.exit_code,
    }  # fmt: skip
    if watch.account:
        rejected, failed = (sum(part.values()) for part in (watch.account.rejected, watch.account.failed))
        rows = {
            "planned": watch.account.planned,
            "written": watch.account.written,
            "rejected": rejected,
            "failed": failed,
        }
        found |= {f"synth.rows.{name}": number for name, number in rows.items()}
    return found


def _about_stage(stage: "StageRun") -> dict[str, float | bool]:
    counted = {f"synth.{name}": number for name, number in stage.totals.items()}
    return {"synth.rows": stage.rows, "synth.rows.ok": stage.ok, "synth.whole": stage.whole, **counted}
