"""OpenTelemetry, against a small server that takes OTLP over HTTP, read by opentelemetry-proto."""

import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from synth.errors import ModelError
from synth.stages import generate
from synth.telemetry import otel
from tests.telemetry.watched import config, invoke

KEY = "authorization=Bearer not-to-be-seen-1234"


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, bytes, str | None]] = []
        self.status, self.hangs, self.over = 200, False, Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.hangs:
            self.server.over.wait(60)
            return
        self.server.got.append((self.path, body, self.headers["authorization"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", KEY)
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def spans(body: bytes) -> tuple[dict[str, Any], list[Any]]:
    found = ExportTraceServiceRequest.FromString(body)
    (resource,) = found.resource_spans
    return values(resource.resource.attributes), [span for scope in resource.scope_spans for span in scope.spans]


def test_a_span_for_the_run_and_one_for_each_stage_and_the_figures(collector: Collector, tmp_path: Path) -> None:
    path = config(tmp_path)
    result = invoke("run", path)
    assert (result.exit_code, "telemetry" in result.stderr) == (0, False)
    sent = {where: body for where, body, key in collector.got if key == "Bearer not-to-be-seen-1234"}
    assert [*sent] == ["/v1/traces", "/v1/metrics"]
    resource, found = spans(sent["/v1/traces"])
    assert resource["service.name"] == "synth"
    (whole,) = [span for span in found if not span.parent_span_id]
    stages = [span for span in found if span.parent_span_id == whole.span_id]
    assert (whole.name, len(stages)) == ("synth run", len(found) - 1)
    assert [span.name for span in stages] == [
        "corpus", "personas", "index", "plan", "generate", "filter", "score", "cutoff", "select", "clusters", "dedup",
        "negatives", "quota", "publish",
    ]  # fmt: skip
    about = values(whole.attributes)
    assert (about["synth.state"], about["synth.exit_code"], about["synth.rows.planned"]) == ("done", 0, 24)
    assert about["synth.rows.planned"] == sum(about[f"synth.rows.{fate}"] for fate in ("written", "rejected", "failed"))
    generated = values(next(span for span in stages if span.name == "generate").attributes)
    assert (generated["synth.rows"], generated["synth.requests"] > 24, generated["synth.whole"]) == (24, True, True)
    assert all(
        whole.start_time_unix_nano <= s.start_time_unix_nano <= s.end_time_unix_nano <= whole.end_time_unix_nano
        for s in stages
    )
    (figures,) = ExportMetricsServiceRequest.FromString(sent["/v1/metrics"]).resource_metrics
    gauges = {metric.name: metric.gauge.data_points for scope in figures.scope_metrics for metric in scope.metrics}
    rows = {values(point.attributes)["fate"]: point.as_double or point.as_int for point in gauges["synth.rows"]}
    assert rows["planned"] == 24
    assert {"synth.exit_code", "synth.duration_seconds", "synth.tokens", "synth.stage_rows"} <= gauges.keys()


def test_a_run_that_fails(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setattr(generate, "generate", lambda *_, **__: (_ for _ in ()).throw(ModelError("says a document")))
    assert invoke("run", config(tmp_path)).exit_code == 4
    ((where, body, _),) = collector.got
    resource, found = spans(body)
    (whole,) = [span for span in found if not span.parent_span_id]
    assert (where, resource["service.name"], whole.status.message) == ("/v1/traces", "nightly", "ModelError")
    about = values(whole.attributes)
    assert (about["synth.exit_code"], about["synth.state"], about["synth.rows.planned"]) == (4, "failed", 24)
    assert b"says a document" not in body


def test_a_collector_that_is_down_hangs_or_refuses_costs_seconds_and_no_run(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel, "LIMIT", 1.0)
    path = config(tmp_path)
    assert invoke("run", path).exit_code == 0
    collector.hangs = True
    faults = {"hangs": collector.url, "down": "http://127.0.0.1:9", "no URL": "not a URL"}
    for fault, url in faults.items():
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        began = time.monotonic()
        result = invoke("run", path)
        assert (result.exit_code, result.stderr.count("telemetry: OpenTelemetry: ")) == (0, 1), (fault, result.stderr)
        assert time.monotonic() - began < 30, fault  # it would hang for 60 s
        assert "not-to-be-seen" not in result.output
    collector.hangs, collector.status = False, 400
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    result = invoke("run", path)
    assert (result.exit_code, "400" in result.stderr) == (0, True)


@pytest.mark.parametrize(
    ("name", "value", "sent", "said"),
    [
        ("OTEL_SDK_DISABLED", "true", 0, None),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 0, "the protocol grpc is not spoken here"),
        ("OTEL_TRACES_EXPORTER", "none", 1, None),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", 2, "Invalid timeout value 'soon'"),
    ],
)
def test_what_the_variables_may_say_besides(
    name: str, value: str, sent: int, said: str | None,
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    result = invoke("run", config(tmp_path))
    assert (result.exit_code, len(collector.got)) == (0, sent)
    assert said in result.stderr if said else "telemetry" not in result.stderr


def test_a_package_that_is_missing_is_said(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry.exporter")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp", None)
    result = invoke("run", config(tmp_path))
    assert (result.exit_code, "pip install '.[otel]'" in result.stderr, collector.got) == (0, True, [])


def test_without_the_variables_nothing_is_imported(tmp_path: Path) -> None:
    code = "import sys; from synth.cli import main; main(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code, "run", str(config(tmp_path)), "--json"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    loaded = found.stdout.splitlines()[-1].split()
    assert [name for name in loaded if name.partition(".")[0] in ("opentelemetry", "prometheus_client")] == []
