"""Training curves: ``loss.png`` and ``ranking.png``.  Blue is training, red held out."""
import os

from picture_ranknet.storage import atomic

BLUE, RED, INK = '#1f77b4', '#d62728', '#20242c'
LOSS = {  # what is logged: name, colour, kind of line
    'main/loss': ('training', BLUE, '-'),
    'valid/loss': ('held out', RED, '-')}
RANKING = {
    'train/pair_accuracy': ('pair accuracy, training', BLUE, '-'),
    'valid/pair_accuracy': ('pair accuracy, held out', RED, '-'),
    'train/ndcg': ('NDCG, training', BLUE, ':'),
    'valid/ndcg': ('NDCG, held out', RED, ':')}


def draw(out: str, log: list, k: int, best_step: int = 0) -> None:
    """Draw what was logged over the steps.

    Args:
        out: The folder.
        log: The entries of ``result/log``, in order.
        k: The k of NDCG@k.
        best_step: Marked by a line, if above 0.
    """
    for name, curves, label in (('loss.png', LOSS, 'loss of a pair'),
                                ('ranking.png', RANKING, f'pair accuracy, NDCG@{k}')):
        _draw(os.path.join(out, name), log, curves, label, best_step)


def points(log: list, key: str) -> tuple:
    """Steps and values of a curve."""
    entries = [entry for entry in log if key in entry]
    return [entry['iteration'] for entry in entries], [entry[key] for entry in entries]


def _draw(path, log, curves, label, best_step):
    from matplotlib.figure import Figure  # here: it is slow to import

    figure = Figure((7, 4), 150)
    axes = figure.subplots()
    for key, (name, colour, style) in curves.items():
        steps, values = points(log, key)
        if steps:
            axes.plot(steps, values, style, color=colour, label=name, marker='o', markersize=4)
    if best_step:
        axes.axvline(best_step, color=INK, linestyle='--', linewidth=1, zorder=0,
                     label=f'best: step {best_step}')
    axes.set_xlabel('step')
    axes.set_ylabel(label)
    axes.grid(alpha=.25)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(bbox_to_anchor=(1.05, 1), loc='upper left', borderaxespad=0)
    with atomic.replacing(path) as part:
        figure.savefig(part, bbox_inches='tight')
