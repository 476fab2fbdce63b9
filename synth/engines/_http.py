"""What any HTTP server may say, and what stands between it and us: proxies, counters, words fit for a message."""

import email.utils
import re
import time
import urllib.error
import urllib.request
from functools import lru_cache
from http.client import HTTPException
from urllib.parse import urlsplit

from synth import secrets
from synth.engines import COUNTERS

LONGEST_PAUSE = 60.0
"""Seconds; the most that a server's Retry-After can ask for."""
LONGEST_REPLY = 4 * 2**20
"""Bytes. An answer of 256 tokens has about 2,000; whatever sends more than this is not answering."""


def root(url: str) -> str:
    return url.removesuffix("/v1")


@lru_cache(1024)
def proxy(url: str) -> str | None:
    """Return the proxy that the environment names for a server. Raises ValueError for one that is no HTTP proxy."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies_environment()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found or urllib.request.proxy_bypass_environment(parts.netloc):  # type: ignore[attr-defined]
        return None
    if not found.startswith(("http://", "https://")):
        raise ValueError(f"proxy {secrets.redact(found)!r} is no HTTP proxy")
    return found


_COUNTER = re.compile(r"^vllm:(\w+)_total(?:\{[^}]*\})? ([0-9.eE+]+)", re.MULTILINE)


def counted(url: str) -> dict[str, float] | None:
    """Read a server's counters from its /metrics page: empty where there is none, null where the server is not there yet."""
    try:
        with urllib.request.urlopen(f"{root(url)}/metrics", timeout=2) as page:
            text = page.read(LONGEST_REPLY).decode(errors="replace")
        found: dict[str, float] = {}
        for name, value in _COUNTER.findall(text):
            if name in COUNTERS:
                found[name] = found.get(name, 0.0) + float(value)
        return found
    except urllib.error.HTTPError as error:
        return None if error.code >= 500 else {}
    except OSError:
        return None
    except (ValueError, HTTPException):
        return {}


def said(status: int, data: bytes) -> str:
    """Return what a server said, fit for a message: one line, at most 200 characters of it, without keys."""
    text = " ".join(secrets.redact(data.decode(errors="replace")).split())
    return f"HTTP {status}: {text[:200] or '(nothing)'}"


def cause(error: BaseException) -> str:
    """Name the innermost cause that the system gave: `Connection refused` instead of `All connection attempts failed`."""
    said, inner = f"{type(error).__name__}: {error}", error
    while cause := inner.__cause__ or inner.__context__:
        inner = cause
        if isinstance(inner, OSError) and str(inner):
            said = f"{type(inner).__name__}: {inner}"
    return secrets.redact(said.removesuffix(": "))[:300]


def asked_pause(value: str) -> float | None:
    """Read Retry-After, in seconds or as an HTTP date, as seconds from 0 to a minute; null when it says nothing."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    return min(LONGEST_PAUSE, seconds) if seconds >= 0 else None
