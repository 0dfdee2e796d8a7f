"""The LaTeX that templates and names are written in, read and given as MathML.

Browsers draw MathML by themselves. What the reader does not know is a name. In place of a number
there may be a hook, see `hooks.py`, and in place of a name a text, which is taken as it is.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from .latex import GREEK
from .naming import shown

START, END = "\ue000", "\ue001"
"""Around a hook, in characters for private use, which are taken out of every name."""
WORDS = "\ue002{}\ue003"
"""A name that is no letter with an index: it is text, whatever it holds."""
CLEAN = dict.fromkeys(range(0xE000, 0xE004), "�")
# A number may turn negative: where that would need parentheses it has them, shown if it is.
# Parentheses after a name or a brace are those of a call.
HOOK = re.compile(
    rf"(?<![A-Za-z}}])(?:\(|\\left\()-{START}(?P<tight>[^{END}]*){END}(?:\)|\\right\))"
    rf"|-{START}(?P<loose>[^{END}]*){END}"
)


def math(latex: str) -> str:
    """A piece of a formula."""
    row = _Reader(latex).row()
    if row.startswith("<mo>+"):  # at the start of a row it would be a sign, without space around it
        row = row.replace("<mo>", "<mo form=infix>", 1)
    return f"<math>{row}</math>"


def held(found: re.Match[str]) -> tuple[str, float]:
    """The key and the number of a hook."""
    key, _, x = (found["tight"] or found["loose"]).partition(" ")
    return key, float(x)


_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_INDICES = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def number(x: float, *, tight: bool = False) -> str:
    """A number, as `shown` gives it, in the signs of mathematics; in parentheses if it needs them.

    >>> number(-2.5), number(1.5e-9), number(-1e20, tight=True)
    ('−2.5', '1.5·10⁻⁹', '(−10²⁰)')
    """
    mantissa, e, exponent = shown(x).replace("inf", "∞").partition("e")
    if e:
        power = f"10{str(int(exponent)).translate(_POWERS)}"
        mantissa = {"1": power, "-1": f"-{power}"}.get(mantissa, f"{mantissa}·{power}")
    written = mantissa.replace("-", _MINUS)
    return f"({written})" if tight and (e or written.startswith(_MINUS)) else written


def _hook(found: re.Match[str]) -> str:
    key, x = held(found)
    tight = " data-t" if found["tight"] else ""
    return f"<mn data-n={key}{tight}>{number(x, tight=bool(tight))}</mn>"


_MINUS = "−"
_SIGNS = {
    "cdot": "·", "le": "≤", "ge": "≥", "ne": "≠", "cdots": "⋯", "ldots": "…", "ast": "∗",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "vert": "|",
    "times": "×", "pm": "±", "bmod": "mod", "to": "→", "in": "∈", "quad": "\u2003",
}  # fmt: skip
_LETTERS = {word: char for char, word in GREEK.items()} | {
    "partial": "∂", "infty": "∞", "ell": "ℓ", "varepsilon": "ε", "varphi": "φ", "vartheta": "ϑ",
}  # fmt: skip
_TOKEN = re.compile(
    rf"(?P<hook>{HOOK.pattern})|\ue002(?P<words>[^\ue003]*)\ue003|\\(?P<word>[A-Za-z]+) ?"
    r"|(?P<space>\s+|\\[,;:! ])|\\(?P<escaped>.)|(?P<digits>\d+(?:\.\d+)?)|(?P<char>.)",
    re.DOTALL,
)


class _Reader:
    """Reads the LaTeX that templates and names are written in; what it does not know is a name."""

    def __init__(self, latex: str) -> None:
        tokens = [found for found in _TOKEN.finditer(latex) if not found["space"]]
        self.tokens: list[re.Match[str]] = tokens[::-1]  # the next is the last

    def row(self, end: str | None = None) -> str:
        """What comes before `end`, which is taken too; of several elements, as a row."""
        items: list[str] = []
        while self.tokens:
            token = self.tokens.pop()
            if token[0].strip() == end:
                break
            if token["char"] in ("^", "_"):
                base = items.pop() if items else "<mrow></mrow>"
                items.append(self.script(base, token["char"]))
            else:
                items.append(self.element(token))
        return _DIFFERENTIAL.sub(_differential, "".join(_signed(items)))

    def script(self, base: str, mark: str) -> str:
        element = "msup" if mark == "^" else "msub"
        argument = self.argument()
        letter = re.fullmatch("<mi>(.)</mi>", base)
        digits = re.fullmatch(r"<mn>(\d+)</mn>", argument)
        if element == "msub" and letter and digits:
            return f"<mi>{_italic(letter[1])}{digits[1].translate(_INDICES)}</mi>"
        return f"<{element}>{base}{argument}</{element}>"

    def argument(self) -> str:
        """The next element or `{…}`, as one element."""
        if not self.tokens:
            return "<mrow></mrow>"
        token = self.tokens.pop()
        return _one(self.row("}")) if token["char"] == "{" else self.element(token)

    def element(self, token: re.Match[str]) -> str:
        if token["hook"]:
            return _hook(token)
        if token["words"] is not None:
            return f"<mtext>{html.escape(token['words'])}</mtext>"
        if word := token["word"]:
            return self.command(word)
        if token["digits"]:
            return f"<mn>{token['digits']}</mn>"
        char = token["escaped"] or token["char"]
        if char == "{" and not token["escaped"]:
            return _one(self.row("}"))
        if char.isalpha():
            return f"<mi>{html.escape(char)}</mi>"
        return _operator(_MINUS if char == "-" else char)

    def command(self, word: str) -> str:
        if word in _COMMANDS:
            return _COMMANDS[word](self)
        if word in _SIGNS:
            return _operator(_SIGNS[word])
        return f"<mi>{_LETTERS.get(word, word)}</mi>"

    def words(self) -> str:
        """The `{…}` that follows, as it is written: words, not formulas."""
        written, depth = "", 0
        while self.tokens:
            token = self.tokens.pop()
            depth += (token["char"] == "{") - (token["char"] == "}")
            if depth == 0:
                break
            before = self.tokens[-1].start() if self.tokens else token.end()
            written += (token["escaped"] or token[0]) + " " * (before - token.end())
        return html.escape(written[1:] if written.startswith("{") else written)

    def fraction(self) -> str:
        return f"<mfrac>{self.argument()}{self.argument()}</mfrac>"

    def root(self) -> str:
        return f"<msqrt>{self.argument()}</msqrt>"

    def fenced(self) -> str:
        left = self.fence()
        inside = self.row(r"\right")
        return f"<mrow>{left}{inside}{self.fence()}</mrow>"

    def fence(self) -> str:
        if not self.tokens:
            return ""
        token = self.tokens.pop()
        char = _SIGNS.get(token["word"] or "", token["escaped"] or token[0])
        return "" if char == "." else f"<mo stretchy=true>{html.escape(char)}</mo>"


_COMMANDS: Mapping[str, Callable[[_Reader], str]] = {
    "frac": _Reader.fraction,
    "dfrac": _Reader.fraction,
    "sqrt": _Reader.root,
    "left": _Reader.fenced,
    "text": lambda reader: f"<mtext>{reader.words()}</mtext>",
    "mathrm": lambda reader: _upright(reader.words()),
    "operatorname": lambda reader: _upright(reader.words()),
}


def _italic(letter: str) -> str:
    """The letter that a browser draws for a variable of one letter, for names of several signs."""
    if "a" <= letter <= "z":
        return "ℎ" if letter == "h" else chr(ord(letter) - ord("a") + ord("𝑎"))
    if "A" <= letter <= "Z":
        return chr(ord(letter) - ord("A") + ord("𝐴"))
    return chr(ord(letter) - ord("α") + ord("𝛼")) if "α" <= letter <= "ω" else letter


_DIFFERENTIAL = re.compile("<mi>∂</mi><(?:mi>(.[₀-₉]*)</mi|mtext>([^<]*)</mtext)>")


def _differential(found: re.Match[str]) -> str:
    """∂ and a name as one element."""
    if found[2] is not None:
        return f"<mtext>𝜕{found[2]}</mtext>"
    return f"<mi>𝜕{_italic(found[1][0])}{found[1][1:]}</mi>"


def _upright(word: str) -> str:
    """A name of several letters is upright by itself."""
    return f"<mi>{word}</mi>" if len(word) > 1 else f"<mi mathvariant=normal>{word}</mi>"


@functools.cache
def _operator(char: str) -> str:
    stretchy = " stretchy=false" if char in "()[]|⌊⌋⌈⌉" else ""
    return f"<mo{stretchy}>{html.escape(char)}</mo>"


def _signed(items: Iterable[str]) -> Iterator[str]:
    """A minus at the start or after an operator is a sign, not a difference."""
    before = "<mo"
    for item in items:
        follows = before.startswith("<mo") and not re.search("[])⌋⌉]", before)
        is_sign = item == f"<mo>{_MINUS}</mo>" and follows
        yield f"<mo form=prefix>{_MINUS}</mo>" if is_sign else item
        before = item


def _one(row: str) -> str:
    """A row as one element, as the parts of a fraction and of a power must be."""
    return row if re.fullmatch(r"<(m[ino]|mtext)\b[^>]*>[^<]*</\1>", row) else f"<mrow>{row}</mrow>"
