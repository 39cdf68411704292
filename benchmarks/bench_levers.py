"""What train.py does not do: ways to learn that were tried, each against the same run without it.

    python benchmarks/bench_levers.py [--data DIR] [--ratings 277] [--seeds 3] [--levers ...]

The same photographs, splits and initial weights as in ``bench_quality.py``;
the recipe is that of ``train.py``, the lever is all that differs.
"""
import argparse
import os
import pathlib
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import bench_quality

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer.functions as F

import net
from picture_ranknet.fast import conv_pool
from picture_ranknet.learning import (
    augment,
    trainer,
)
from picture_ranknet.storage import arrays


class Lever:

    """Changes nothing; a subclass changes one thing.

    Args:
        model (net.RankNet): What is to be trained.
        ratings (numpy.ndarray): Those of the pictures to learn from.
    """

    def __init__(self, model, ratings):
        self.model = model
        self.ratings = ratings

    def prepare(self, optimizer):
        """Before the first step."""

    def before(self, optimizer, share):
        """Before the step after this share of all."""

    def after(self):
        """After each step."""

    def finish(self):
        """After the last."""


class PairLoss(Lever):

    """Another mean loss of all pairs."""

    def prepare(self, optimizer):
        self.model.loss_of_scores = self.loss_of_scores


class Weighed(PairLoss):

    """A pair counts by how far apart the two are rated, so that ties do not count."""

    def loss_of_scores(self, s, t, unit=None):
        i, j = np.triu_indices(len(s), 1)
        weights = self.weigh(s.array.ravel(), t, i, j)
        weights = (weights / weights.mean()).astype(np.float32)[:, None]
        return F.mean(weights * self.model._losses(s[i] - s[j], t[i], t[j]))

    def weigh(self, s, t, i, j):
        """What each pair counts, in any unit."""
        return abs(t[i] - t[j])


class LambdaRank(Weighed):

    """A pair counts by what NDCG would lose if the two were exchanged.

    Burges, *From RankNet to LambdaRank to LambdaMART: An Overview*, 2010,
    section 4.
    """

    def weigh(self, s, t, i, j):
        gains = 2 ** (t - self.ratings.max())
        places = np.empty(len(s))
        places[np.argsort(-s, kind='stable')] = np.arange(len(s))
        discounts = 1 / np.log2(places + 2)
        return abs((gains[i] - gains[j]) * (discounts[i] - discounts[j]))


class SoftTargets(PairLoss):

    """How surely one is liked better grows with how far apart the two are rated.

    Burges et al., *Learning to Rank using Gradient Descent*, ICML 2005,
    section 3: the target is a probability.
    """

    STEEPNESS = 3  # per standard deviation of the ratings

    def loss_of_scores(self, s, t, unit=None):
        i, j = np.triu_indices(len(s), 1)
        apart = self.STEEPNESS * (t[i] - t[j]) / self.ratings.std()
        P = (1 / (1 + np.exp(-apart))).astype(np.float32)[:, None]
        d = s[i] - s[j]
        return F.mean(P * F.softplus(-d) + (1 - P) * F.softplus(d))


class WarmUp(Lever):

    """Alpha rises to its value in the first tenth of the steps."""

    def before(self, optimizer, share):
        optimizer.alpha *= min(1, .01 + share / .1)


class WeightDecay(Lever):

    """Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019."""

    RATE = 1e-4  # a step

    def prepare(self, optimizer):
        optimizer.hyperparam.weight_decay_rate = self.RATE


class Dropout(Lever):

    """Half of the hidden layer's units are left out, others at each step."""

    def prepare(self, optimizer):
        predictor = self.model.predictor
        predictor.hidden = lambda h, f: F.dropout(F.relu(conv_pool.linear(h, predictor.l1)))


