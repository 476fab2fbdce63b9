"""Python's own standard library as a BEIR folder: functions without their docstrings, and what a docstring says first.

    python recipes/small/stdlib.py outputs/recipes/stdlib

People wrote both, and every machine with Python has them. The first sentence of a docstring is the question, the rest of the
function, without it, is what answers. Functions differ between versions of Python, so figures do, too.
"""

import ast
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from textwrap import dedent

from beir_folder import write

FUNCTIONS = 1000
"""Functions to take: as many as a 135M model reads in some minutes on a CPU."""
_APART = {
    "site-packages",
    "test",
    "tests",
    "idle_test",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "pydoc_data",
    "__pycache__",
}


def convert(folder: Path, functions: int = FUNCTIONS) -> tuple[int, int]:
    """Return how many functions and questions there are. Which are taken depends on their text alone."""
    found = list(_functions(Path(sysconfig.get_path("stdlib"))))
    # "Return the name." of six functions is no question that one of them answers.
    asked, written = Counter(said for _, said, _ in found), Counter(code for _, _, code in found)
    clear = [(name, said, code) for name, said, code in found if asked[said] == written[code] == 1]
    taken = sorted(clear, key=lambda one: sha256(one[2].encode()).digest())[:functions]
    documents = [
        {"_id": name, "title": name.partition(":")[0], "text": code, "syntax": "python"} for name, _, code in taken
    ]
    return write(folder, documents, [(f"about {name}", said, name) for name, said, _ in taken])


def _functions(library: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (id, first sentence of the docstring, code without it) of functions that are neither tiny nor huge."""
    for file in sorted(library.rglob("*.py")):
        inside = file.relative_to(library)
        if _APART.intersection(inside.parts):
            continue
        try:
            source = file.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (SyntaxError, ValueError):  # files that test what a parser refuses
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
                said = " ".join(re.split(r"(?<=[.!?])\s|\n\s*\n", text, maxsplit=1)[0].split())
                lines = node.body[-1].end_lineno - node.body[0].end_lineno
                if 5 <= len(said.split()) <= 30 and 4 <= lines <= 40:
                    yield f"{inside.as_posix()}:{node.lineno}", said, _without_docstring(source, node)


def _without_docstring(source: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    lines, text = source.splitlines(), node.body[0]
    return dedent("\n".join([*lines[node.lineno - 1 : text.lineno - 1], *lines[text.end_lineno : node.end_lineno]]))


if __name__ == "__main__":
    print("{} functions, {} questions".format(*convert(Path(sys.argv[1]))))
