"""No key in a message: whatever a server, a proxy or a library said goes through `redact` before it is shown or kept.

Keys come from environment variables only, so what must not be shown is known: the values of those whose names say that
they are secret, as they are and as servers tend to echo them. What only looks like a credential goes too.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Characters. A shorter value (`TOKENIZERS_PARALLELISM=false`) is no key, and would be found in innocent words."""
_SECRET_NAME = re.compile("KEY|TOKEN|SECRET|PASSWORD")
_registered: set[str] = set()

_CREDENTIALS = (
    # `Authorization: Bearer abc`, also as JSON or as Python writes it, and a Bearer token by itself.
    (re.compile(r"""(?i)(authorization["']?\s*[:=]\s*b?["']?(?:[a-z]+\s+)?)(?!\*\*\*|[a-z]+\s)[^\s"',;]+"""), r"\1***"),
    (re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{8,}"), r"\1***"),
    # `user:password@` or `token@` in a URL.
    (re.compile(r"""(\w://)[^\s/"'<>]+@"""), r"\1***@"),
)


def register(name: str) -> None:
    """Count the environment variable `name` among the secret ones, whatever it is called."""
    _registered.add(name)


def redact(text: str) -> str:
    """Return `text` with each secret replaced by `***NAME***`, and what looks like a credential by `***`.

    A secret is found as it is, quoted for a URL, escaped for JSON, and inside of anything base64-ed. About 80 µs with
    70 variables in the environment.
    """
    if not text:
        return text
    found = {form: name for name, value in _secrets() for form in _forms(value)}
    for form in sorted(found, key=len, reverse=True):  # a secret may hold another
        text = text.replace(form, f"***{found[form]}***")
    for pattern, mark in _CREDENTIALS:
        text = pattern.sub(mark, text)
    return text


def _secrets() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if (name in _registered or _SECRET_NAME.search(name.upper())) and len(value := value.strip()) >= SHORTEST:
            yield name, value


def _forms(value: str) -> Iterator[str]:
    yield from (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    data = os.fsencode(value)
    for shift in range(3):  # base64 has three forms of it, by where it begins; only whole characters of it are told
        encoded = base64.b64encode(bytes(shift) + data).decode()
        yield encoded[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
