"""What a user should know of a model before its scores are believed."""
import numpy as np

from picture_ranknet.errors import InputError


def check_features(n_features, path, model_path):
    """Raise :class:`InputError` if a model wants features of pictures and no file has them.

    Args:
        n_features (int): How many it wants of each picture; 0 for none.
        path (str): The file; ``None`` for none.
        model_path (str): Where the model is.
    """
    if n_features and not path:
        raise InputError('{}: was trained with {} features of each picture; say --features'
                               .format(model_path, n_features))


def note_if_collapsed(scores, note):
    """Tell the user if a model says the same of every picture."""
    if len(scores) > 1 and np.ptp(scores) < 1e-6 * max(1, np.abs(scores).max()):
        note('warning: all pictures have the same score: the model has learnt nothing; train '
             'again with more ratings or another --seed')


def note_if_odd_scale(path, X, image_scale, note):
    """Tell the user if ``image_scale`` leaves next to nothing of the pictures."""
    top = X[:100].max() * image_scale
    if top <= .02 or top >= 50:  # nan is said elsewhere
        note('warning: {}: the brightest pixel is {:.3g} after scaling, but networks learn best '
             'from 0 to 1; see --image_scale'.format(path, top))
