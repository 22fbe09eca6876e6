"""Plots that can be read without the code: sorted bars with their figures, lines with their names beside them.

Colours are from Okabe and Ito's palette, which people with any kind of colour vision can distinguish; no information
is in the colour alone.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "octoffm"
mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["font.family"] = "sans-serif"

from matplotlib import pyplot as plt  # noqa: E402  (after the backend is chosen)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from .rounds import Lines

OURS, BASELINE, OTHERS, INK = "#0072B2", "#E69F00", "#BBBBBB", "#222222"
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999")
MARKERS = "osD^vPX*<>hd"
WIDTH = 9.0


def bars(
    path: Path,
    title: str,
    label: str,
    values: Mapping[str, float],
    *,
    highlight: Collection[str] = (),
    baseline: str | None = None,
) -> Path:
    """Draw horizontal bars in the given order, each with its figure at its end."""
    names = list(values)
    figure, axes = plt.subplots(figsize=(WIDTH, 1.1 + 0.34 * len(names)), layout="constrained")
    colours = [_colour(name, highlight, baseline) for name in names]
    drawn = axes.barh(range(len(names)), list(values.values()), color=colours, height=0.72)
    axes.bar_label(drawn, [_figure(value) for value in values.values()], padding=4, color=INK, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(f"{label} (less is better)", color=INK)
    axes.margins(x=0.12)
    axes.set_yticks(range(len(names)), [f"{name} (baseline)" if name == baseline else name for name in names])
    for name, tick in zip(names, axes.get_yticklabels(), strict=True):
        tick.set_fontweight("bold" if name in highlight else "normal")
    _finish(figure, axes, title)
    return _save(figure, path)


def lines(path: Path, content: Lines) -> Path:
    """Draw one line for each series, with marks of its own and its name in a legend beside the plot."""
    figure, axes = plt.subplots(figsize=(WIDTH, 5.0), layout="constrained")
    for at, (name, points) in enumerate(content.series.items()):
        xs, ys = [point[0] for point in points], [point[1] for point in points]
        dense = len(points) > 40
        axes.plot(
            xs,
            ys,
            color=PALETTE[at % len(PALETTE)],
            linestyle=("-", "--", ":")[at // len(PALETTE) % 3],
            marker=None if dense else MARKERS[at % len(MARKERS)],
            label=name,
        )
    if content.log_x:
        axes.set_xscale("log")
        ticks = sorted({x for points in content.series.values() for x, _ in points})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    if content.log_y:
        axes.set_yscale("log")
    axes.set_xlabel(content.x_label, color=INK)
    axes.set_ylabel(content.y_label, color=INK)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    axes.grid(visible=True, color="#E5E5E5")
    _finish(figure, axes, content.title)
    return _save(figure, path)


def _colour(name: str, highlight: Collection[str], baseline: str | None) -> str:
    if name in highlight:
        return OURS
    return BASELINE if name == baseline else OTHERS


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _finish(figure: Any, axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.patch.set_facecolor("white")  # read on dark pages too


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path