class AveragedWeights(Lever):

    """The weights are in the end a running mean of those of the last hundred steps or so.

    Polyak and Juditsky, *Acceleration of Stochastic Approximation by
    Averaging*, 1992.
    """

    DECAY = .99

    def prepare(self, optimizer):
        self.params = [param for _, param in sorted(self.model.namedparams())]
        self.means = [param.array.copy() for param in self.params]

    def after(self):
        for mean, param in zip(self.means, self.params):
            mean += (1 - self.DECAY) * (param.array - mean)

    def finish(self):
        for mean, param in zip(self.means, self.params):
            param.array[...] = mean


class Centred(Lever):

    """Pictures are shown with a mean of about 0."""

    def prepare(self, optimizer):
        trunk = self.model.predictor.trunk
        self.model.predictor.trunk = lambda x: trunk(x - np.float32(.5))


class Erasing(Lever):

    """Half of the pictures lose a rectangle: Zhong et al., *Random Erasing*, AAAI 2020."""

    def prepare(self, optimizer):
        self.vary_light_alone = augment._vary_light
        augment._vary_light = self.vary_light

    def vary_light(self, img, rng, strength):
        self.vary_light_alone(img, rng, strength)
        if rng.random() < .5:
            sides = np.array(img.shape[:2])
            area, aspect = rng.uniform(.02, .25), np.exp(rng.uniform(-1, 1))
            height, width = np.minimum(sides - 1, sides * np.sqrt([area * aspect, area / aspect]))
            y, x = rng.integers(sides - (int(height), int(width)))
            img[y:y + int(height), x:x + int(width)] = img.mean(axis=(0, 1))

    def finish(self):
        augment._vary_light = self.vary_light_alone


LEVERS = {
    'none': Lever,
    "LambdaRank's weights": LambdaRank,
    'pairs weighed': Weighed,
    'soft targets': SoftTargets,
    'warm-up': WarmUp,
    'weight decay': WeightDecay,
    'dropout': Dropout,
    'averaged weights': AveragedWeights,
    'centred pictures': Centred,
    'erasing': Erasing,
}


def learn(lever, pictures, seed):
    """A model that has been trained with a lever."""
    np.random.seed(seed)
    model = net.RankNet(net.CNN(), pictures.X.shape[2:], 1 / 255)
    lever = lever(model, pictures.ratings)
    recipe = trainer.Recipe(seed=seed)
    with tempfile.TemporaryDirectory() as out:
        updater = trainer.build_trainer(model, pictures, recipe, out).updater
        optimizer = updater.get_optimizer('main')
        lever.prepare(optimizer)
        for step in range(recipe.n_iter):
            share = step / recipe.n_iter
            optimizer.alpha = trainer.ALPHA * (1 - share)  # as the linear schedule has it
            lever.before(optimizer, share)
            updater.update()
            lever.after()
        updater.get_iterator('main').finalize()
    lever.finish()
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--ratings', type=int, nargs='+', default=[277])
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--levers', nargs='+', default=list(LEVERS), choices=LEVERS,
                        metavar='LEVER', help='of {}'.format(', '.join(map(repr, LEVERS))))
    args = parser.parse_args()

    sources = {'faces': bench_quality.load_faces(args.data)}
    rows = []
    for n in args.ratings:
        for seed in range(args.seeds):
            train, _, test, _ = bench_quality.split('faces', n, seed, sources)
            pictures = arrays.RatedPictures(train[0], train[1], np.arange(n))
            for name in args.levers:
                scores = learn(LEVERS[name], pictures, seed).score(test[0])
                rows.append((n, name, [function(test[1], scores) for function
                                       in bench_quality.MEASURES.values()]))
                print('# {} {}, seed {}: {:.4f}'.format(n, name, seed, rows[-1][2][0]), flush=True)
    print('| ratings | lever | {} |'.format(' | '.join(bench_quality.MEASURES)))
    for n in args.ratings:
        for name in args.levers:
            found = [measured for *key, measured in rows if key == [n, name]]
            print('| {} | {} | {} |'.format(n, name, ' | '.join(map('{:.3f}'.format,
                                                                    np.mean(found, axis=0)))))


if __name__ == '__main__':
    main()
