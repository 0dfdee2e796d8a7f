"""How the plots of the notebooks look."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats


def set_style() -> None:
    """Draw in one style, as SVG without the date: the same each time."""
    set_matplotlib_formats("svg", metadata={"Date": None})
    plt.style.use(Path(__file__).with_suffix(".mplstyle"))
