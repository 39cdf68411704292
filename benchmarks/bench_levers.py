"""Ablations: training methods that were tried and left out, each against the default recipe.

    python benchmarks/bench_levers.py [--data DIR] [--ratings 277] [--seeds 3] [--levers ...]

Photographs, splits and initial weights are those of ``bench_quality.py``, the
recipe is that of ``train.py``; a lever changes one thing.
"""
import argparse
import os
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import bench_quality

import picture_ranknet.machine.chainer_compat  # noqa: F401  (before chainer)
import chainer.functions as F

import net
from picture_ranknet.fast import conv_pool, fused_adam
from picture_ranknet.learning import augment, loop
from picture_ranknet.learning.recipe import ALPHA, Recipe
from picture_ranknet.storage import arrays


class Lever:

    """Changes nothing; a subclass changes one thing.

    Args:
        model (net.RankNet): The model being trained.
        ratings (numpy.ndarray): Of the training pictures.
    """

    recipe = Recipe

    def __init__(self, model, ratings):
        self.model = model
        self.ratings = ratings

    def prepare(self, optimizer):
        """Before the first step."""

    def after(self):
        """After each step."""

    def finish(self):
        """After the last step."""


class PairLoss(Lever):

    """Another loss of all pairs."""

    def prepare(self, optimizer):
        self.model.loss_of_scores = self.loss_of_scores


class Weighted(PairLoss):

    """Pairs are weighted by the difference of their ratings, so that ties do not count."""

    def loss_of_scores(self, s, t, unit=None):
        i, j = np.triu_indices(len(s), 1)
        weights = self.weigh(s.array.ravel(), t, i, j)
        weights = (weights / weights.mean()).astype(np.float32)[:, None]
        return F.mean(weights * self.model._losses(s[i] - s[j], t[i], t[j]))

    def weigh(self, s, t, i, j):
        """The weight of each pair, in any unit."""
        return abs(t[i] - t[j])


class LambdaRank(Weighted):

    """Pairs are weighted by how much NDCG changes if the two are swapped.

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

    """The target of a pair is a probability that grows with the difference of its ratings.

    Burges et al., *Learning to Rank using Gradient Descent*, ICML 2005,
    section 3.
    """

    STEEPNESS = 3  # per standard deviation of the ratings

    def loss_of_scores(self, s, t, unit=None):
        i, j = np.triu_indices(len(s), 1)
        apart = self.STEEPNESS * (t[i] - t[j]) / self.ratings.std()
        P = (1 / (1 + np.exp(-apart))).astype(np.float32)[:, None]
        d = s[i] - s[j]
        return F.mean(P * F.softplus(-d) + (1 - P) * F.softplus(d))


class WarmUp(Lever):

    """The learning rate rises in the first tenth of the steps."""

    class recipe(Recipe):

        def alpha(self, step):
            return super().alpha(step) * min(1, .01 + (step - 1) / self.n_iter / .1)


class WeightDecay(Lever):

    """Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019."""

    RATE = 1e-4  # per step

    def prepare(self, optimizer):
        optimizer.hyperparam.weight_decay_rate = self.RATE


class Dropout(Lever):

    """Dropout of half of the hidden units."""

    def prepare(self, optimizer):
        predictor = self.model.predictor
        predictor.hidden = lambda h, f: F.dropout(F.relu(conv_pool.linear(h, predictor.l1)))


class AveragedWeights(Lever):

    """The final weights are an exponential moving average over about 100 steps.

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

    """Pixel values are shifted to a mean of about 0."""

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
    'weighted pairs': Weighted,
    'soft targets': SoftTargets,
    'warm-up': WarmUp,
    'weight decay': WeightDecay,
    'dropout': Dropout,
    'averaged weights': AveragedWeights,
    'centred pictures': Centred,
    'erasing': Erasing,
}


def learn(lever, pictures, n_iter, seed):
    """Train a model with a lever."""
    np.random.seed(seed)
    model = net.RankNet(net.CNN(), pictures.X.shape[2:], 1 / 255)
    lever = lever(model, pictures.ratings)
    recipe = lever.recipe(n_iter, seed=seed)
    optimizer = fused_adam.Adam(ALPHA).setup(model)
    lever.prepare(optimizer)
    for _ in loop.learn(model, optimizer, pictures, recipe):
        lever.after()
    lever.finish()
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--ratings', type=int, nargs='+', default=[277])
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--n_iter', type=int, default=Recipe().n_iter, help='training steps')
    parser.add_argument('--levers', nargs='+', default=list(LEVERS), choices=LEVERS,
                        metavar='LEVER', help=f'of {", ".join(map(repr, LEVERS))}')
    args = parser.parse_args()

    sources = {'faces': bench_quality.load_faces(args.data)}
    rows = []
    for n in args.ratings:
        for seed in range(args.seeds):
            train, _, test, _ = bench_quality.split('faces', n, seed, sources)
            pictures = arrays.RatedPictures(train[0], train[1], np.arange(n))
            for name in args.levers:
                scores = learn(LEVERS[name], pictures, args.n_iter, seed).score(test[0])
                measured = [measure(test[1], scores) for measure in bench_quality.MEASURES.values()]
                rows.append((n, name, measured))
                print(f'# {n} {name}, seed {seed}: {measured[0]:.4f}', flush=True)
    print(f'| ratings | lever | {" | ".join(bench_quality.MEASURES)} |')
    for n in args.ratings:
        for name in args.levers:
            found = [measured for *key, measured in rows if key == [n, name]]
            means = ' | '.join(f'{mean:.3f}' for mean in np.mean(found, axis=0))
            print(f'| {n} | {name} | {means} |')


if __name__ == '__main__':
    main()
