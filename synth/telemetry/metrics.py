"""The figures that are told, the same to Prometheus and to OpenTelemetry. All are gauges: of the last time the command ran."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from synth import __version__
from synth.telemetry import DONE, NOTHING_NEW, STATES, Watch

TOKENS = ("prompt", "cached", "output")
SUCCESS = "synth_last_success_timestamp_seconds"


@dataclass(frozen=True)
class Metric:
    name: str
    help: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]
    """By the values of `labels`."""


def metrics(watch: Watch, last_success: float | None) -> list[Metric]:
    """Return the figures of a command that has ended. `last_success` is that of the time before, in seconds since 1970."""
    now = watch.started / 1e9 + watch.seconds
    success = now if watch.state in (DONE, NOTHING_NEW) else last_success
    found = [
        Metric("synth_info", "Which command, run and version the figures are of.", ("command", "run", "version"),
               {(watch.command, watch.run, __version__): 1}),
        Metric("synth_exit_code", "Exit code: see synth --help.", (), {(): watch.exit_code}),
        Metric("synth_state", "1 for how the command ended, 0 for the other ways.", ("state",),
               {(state,): float(state == watch.state) for state in STATES}),
        Metric("synth_last_run_timestamp_seconds", "When the command ended.", (), {(): now}),
        Metric(SUCCESS, "When the command last ended as done or nothing_new.", (), {} if success is None else {(): success}),
        Metric("synth_duration_seconds", "How long the command took.", (), {(): watch.seconds}),
        Metric("synth_requests", "Requests that were answered, this time.", ("from",), {
            ("engine",): watch.total("requests") - watch.total("replayed"), ("journal",): watch.total("replayed"),
        }),
        Metric("synth_tokens", "Tokens of the engine's answers, this time. Cached ones are among the prompt's.", ("kind",),
               {(kind,): watch.total(f"{kind}_tokens") for kind in TOKENS}),
        *_rows(watch),
        *_stages(watch),
    ]  # fmt: skip
    return [metric for metric in found if metric.values]


def _rows(watch: Watch) -> list[Metric]:
    found = []
    if watch.dataset_rows is not None:
        found.append(Metric("synth_dataset_rows", "Rows of the whole dataset.", (), {(): watch.dataset_rows}))
    if (account := watch.account) is None:
        return found
    reasons = ((account.rejected, "rejected", "rule"), (account.failed, "failed", "fault"))
    return [
        *found,
        Metric("synth_rows", "Rows of the run, or of the release, so far.", ("fate",), {
            ("planned",): account.planned, ("written",): account.written,
            ("rejected",): sum(account.rejected.values()), ("failed",): sum(account.failed.values()),
        }),
        *(
            Metric(f"synth_{fate}_rows", f"Rows that are {fate}, by {what}.", ("reason",), {(name,): rows for name, rows in counts.items()})
            for counts, fate, what in reasons
        ),
    ]  # fmt: skip


def _stages(watch: Watch) -> list[Metric]:
    seconds, rows, ok = Counter[str](), Counter[str](), Counter[str]()
    for stage in watch.stages:
        seconds[stage.name] += stage.finished / 1e9 - stage.started / 1e9  # type: ignore[assignment]
        rows[stage.name] += stage.rows
        ok[stage.name] += stage.ok
    told = (
        ("duration_seconds", "How long a stage took, this time.", seconds),
        ("rows", "Rows that a stage made, this time.", rows),
        ("ok_rows", "Of them, those that are still in the running.", ok),
    )
    return [
        Metric(f"synth_stage_{name}", text, ("stage",), {(of,): n for of, n in counts.items()})
        for name, text, counts in told
    ]
