"""The LaTeX that templates are written in, read and given as MathML, which browsers draw.

What the reader does not know is a name. There may be elements of MathML in it, which stay as they
are, and in place of a number a hook, see `hooks.py`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from .latex import GREEK
from .naming import DIGITS, shown

START, END = "\ue000", "\ue001"
"""Around a hook, in characters for private use, which are taken out of every name."""
ELEMENT = "\ue002{}\ue003"
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
    is_untrue = any(held(found)[2] == 0 for found in HOOK.finditer(latex))
    return f"<math{' hidden' * is_untrue}>{row}</math>"


def held(found: re.Match[str]) -> tuple[str, float, int]:
    """The key and the number of a hook, and how many of its digits are shown."""
    key, x, digits = (found["tight"] or found["loose"]).split()
    return key, float(x), int(digits)


_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_INDICES = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def number(x: float, digits: int = DIGITS, *, tight: bool = False) -> str:
    """A number, as `shown` gives it, in the signs of mathematics; in parentheses if it needs them.

    >>> number(-2.5), number(1.5e-9), number(-1e20, tight=True)
    ('−2.5', '1.5·10⁻⁹', '(−10²⁰)')
    """
    mantissa, e, exponent = shown(x, digits).replace("inf", "∞").partition("e")
    if e:
        power = f"10{str(int(exponent)).translate(_POWERS)}"
        mantissa = {"1": power, "-1": f"-{power}"}.get(mantissa, f"{mantissa}·{power}")
    written = mantissa.replace("-", _MINUS)
    return f"({written})" if tight and (e or written.startswith(_MINUS)) else written


def name(label: str) -> str:
    """A name: a letter with an index, in as few bytes as a browser draws alike, or text.

    >>> name("w_2"), name("σ_max"), name("loss")
    ('<mi>𝑤₂</mi>', '<msub><mi>𝜎</mi><mtext>max</mtext></msub>', '<mtext>loss</mtext>')
    """
    found = re.fullmatch(r"([A-Za-zα-ωΓ-Ω])(?:_?(\d+|[₀-₉]+)|_([A-Za-z]+))?", label)
    if not found:
        return f"<mtext>{html.escape(label)}</mtext>"
    letter, index, word = found.groups()
    base = f"<mi>{_italic(letter)}{(index or '').translate(_INDICES)}</mi>"
    return f"<msub>{base}<mtext>{word}</mtext></msub>" if word else base


def _italic(letter: str) -> str:
    """The letter that a browser draws for a variable of one letter, for names of several signs."""
    for first, last, italic in (("a", "z", "𝑎"), ("A", "Z", "𝐴"), ("α", "ω", "𝛼")):
        if first <= letter <= last and letter != "h":
            return chr(ord(letter) - ord(first) + ord(italic))
    return "ℎ" if letter == "h" else letter


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
    rf"(?P<hook>{HOOK.pattern})|{ELEMENT.format('(?P<element>.*?)')}"
    r"|\\text\{(?P<text>[^{}]*)\}|\\(?:mathrm|operatorname)\{(?P<upright>[^{}]*)\}"
    r"|\\(?P<word>[A-Za-z]+) ?|(?P<space>\s+|\\[,;:! ])|\\(?P<escaped>.)"
    r"|(?P<digits>\d+(?:\.\d+)?)|(?P<char>.)",
    re.DOTALL,
)


_RIGHT = r"\right"


class _Reader:
    """Reads token after token, from the left to the right."""

    def __init__(self, latex: str) -> None:
        tokens = [found for found in _TOKEN.finditer(latex) if not found["space"]]
        self.tokens: list[re.Match[str]] = tokens[::-1]  # the next is the last

    def row(self, end: str | None = None) -> str:
        """What comes before `end`, which is taken too."""
        return "".join(self.items(end))

    def one(self) -> str:
        """What comes before a closing brace as one element, as the parts of a fraction must be."""
        items = self.items("}")
        return items[0] if len(items) == 1 else f"<mrow>{''.join(items)}</mrow>"

    def items(self, end: str | None) -> list[str]:
        """The elements before `end`."""
        items: list[str] = []
        while self.tokens:
            token = self.tokens.pop()
            if token[0].strip() == end:
                break
            if token["char"] in ("^", "_"):
                base = items.pop() if items else "<mrow></mrow>"
                element = "msup" if token["char"] == "^" else "msub"
                items.append(f"<{element}>{base}{self.argument()}</{element}>")
            else:
                item = self.element(token)
                if items[-1:] == ["<mi>∂</mi>"] and re.match("<(mi|mtext)>", item):
                    items.pop()
                    item = item.replace(">", ">𝜕", 1)  # ∂ and a name are one element
                items.append(item)
        return list(_signed(items))

    def argument(self) -> str:
        """The next element or `{…}`, as one element."""
        return self.element(self.tokens.pop()) if self.tokens else "<mrow></mrow>"

    def element(self, token: re.Match[str]) -> str:
        if token["hook"]:
            return _hook(token)
        if token["element"]:
            return token["element"]
        if token["text"] is not None:
            return f"<mtext>{_unescaped(token['text'])}</mtext>"
        if upright := token["upright"]:  # a name of several letters is so by itself
            variant = " mathvariant=normal" if len(upright) == 1 else ""
            return f"<mi{variant}>{_unescaped(upright)}</mi>"
        if token["word"]:
            return self.command(token["word"])
        if token["digits"]:
            return f"<mn>{token['digits']}</mn>"
        if token["char"] == "{":
            return self.one()
        char = token["escaped"] or token["char"]
        return f"<mi>{char}</mi>" if char.isalpha() else _operator(char.replace("-", _MINUS))

    def command(self, word: str) -> str:
        if word in ("frac", "dfrac"):
            return f"<mfrac>{self.argument()}{self.argument()}</mfrac>"
        if word == "sqrt":
            return f"<msqrt>{self.argument()}</msqrt>"
        if word == "left":
            return f"<mrow>{self.fence()}{self.row(_RIGHT)}{self.fence()}</mrow>"
        if word in _SIGNS:
            return _operator(_SIGNS[word])
        return f"<mi>{_LETTERS.get(word, word)}</mi>"

    def fence(self) -> str:
        """What stands after `\\left` or `\\right`, as high as what is between."""
        if not self.tokens:
            return ""
        token = self.tokens.pop()
        char = _SIGNS.get(token["word"] or "", token["escaped"] or token[0])
        return "" if char == "." else f"<mo>{html.escape(char)}</mo>"  # stretchy by itself


def _hook(found: re.Match[str]) -> str:
    key, x, digits = held(found)
    tight = " data-t" if found["tight"] else ""
    more = f" data-d={digits}" if digits > DIGITS else ""
    written = number(x, digits or DIGITS, tight=bool(tight))
    return f"<mn data-n={key}{more}{tight}>{written}</mn>"


def _unescaped(words: str) -> str:
    return html.escape(words.replace("\\", ""))


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
