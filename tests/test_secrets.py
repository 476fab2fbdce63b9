"""What must not be shown is not: literals in, literals out."""

import base64

import pytest

from synth import secrets

KEY = "sk-live/51H+x=Q9"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"SYNTH_API_KEY": KEY, "HOME": "/home/reader", "LANGUAGE": "en_GB.UTF-8"})
    monkeypatch.setattr(secrets, "_registered", set())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("nothing in /home/reader is secret", "nothing in /home/reader is secret"),
        (f"refused {KEY}, sorry", "refused ***SYNTH_API_KEY***, sorry"),
        (f"twice {KEY}{KEY}", "twice ***SYNTH_API_KEY******SYNTH_API_KEY***"),
        ("?key=sk-live%2F51H%2Bx%3DQ9&a=b", "?key=***SYNTH_API_KEY***&a=b"),
        (f"Authorization: Bearer {KEY}", "Authorization: Bearer ***SYNTH_API_KEY***"),
        ('{"authorization": "Bearer another-key-1"}', '{"authorization": "Bearer ***"}'),
        ("{'Authorization': b'Basic dTpw'}", "{'Authorization': b'Basic ***'}"),
        ("Authorization: opaque-key", "Authorization: ***"),
        ("got bearer eyJhbGciOi.eyJzdWIi.c2ln", "got bearer ***"),
        ("authorization failed for bearer", "authorization failed for bearer"),
        ("proxy http://me:pass@word@proxy:80/ is down", "proxy http://***@proxy:80/ is down"),
        ("https://ghp_16C7e42F@example.org", "https://***@example.org"),
        ("https://example.org/a@b and me@example.org", "https://example.org/a@b and me@example.org"),
    ],
)
def test_secrets_are_replaced_by_their_names(text: str, shown: str) -> None:
    assert secrets.redact(text) == shown


@pytest.mark.parametrize("user", ["", "u", "me", "you"])
def test_base64_hides_no_secret(user: str) -> None:
    encoded = base64.b64encode(f"{user}:{KEY}".encode()).decode()
    shown = secrets.redact(f"you sent {encoded}")
    assert "***SYNTH_API_KEY***" in shown
    # Of the 22 characters that the key fills, at most one on each side tells something of it, and of its neighbour.
    assert len(shown.replace("***SYNTH_API_KEY***", "")) <= len("you sent ") + len(encoded) - 20


def test_names_tell_what_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"HF_TOKEN": "hf_aaaaaaaa", "My_Secret": "bbbbbbbb", "PGPASSWORD": "cccccccc", "KEYS": "dddddddd"}
    monkeypatch.setattr("os.environ", {**values, "SHORT_KEY": "eeeeeee", "PASS": "ffffffff", "OTHER": "gggggggg"})
    text = "hf_aaaaaaaa bbbbbbbb cccccccc dddddddd eeeeeee ffffffff gggggggg"
    assert (
        secrets.redact(text) == "***HF_TOKEN*** ***My_Secret*** ***PGPASSWORD*** ***KEYS*** eeeeeee ffffffff gggggggg"
    )
    secrets.register("OTHER")
    assert secrets.redact("gggggggg") == "***OTHER***"


def test_a_secret_within_another_leaves_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"A_KEY": "12345678", "B_KEY": "12345678-and-more", "C_KEY": " 87654321\n"})
    assert secrets.redact("12345678-and-more, 12345678, 87654321.") == "***B_KEY***, ***A_KEY***, ***C_KEY***."
