"""A plug-in is a module; its name in YAML is its file name.

`engine: {kind: vllm}` is `synth/engines/vllm.py`. A name with a dot, `mylab.filters.chemistry`, is a module of the
user's own. Modules here import their heavy libraries inside functions, so that looking at one costs nothing.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
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


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` when an option is near `name`, else nothing."""
    near = difflib.get_close_matches(name, list(options), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
