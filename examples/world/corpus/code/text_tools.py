"""Small helpers for plain text."""

import re
import unicodedata
from collections import Counter


def slugify(title: str, separator: str = "-") -> str:
    """Turn a title into a lower-case ASCII slug for a URL.

    Accents are removed, and each run of other characters becomes one separator.
    """
    decomposed = unicodedata.normalize("NFKD", title)
    ascii_only = decomposed.encode("ascii", "ignore").decode("ascii")
    words = re.findall(r"[a-z0-9]+", ascii_only.lower())
    return separator.join(words)


def edit_distance(first: str, second: str) -> int:
    """Return the Levenshtein distance of two strings.

    Only one row of the table is kept, so memory grows with the second string alone.
    """
    row = list(range(len(second) + 1))
    for i, left in enumerate(first, start=1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(second, start=1):
            substituted = diagonal + (left != right)
            diagonal = row[j]
            row[j] = min(row[j] + 1, row[j - 1] + 1, substituted)
    return row[-1]


def wrap_words(text: str, width: int) -> list[str]:
    """Break a text into lines of at most `width` characters, between words.

    A word that is longer than the width gets a line of its own.
    """
    lines: list[str] = []
    current = ""
    for word in text.split():
        if current and len(current) + 1 + len(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    if current:
        lines.append(current)
    return lines


def most_common_ngrams(text: str, size: int, limit: int = 10) -> list[tuple[str, int]]:
    """Count the word n-grams of a text and return the most frequent with their counts."""
    words = re.findall(r"\w+", text.lower())
    grams = zip(*(words[start:] for start in range(size)), strict=False)
    counted = Counter(" ".join(gram) for gram in grams)
    return counted.most_common(limit)
