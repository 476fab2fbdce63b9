from pathlib import Path

import pytest

from synth import config, settings
from synth.errors import ConfigError

MINIMAL = """
name: tiny
corpus: {path: docs.jsonl}
tasks: {retrieval: {}}
engine: {kind: scripted}
embedder: {kind: hashing}
"""


def load(tmp_path: Path, text: str = MINIMAL, *overrides: str) -> config.Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return config.load(path, overrides)


def refusal(tmp_path: Path, text: str = MINIMAL, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text, *overrides)
    return str(error.value).replace(str(tmp_path), "TMP")


def test_a_minimal_config_has_all_defaults(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.seed, found.shard_rows, found.score.max_rank, found.personas.candidates) == (0, 1000, 1, 5)
    assert found.folder == Path("outputs/tiny")


def test_all_filters_run_unless_switched_off(tmp_path: Path) -> None:
    names = list(load(tmp_path).filters)
    assert "language" in names
    assert list(load(tmp_path, MINIMAL, "filters.language=false").filters) == [n for n in names if n != "language"]


def test_an_override_reaches_into_settings(tmp_path: Path) -> None:
    found = load(
        tmp_path, MINIMAL, "score.min_cosine=0.25", "engine.sampling.temperature=0", "corpus.columns.text=body"
    )
    assert (found.score.min_cosine, found.corpus.columns.text) == (0.25, "body")
    assert found.engine.sampling.temperature == 0.0  # type: ignore[attr-defined]


def test_an_executor_of_the_command_line_keeps_settings_of_its_own_kind_only(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL + "executor: {kind: ray, workers: 4}")
    said = [config.load(path, [], kind).executor.model_dump(exclude_defaults=True) for kind in (None, "ray", "local")]
    assert said == [{"kind": "ray", "workers": 4}, {"kind": "ray", "workers": 4}, {"kind": "local"}]


def test_gpus_follow_from_settings(tmp_path: Path) -> None:
    engines = {
        "{kind: vllm, model: m}": 1,
        "{kind: vllm, model: m, tensor_parallel_size: 4, options: {pipeline_parallel_size: 2}}": 8,
        "{kind: server, model: m}": 0,
        "{kind: scripted}": 0,
    }
    embedders = {
        "{kind: sentence_transformers, model: m}": 1,
        "{kind: sentence_transformers, model: m, device: cpu}": 0,
        "{kind: hashing}": 0,
    }
    for key, said in (("engine", engines), ("embedder", embedders)):
        assert {one: getattr(load(tmp_path, MINIMAL, f"{key}={one}"), key).gpus for one in said} == said


def test_a_resolved_config_reads_back_as_itself(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert settings.parse(config.Config, found.model_dump(mode="json"), where="") == found


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("sede=1", "sede: unknown key; did you mean 'seed'?"),
        ("score.min_cosin=0.5", "score.min_cosin: unknown key; did you mean 'min_cosine'?"),
        ("tasks.retrieval.querys=3", "tasks.retrieval.querys: unknown key"),
        ("tasks.retreival={}", "tasks: unknown name 'retreival'; did you mean 'retrieval'?"),
        ("filters.lenght={}", "filters: unknown name 'lenght'; did you mean 'length'?"),
        ("engine.kind=vlm", "engines: unknown name 'vlm'; did you mean 'vllm'?"),
        ("engine=vllm", "engine: `kind` is missing"),
        ("score.min_cosine=2", "score.min_cosine: input should be less than or equal to 1 (got 2)"),
        ("name=../x", "name: string should match pattern"),
        ("corpus.dataset=a/b", "corpus: give exactly one of `path` and `dataset`"),
        ("personas.path=p.jsonl", "personas: `licence` is missing"),
        ("tasks={}", "tasks: value should have at least 1 item after validation"),
        ("seed", "--set 'seed': expected KEY=VALUE"),
        ("seed=[", "--set seed: not valid YAML: line 1, column 2: expected the node content"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, override: str, expected: str) -> None:
    assert expected in refusal(tmp_path, MINIMAL, override)


def test_files_that_are_no_config_are_refused(tmp_path: Path) -> None:
    assert "expected a mapping of settings, got list" in refusal(tmp_path, "- a\n- b\n")
    assert "not valid YAML" in refusal(tmp_path, "a: [")
    assert "not valid YAML" in refusal(tmp_path, "a: !!python/object/apply:os.system ['true']")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        config.load(tmp_path / "none.yaml")


def test_the_fingerprint_does_not_depend_on_key_order() -> None:
    assert settings.fingerprint({"a": 1, "b": [2]}) == settings.fingerprint({"b": [2], "a": 1}) == "ccde877195ae"
    assert settings.fingerprint({"a": 1, "b": [3]}) != settings.fingerprint({"a": 1, "b": [2]})


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_configs_are_valid(path: Path) -> None:
    assert config.load(path).name == path.stem
