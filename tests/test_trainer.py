import threading

import numpy as np
import pytest

import files
import trainer


def batches_of(rows, batchsize, seed, read=lambda rows, rng: list(rows)):
    return trainer.BatchIterator(np.array(rows), batchsize, seed, read)


def drawn(rows, batchsize, seed, n):
    batches = batches_of(rows, batchsize, seed)
    return [next(batches) for _ in range(n)]


def test_a_batch_is_of_different_pictures_of_the_rows():
    for batch in drawn([3, 5, 9, 12], 3, 0, 50):
        assert len(set(batch)) == 3 and set(batch) <= {3, 5, 9, 12}


def test_a_batch_is_no_larger_than_the_set():
    for batch in drawn([3, 5, 9], 32, 0, 5):
        assert sorted(batch) == [3, 5, 9]


def test_every_pair_is_equally_likely():
    together = np.zeros((5, 5))
    for batch in drawn(range(5), 3, 0, 4000):
        together[np.ix_(batch, batch)] += 1
    counts = together[np.triu_indices(5, 1)]
    # 10 pairs, 3 of them in each of 4,000 batches: 1,200 each, standard deviation 29.
    assert (abs(counts - 1200) < 4.5 * 29).all()


def test_batches_follow_from_the_seed_and_the_step_alone():
    whole = drawn(range(30), 4, 7, 6)
    assert whole == drawn(range(30), 4, 7, 6)
    assert whole != drawn(range(30), 4, 8, 6)
    batches = batches_of(range(30), 4, 7)
    next(batches)
    batches.iteration = 4  # as a snapshot sets it
    assert [next(batches), next(batches)] == whole[4:]


def test_the_next_batch_is_read_ahead_and_no_further():
    begun = [threading.Event() for _ in range(4)]

    def read(rows, rng):
        next(event for event in begun if not event.is_set()).set()
        return rows

    batches = batches_of(range(30), 4, 0, read)
    next(batches)
    assert begun[1].wait(10)
    next(batches)
    assert begun[2].wait(10)
    batches.finalize()
    assert not begun[3].is_set()


def test_an_error_while_reading_ahead_is_raised_where_the_batch_is_due():
    seen = []

    def read(rows, rng):
        seen.append(rows)
        if len(seen) == 2:
            raise files.InputError('gone')
        return rows

    batches = batches_of(range(30), 4, 0, read)
    next(batches)
    with pytest.raises(files.InputError, match='gone'):
        next(batches)
    assert batches.iteration == 1


def test_an_epoch_is_as_many_pictures_as_there_are():
    batches = batches_of(range(10), 4, 0)
    seen = []
    for _ in range(5):
        next(batches)
        seen.append((batches.epoch, batches.is_new_epoch))
    assert seen == [(0, False), (0, False), (1, True), (1, False), (2, True)]
