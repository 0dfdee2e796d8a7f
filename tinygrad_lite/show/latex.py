"""Names and numbers in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .naming import DIGITS, plain, shown

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi",
    "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi",
    "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
# No `<` before a letter, no backtick and no `$` but as `\$`: Markdown reads it before TeX does.
_ESCAPES = {char: rf"\{char}" for char in "_&#%${}"} | {
    "\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim ", "`": r"\grave{}", "|": r"\vert ",
    "<": "{<}", ">": "{>}", "*": r"\ast ", "·": r"\cdot ", "∂": r"\partial ", "…": r"\ldots ",
    "�": "?",
}  # fmt: skip


def latex_name(name: str) -> str:
    r"""A label in LaTeX that TeX, MathJax, KaTeX and GitHub render: text, whatever it holds.

    >>> latex_name("b"), latex_name("w₁"), latex_name("σ_max"), latex_name("loss")
    ('b', 'w_{1}', '\\sigma_{\\text{max}}', '\\text{loss}')
    >>> latex_name("a_b <c>")
    '\\text{a}\\_\\text{b }{<}\\text{c}{>}'
    """
    name = plain(name)
    if found := re.fullmatch(r"([A-Za-z]+|[α-ωΓ-Ω])(?:_?(\d+)|_([A-Za-z]+))", name):
        base, digits, word = found.groups()
        return f"{latex_name(base)}_{{{digits or latex_name(word)}}}"
    if re.fullmatch(r"[A-Za-z]|\d+", name):
        return name
    pieces = re.split(rf"([{re.escape(''.join([*_ESCAPES, *GREEK]))}])", name)
    special = _ESCAPES | {char: rf"\{word} " for char, word in GREEK.items()}
    return "".join(special.get(piece) or rf"\text{{{piece}}}" for piece in pieces if piece).strip()


def latex_number(x: float, digits: int = DIGITS) -> str:
    r"""A number in LaTeX.

    >>> latex_number(2.5), latex_number(-1e-17), latex_number(2.5e6)
    ('2.5', '-10^{-17}', '2.5 \\cdot 10^{6}')
    """
    mantissa, e, exponent = shown(x, digits).partition("e")
    if not e:
        return mantissa.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    factor = {"1": "", "-1": "-"}.get(mantissa, rf"{mantissa} \cdot ")
    return f"{factor}10^{{{int(exponent)}}}"


def addends(side: str) -> Iterator[str]:
    r"""A side of an equation, cut before each + that stands outside of parentheses and braces.

    >>> list(addends(r"a + \text{b+c} + (d + e)"))
    ['a ', '+ \\text{b+c} ', '+ (d + e)']
    """
    braces, parentheses, start = 0, 0, 0
    for found in re.finditer(r"\ue002[^\ue003]*\ue003|\\.|[{}()+]", side):  # no label of the page's
        mark = found[0]
        braces += (mark == "{") - (mark == "}")
        if braces == 0:
            parentheses += (mark == "(") - (mark == ")")
            if mark == "+" and parentheses == 0:
                yield side[start : found.start()]
                start = found.start()
    yield side[start:]
