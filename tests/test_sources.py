"""Source files are cut into functions by their layout alone, and no line is lost."""

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.passages import estimate_tokens
from synth.sources import clean_code, split

PYTHON = '''\
"""Shapes.

Text of the module:

    area(2)
"""
import math
from typing import (
    Any,
)

LIMIT = 3


# How large?
@cache
@app.get(
    "/area",
)
def area(
    radius: float,
) -> float:
    """Return the area.

Flush text in quotes:
  is no code.
    """
    if radius < 0:
        raise ValueError

    return math.pi * radius**2
def edge(radius):
    return 2 * math.pi * radius

class Empty(Exception):
    """Nothing."""


class Stack(list):
    """Last in, first out."""

    size: int = 0

    def push(self, item):
        self.append(item)
    @property
    def top(self):
        return self[-1]

    # The rest.
    class Inner:
        def one(self):
            return 1

        def two(self):
            return 2

if __name__ == "__main__":
    area(1)
'''

JAVASCRIPT = """\
'use strict';
const fs = require('fs');

/**
 * Wait.
 */
export const wait = async (ms) => {
  await new Promise((done) => {
    setTimeout(done, ms);
  });
};
function now() {
  return Date.now();
}
export default class Clock extends Base {
  #start = now();

  read() {
    return now() - this.#start;
  }

  stop() {}

  reset() {
    this.#start = now();
  }
}
app
  .get('/', now)
  .listen(80);
"""

GO = """\
package main

import (
\t"fmt"
)

// Point is a place.
type Point struct {
\tX int
}

// Move moves it.
func (p *Point) Move(by int) {
\tp.X += by

\tfmt.Println(p)
}
func main() {
\tfmt.Println("hi")
}
"""

RUST = """\
#![allow(dead_code)]
use std::{
    fmt,
};

#[derive(Clone)]
struct Queue<T> {
    items: Vec<T>,
}

impl<T> Queue<T> {
    /// Adds.
    pub fn push(&mut self, item: T) {
        self.items.push(item);
    }

    /// Counts.
    pub fn len(&self) -> usize {
        self.items.len()
    }
}
"""

C = """\
/*
  Licence: do as
  you like.
*/
#include <stdio.h>
#define N 3

static int
add(int a,
    int b)
{
    return a + b;
}
struct point *at(int x)
{
#ifdef FAST
    return table + x;
#endif
    return find(x);
}
#endif

int main(void) {
    return 0;
}
"""


NESTED = """\
namespace A
{
    public class B
    {
        int x;

        [Test]
        void One()
        {
            x = 1;
        }

    private:
        @Override void two() {
            x = 2;
        }
    };
}
"""


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            PYTHON,
            [
                PYTHON[: PYTHON.index("\n\n\n# How")],
                PYTHON[PYTHON.index("# How") : PYTHON.index("\ndef edge")],
                "def edge(radius):\n    return 2 * math.pi * radius",
                'class Empty(Exception):\n    """Nothing."""',
                'class Stack(list):\n    """Last in, first out."""\n\n    size: int = 0\n\n    def push(self, item):\n        self.append(item)',
                "class Stack(list):\n    @property\n    def top(self):\n        return self[-1]",
                "class Stack(list):\n    # The rest.\n    class Inner:\n        def one(self):\n            return 1",
                "class Stack(list):\n    class Inner:\n        def two(self):\n            return 2",
                'if __name__ == "__main__":\n    area(1)',
            ],
        ),
        (
            JAVASCRIPT,
            [
                "'use strict';\nconst fs = require('fs');",
                JAVASCRIPT[JAVASCRIPT.index("/**") : JAVASCRIPT.index("\nfunction")],
                "function now() {\n  return Date.now();\n}",
                "export default class Clock extends Base {\n  #start = now();\n\n  read() {\n    return now() - this.#start;\n  }",
                "export default class Clock extends Base {\n  stop() {}",
                "export default class Clock extends Base {\n  reset() {\n    this.#start = now();\n  }\n}",
                "app\n  .get('/', now)\n  .listen(80);",
            ],
        ),
        (
            GO,
            [
                'package main\n\nimport (\n\t"fmt"\n)',
                "// Point is a place.\ntype Point struct {\n\tX int\n}",
                "// Move moves it.\nfunc (p *Point) Move(by int) {\n\tp.X += by\n\n\tfmt.Println(p)\n}",
                'func main() {\n\tfmt.Println("hi")\n}',
            ],
        ),
        (
            RUST,
            [
                "#![allow(dead_code)]\nuse std::{\n    fmt,\n};",
                "#[derive(Clone)]\nstruct Queue<T> {\n    items: Vec<T>,\n}",
                "impl<T> Queue<T> {\n    /// Adds.\n    pub fn push(&mut self, item: T) {\n        self.items.push(item);\n    }",
                "impl<T> Queue<T> {\n    /// Counts.\n    pub fn len(&self) -> usize {\n        self.items.len()\n    }\n}",
            ],
        ),
        (
            C,
            [
                "/*\n  Licence: do as\n  you like.\n*/\n#include <stdio.h>\n#define N 3",
                "static int\nadd(int a,\n    int b)\n{\n    return a + b;\n}",
                "struct point *at(int x)\n{\n#ifdef FAST\n    return table + x;\n#endif\n    return find(x);\n}\n#endif",
                "int main(void) {\n    return 0;\n}",
            ],
        ),
        (
            NESTED,
            [
                "namespace A\n{",
                "namespace A\n" + NESTED[NESTED.index("    public class") : NESTED.index("\n        @Override")],
                "namespace A\n    public class B\n" + NESTED[NESTED.index("        @Override") :].rstrip(),
            ],
        ),
        ("  def of_a_row(self):\n      return 1\n\n  x = 2", ["  def of_a_row(self):\n      return 1", "  x = 2"]),
    ],
    ids=["Python", "JavaScript", "Go", "Rust", "C", "nested, like C# and C++", "all indented"],
)
def test_where_it_cuts(text: str, pieces: list[str]) -> None:
    assert split(text, 350) == pieces


