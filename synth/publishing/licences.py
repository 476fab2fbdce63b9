"""Whether what a dataset is made from may be passed on: known and open licences pass, for all else a person must say so.

This is no legal advice, but a fence against publishing by oversight what nobody has looked at.
"""

import re
from collections.abc import Collection

from synth.config import Config
from synth.errors import RefusedError

PARTS = ("corpus", "personas")
_UNKNOWN = {"", "unknown", "none", "null", "n/a", "other", "unspecified", "not stated", "tbd", "?"}
_OPEN = re.compile(
    r"cc0([ -]1\.0)?|cc[ -]by([ -]sa)?([ -][1-4]\.\d)?|cc-pddc|public domain|pddl|odc-by|odbl|cdla-(permissive|sharing)-[12]\.0|"
    r"apache[ -]2\.0|mit|isc|zlib|bsd([ -][23]-clause)?|(a|l)?gpl[ -][23](\.\d)?(-only|-or-later|\+)?|mpl-2\.0|"
    r"unlicense|psf-2\.0|python-2\.0|gfdl|ogl-uk-[123]\.0|etalab-2\.0|dl-de-(by|zero)-2\.0|us-pd|0bsd"
)
_CLOSED = re.compile(r"all rights reserved|proprietary|confidential|\bclosed\b|\bno[- ]?deriv|\bnd\b|©|copyright")
_LIMITED = re.compile(r"\bnc\b|non-?commercial|research[- ]only")


def check(config: Config, accepted: Collection[str] = ()) -> None:
    """Raise RefusedError unless the licences of corpus and personas let their texts be passed on, or are `accepted`."""
    own = not (config.personas.path or config.personas.dataset)
    said = {"corpus": config.corpus.licence, "personas": config.personas.licence or ("CC0-1.0" if own else "")}
    problems = {part: why for part, name in said.items() if part not in accepted and (why := problem(name))}
    if problems:
        flags = " ".join(f"--accept-licence {part}" for part in problems)
        raise RefusedError(
            "; ".join(f"{part}.licence is {said[part] or 'not stated'!r}: {why}" for part, why in problems.items()),
            fix=f"find out, and state it in the config; {flags} says that you have looked, and that you may",
        )


def problem(licence: str) -> str | None:
    """Say why a licence does not let a dataset be published without a person's word; null when it does."""
    name = " ".join(licence.lower().split())
    if name in _UNKNOWN:
        return "nobody knows whether texts may be passed on"
    if _CLOSED.search(name):
        return "it forbids to pass on what is made from the texts"
    if _LIMITED.search(name):
        return "it is for some uses only, which a person must weigh"
    if not _OPEN.fullmatch(name):
        return "not a licence that synth knows to be open"
    return None
