"""A plug-in is a module; its name in YAML is its file name.

`engine: {kind: vllm}` is `synth/engines/vllm.py`. A name with a dot, `mylab.filters.chemistry`, is a module of the
user's own. Modules here import their heavy libraries inside functions, so that looking at one costs nothing.
"""

import difflib
import hashlib
import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from synth.errors import ConfigError


def names(family: str) -> list[str]:
    """Return the sorted names of all plug-ins that ship in `synth/<family>/`."""
    package = importlib.import_module(f"synth.{family}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def load(family: str, name: str) -> ModuleType:
    """Import the plug-in `name` of `family` (tasks, filters, engines, encoders, rerankers, exports)."""
    if "." in name:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"{family}: cannot import {name!r}: {error}", fix="is its folder on PYTHONPATH?"
            ) from error
    if name not in names(family):
        raise ConfigError(
            f"{family}: unknown name {name!r}{did_you_mean(name, names(family))}",
            fix=f"one of: {', '.join(names(family))}",
        )
    return importlib.import_module(f"synth.{family}.{name}")


def sources(family: str, chosen: Iterable[str]) -> dict[str, dict[str, str]]:
    """Hash the files of the user's own modules among `chosen`: {"sources": {name: 12 hex digits}}, and nothing without any.

    It belongs into a stage's settings, so that an edited rule is not taken for the one that made the rows. Modules that
    ship with synth have versions instead; what a module imports is not looked at."""
    found = {}
    for name in chosen:
        if "." in name and (file := load(family, name).__file__):
            found[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]
    return {"sources": found} if found else {}


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` when an option is near `name`, else nothing."""
    near = difflib.get_close_matches(name, list(options), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