def test_a_function_over_the_budget_is_cut_evenly_between_its_statements() -> None:
    statements = "".join(f"    if a[{n}]:\n        b()\n" for n in range(9))
    parts = split(f"@cache\ndef long(a, b):\n{statements}", 50)
    assert [estimate_tokens(part) for part in parts] == [34, 39]
    assert parts[1] == "def long(a, b):\n" + "".join(f"    if a[{n}]:\n        b()\n" for n in range(4, 9)).rstrip()


NASTY = {
    "nothing": ("", []),
    "blank": ("\n \n\t\n", []),
    "one line, no newline": ("x", ["x"]),
    "only comments": ("# a\n# b\n\n  # c\n", ["# a\n# b\n\n  # c"]),
    "only closing": ("}\n}\n    )\n", ["}\n}\n    )"]),
    "never closed": ("int f() {\n  g(((\n\nint h() {\n  i[\n", ["int f() {\n  g(((", "int h() {\n  i["]),
    "closed too often": ("int f() {\n  g();\n}}}\n)\nint h() {\n  i();\n}", ["int f() {\n  g();\n}}}\n)", "int h() {\n  i();\n}"]),
    "quotes never closed": ('def f():\n    """a\n\ndef g():\n    b', ['def f():\n    """a', "def g():\n    b"]),
    "tabs among spaces": ("class A {\n\tint f() {\n        x;\n    }\n}\n", ["class A {\n\tint f() {\n        x;\n    }\n}"]),
    "ends shallower": ("    a:\n        b\n  c:\n      d\n", ["    a:\n        b", "  c:\n      d"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "pieces"), NASTY.values(), ids=NASTY)
def test_nasty_files_are_cut_anyhow(text: str, pieces: list[str]) -> None:
    assert split(text, 350) == pieces


HUGE = {
    "one line": "var a=1;" * 12_500,
    "one line without blanks": "x" * 100_000,
    "an indented line": "class A:\n    def f():\n        " + "x " * 50_000,
    "a long header": "class " + "A" * 50_000 + ":\n    def f():\n        pass\n\n    def g():\n        pass\n",
    "stairs": "\n".join(" " * n + "class A:" for n in range(400)),
    "comments that never end": "/*\n" * 30_000,
    "quotes": '"""' * 30_000,
    "quotes by lines": '"""\n' * 30_000,
    "blank lines": "\n" * 100_000,
    "words before no class": "a " * 50_000 + "\n  b\n  c",
    "blanks": " " * 100_000 + "x",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_100_kb_of_it_take_a_moment_and_keep_to_the_budget(text: str) -> None:
    start = time.process_time()
    pieces = split(clean_code(text), 350)
    assert time.process_time() - start < 5
    assert all(estimate_tokens(piece) <= 350 for piece in pieces)
    assert len(_letters("".join(pieces))) >= len(_letters(text))


def _letters(text: str) -> str:
    return "".join(text.split())


LINES = st.lists(
    st.tuples(
        st.sampled_from(["", " ", "    ", "\t", "        "]),
        st.sampled_from(
            ["def f():", "class A:", "class B {", "}", ")", "end", "else:", "x = 1", "# c", "@d", '"""', "/*", "*/", "",
             "import a", "return" + " x" * 30, "y" * 90, "impl X {", "struct s {"]
        ),
    ),
    max_size=30,
).map(lambda lines: "\n".join(map("".join, lines)))  # fmt: skip


@given(LINES, st.integers(16, 80))
def test_no_line_is_lost_and_the_budget_is_kept(text: str, budget: int) -> None:
    pieces = split(text, budget)
    assert all(estimate_tokens(piece) <= budget and piece.strip() for piece in pieces)
    have = {line.strip() for piece in pieces for line in piece.split("\n")}
    lost = {line.strip() for line in text.split("\n")} - have - {""}
    assert all(estimate_tokens(line) > budget / 2 for line in lost)  # what is cut itself is there in pieces
    short = [line for line in text.split("\n") if line.strip() and estimate_tokens(line) <= budget / 2]
    found = Counter(line for piece in pieces for line in piece.split("\n"))
    assert not Counter(short) - found


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("def f():\r\n\treturn 1  \r\rx", "def f():\n\treturn 1\n\nx"),
        ("\n\n    a  =  1\n\n\n\n\n\nb\n", "    a  =  1\n\n\nb"),
        ("a\u200b\u202eb\u00a0=\ufeff\x001\x1b[0m", "ab =1[0m"),
        ('s = "e\u0301\u200d"\x0cx', 's = "é"\nx'),
        ("\u3000x\u2028y\ud800", " x\ny"),
        (" \n\t\n", ""),
    ],
)
def test_cleaning_keeps_the_layout(text: str, cleaned: str) -> None:
    assert clean_code(text) == cleaned


@given(st.text(st.one_of(st.sampled_from("a \t\n\r\u200b\u00a0\u0301\u2028\x1c}#"), st.characters()), max_size=200))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_code(text)
    assert clean_code(once) == once
    once.encode()
