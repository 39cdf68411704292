"""Training curves: how Chainer's plots are labelled."""
from typing import Callable

from picture_ranknet.pictures.drawing import INK

CURVES = {      # of what training reports: name, colour, kind of line
    'main/loss': ('training', '#1f77b4', '-'),
    'valid/loss': ('held out', '#d62728', '-'),
    'train/pair_accuracy': ('pair accuracy, training', '#1f77b4', '-'),
    'valid/pair_accuracy': ('pair accuracy, held out', '#d62728', '-'),
    'train/ndcg': ('NDCG, training', '#1f77b4', ':'),
    'valid/ndcg': ('NDCG, held out', '#d62728', ':'),
}


def label_curves(label: str, best=None) -> Callable:
    """A ``postprocess`` for Chainer's ``PlotReport``: axes as in a paper.

    Blue is training, red is what was held out.  If ``best.step`` is above 0, a
    line marks that step.
    """
    def postprocess(figure, axes, summary):
        for line in axes.lines:
            name, colour, style = CURVES[line.get_label()]
            line.set(label=name, color=colour, linestyle=style, markersize=4)
        if best and best.step:
            axes.axvline(best.step, color=INK, linestyle='--', linewidth=1, zorder=0,
                         label=f'best: step {best.step}')
        figure.set_size_inches(7, 4)
        figure.set_dpi(150)
        axes.set_xlabel('step')
        axes.set_ylabel(label)
        axes.grid(alpha=.25)
        axes.spines[['top', 'right']].set_visible(False)
    return postprocess
