"""What all settings are made of: strict models, errors that name the wrong key, and a hash of what they say.

Settings of a plug-in live in the plug-in's own module as a class `Settings`; `of_kind` and `by_name` look them up.
`fingerprint` is how a stage knows that nothing that shapes its output has changed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from synth import plugins
from synth.errors import ConfigError

S = TypeVar("S", bound=BaseModel)

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")]
"""Of an API's server, up to and including /v1. A key in it would be told in messages."""
PLACE = {"device", "batch_size", "batch_characters", "cache", "url", "api_key_env", "in_flight", "timeout", "tries"}
"""Settings of encoders and rerankers that say where and how a number is computed, and shape none."""


class Strict(BaseModel):
    """Base of all settings: unknown keys are refused, no type is taken for another, values are frozen."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,  # else `true` is 1 and "5" is 5
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class KindSettings(Strict):
    """Settings of a plug-in that is chosen by `kind`."""

    kind: str

    @property
    def gpus(self) -> int:
        """GPUs that it needs, where there are any."""
        return 0


class CachedSettings(KindSettings):
    """Of a model whose answers are dearer to compute than to keep."""

    cache: bool = True
    """Keep what it computes in the run's folder, by text, so that nothing is computed twice. A vector takes 2.1 KB at 384
    dimensions and 4.6 KB at 1,024, a score some 60 bytes. See docs/encoders.md for when to switch it off."""


def of_kind(family: str, key: str, *, optional: bool = False) -> BeforeValidator:
    def validate(value: Any) -> Any:
        if isinstance(value, KindSettings) or (optional and value is None):
            return value
        if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
            raise ConfigError(f"{key}: `kind` is missing", fix=f"one of: {', '.join(plugins.names(family))}")
        return parse(_settings(family, value["kind"]), value, where=key)

    return BeforeValidator(validate)


def by_name(family: str, *, all_by_default: bool) -> BeforeValidator:
    """Each key is a plug-in's name, each value its settings; `false` switches it off."""

    def validate(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{family}: expected a mapping of names to settings, got {value!r}",
                fix=f"{family}: {{{plugins.names(family)[0]}: {{}}}}",
            )
        wanted: dict[str, Any] = {name: {} for name in plugins.names(family)} if all_by_default else {}
        wanted |= value
        for name, switched in value.items():
            if switched is False:
                _settings(family, str(name))  # one that does not exist cannot be off
        return {
            name: settings
            if isinstance(settings, Strict)
            else parse(_settings(family, str(name)), {} if settings is None else settings, where=f"{family}.{name}")
            for name, settings in wanted.items()
            if settings is not False
        }

    return BeforeValidator(validate)


def _settings(family: str, name: str) -> type[Strict]:
    """Return the settings' model of a plug-in. A module of the user's own may be no plug-in, or raise anything."""
    try:
        return plugins.load(family, name).Settings  # type: ignore[no-any-return]
    except ConfigError:
        raise
    except AttributeError as error:
        problem = str(error) if "Settings" not in str(error) else "it has no class `Settings`"
        raise ConfigError(f"{family}: {name!r} is no plug-in: {problem}", fix=f"see synth/{family}/") from error
    except Exception as error:
        raise ConfigError(
            f"{family}: cannot import {name!r}: {type(error).__name__}: {error}", fix="mend the module, or its name"
        ) from error


def parse(model: type[S], data: Any, *, where: str) -> S:
    """Validate `data` as `model`; raise ConfigError naming every wrong key, what was expected, and what is near."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_line(model, item, where) for item in error.errors()]
        raise ConfigError(
            "the config is not valid:\n  " + "\n  ".join(lines),
            fix="mend the keys that are named; docs/config.md lists them all",
        ) from None


def _line(model: type[BaseModel], item: Mapping[str, Any], where: str) -> str:
    path = ".".join(str(part) for part in (*([where] if where else ()), *item["loc"]) if part != "[key]")
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        near = plugins.did_you_mean(str(item["loc"][-1]), known)
        return f"{path}: unknown key{near} (known: {', '.join(known)})"
    said = item["msg"].removeprefix("Value error, ")
    said = f"{path}: {said[0].lower()}{said[1:]}"
    if item["type"] == "missing" or item["type"] == "value_error":
        return said
    # `revision: 123` and `language: no` are read as other things than strings.
    quote = (
        ": put it in quotes" if item["type"] == "string_type" and isinstance(item["input"], bool | int | float) else ""
    )
    return f"{said} (got {item['input']!r:.80}{quote})"


def _fields_at(model: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    kinds: list[Any] = [model]
    for part in path:
        kinds = [
            inner
            for kind in kinds
            for inner in (
                [kind.model_fields[str(part)].annotation]
                if isinstance(kind, type) and issubclass(kind, BaseModel) and str(part) in kind.model_fields
                else get_args(kind)  # a dict of models: its values' one
            )
        ]
    return sorted(
        {name for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel) for name in kind.model_fields}
    )


def fingerprint(parts: Mapping[str, object]) -> str:
    """Hash settings, versions and upstream fingerprints to 12 hex digits. Version 1 of the format: canonical JSON."""
    text = json.dumps({"format": 1, **parts}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
