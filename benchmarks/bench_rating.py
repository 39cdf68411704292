"""How many ratings the order of rate.py saves, and how fast its page is.

    python benchmarks/bench_rating.py people [--seeds 0 2]
    python benchmarks/bench_rating.py faces [--seeds 0 4]
    python benchmarks/bench_rating.py page [--n 20000]

``people``: the single people of ``one_person``; a quarter of what each has
rated is held out, at least 100.  ``faces``: a simulated person gives the mean
ratings of 60 people, with noise, rounded to stars; a fifth is held out, and
compared with the mean ratings without noise.  The Gaussian process of
``rate.py`` is trained on ratings in random order (means of several) and in the
order of ``rate.py``, both on features of EfficientNet-Lite0.  These are kept in
``--work``: the first run takes some minutes longer.

``page``: ``rate.py`` and a real browser.
"""
import argparse
import datetime
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import bench_quality

import metrics
from picture_ranknet.machine import cores
from picture_ranknet.rating import gaussian_process, looks, stars

COUNTS = [20, 30, 40, 60, 80, 100, 140, 200, 277]
MORE = [350, 450]     # for the random order only, to see when it catches up
AT_RANDOM = 3         # random orders of each person
NOISE = .4            # in stars, of the simulated person
BROWSER = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser')
N_KEYS = 60
WATCH = '''
    // When a key was pressed, and when the next picture had been painted after it.
    window.waits = [];
    let pressedAt = null;
    addEventListener('keydown', event => { pressedAt = event.timeStamp; }, true);
    new MutationObserver(changes => {
        const isNew = changes.some(({addedNodes}) =>
            [...addedNodes].some(node => node.classList?.contains('large')));
        if (!isNew) return;
        const from = pressedAt;
        pressedAt = null;
        requestAnimationFrame(() => requestAnimationFrame(() => {
            window.firstPaint ??= performance.now();
            if (from !== null) window.waits.push(performance.now() - from);
        }));
    }).observe(document, {childList: true, subtree: true});
'''
READY = '''former => {
    const ready = document.querySelector('#stage')?.dataset.ready;
    return ready !== former && ready;
}'''


def order_of_rate_py(seen, n, rng):
    """The order in which rate.py shows pictures: the first ones before it has any features."""
    taste = gaussian_process.Taste(seen)
    order = rng.permutation(len(seen))[:stars.AHEAD].tolist()
    taste.take_in(order)
    is_left = np.ones(len(seen), bool)
    is_left[order] = False
    while len(order) < min(n, len(seen)):
        index = taste.most_telling(np.flatnonzero(is_left))
        taste.take_in([index])
        is_left[index] = False
        order.append(index)
    return np.array(order)


def measure(seen, said, true, pool, unseen, rng):
    """Pair accuracy on unseen pictures in random order and in ours, by the number of ratings."""
    rows = np.concatenate([pool, unseen])
    taste, said = gaussian_process.Taste(seen[rows]), said[pool]

    def accuracies(order, counts):
        return [metrics.pair_accuracy(true[unseen], taste.learn(
            order[:n], said[order[:n]]).scores[len(pool):]) for n in counts]

    at_random = [accuracies(rng.permutation(len(pool)), COUNTS + MORE) for _ in range(AT_RANDOM)]
    ours = accuracies(order_of_rate_py(seen[pool], COUNTS[-1], rng), COUNTS)
    return np.mean(at_random, axis=0), np.array(ours)


def see(X, name, work):
    """Features of pictures from a network; kept for the next run."""
    path = work / f'{name}.npy'
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        np.save(path, X)
    X = np.load(path, mmap_mode='r')
    return looks.Seen(X, np.arange(len(X)), lambda: False, looks.find_eye(print)).first


def each_person(args):
    """Measurements of single people."""
    X, people = bench_quality.load_people(args.data)
    seen = see(X, 'people', args.work)
    for seed in range(*args.seeds or (0, 1)):
        for person in range(bench_quality.N_PEOPLE):
            ratings = people[f'p{person + 1:02}']
            rng = np.random.default_rng([seed, person])
            rows = rng.permutation(np.flatnonzero(~np.isnan(ratings)))
            n = max(100, len(rows) // 4)
            yield measure(seen, np.clip(np.rint(ratings), 1, 10), ratings, rows[n:], rows[:n], rng)


def each_split(args):
    """Measurements of the mean of 60 people."""
    X, ratings, _ = bench_quality.load_faces(args.data)
    seen = see(X, 'faces', args.work)
    for seed in range(*args.seeds or (0, 4)):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(X))
        n = len(rows) // 5
        said = np.clip(np.rint(ratings + rng.normal(0, NOISE, len(X))), 1, 5)
        yield measure(seen, said, ratings, rows[n:], rows[:n], rng)


def print_orders(measurements):
    """A row for each number of ratings, and how many of them random order would have needed."""
    at_random, ours = (np.array(one) for one in zip(*measurements))
    before = at_random.mean(axis=0)
    steps = np.maximum.accumulate(before)
    differences = ours - at_random[:, :len(COUNTS)]
    errors = differences.std(axis=0, ddof=1) / len(ours) ** .5
    print(f'{len(ours)} measurements\n\n| ratings | random order | rate.py | | as many at random | '
          'share |\n' + '|---' * 6 + '|')
    shares = []
    for i, count in enumerate(COUNTS):
        after = ours[:, i].mean()
        as_many = np.interp(after, steps, COUNTS + MORE) if after > steps[0] else COUNTS[0]
        sign = '>' if after > steps[-1] else '<' if after <= steps[0] else ''
        shares.append(count / as_many)
        print(f'| {count} | {before[i]:.3f} | {after:.3f} | {after - before[i]:+.3f} '
              f'± {errors[i]:.3f} | {sign}{as_many:.0f} | {shares[-1]:.2f} |')
    print(f'\nmean share {np.mean(shares):.2f}')


def make_pictures(path, n):
    """Different smooth pictures of 80 x 80."""
    X = np.lib.format.open_memmap(path, 'w+', np.uint8, (n, 3, 80, 80))
    rng = np.random.default_rng(0)
    for start in range(0, n, 500):
        coarse = rng.integers(0, 256, (min(500, n - start), 3, 8, 8), np.uint8)
        X[start:start + 500] = coarse.repeat(10, axis=2).repeat(10, axis=3)
    X.flush()


def press_keys(page):
    """Rate pictures, each by its key; returns milliseconds from a key to the next picture."""
    row = page.wait_for_function(READY, arg='').json_value()
    for number in range(N_KEYS):
        page.keyboard.press(str(1 + number % 5))
        row = page.wait_for_function(READY, arg=row).json_value()
    return page.evaluate('window.waits')


def measure_page(args):
    """Start rate.py and its page, rate, and look for near-duplicates."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        make_pictures(os.path.join(folder, 'X.npy'), args.n)
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(ROOT / 'rate.py'), 'X.npy', 'r.txt', '--no_browser'], cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding='utf-8')
        try:
            url = process.stdout.readline().strip()
            served = time.perf_counter() - start
            browser = p.chromium.launch(executable_path=BROWSER, args=['--no-sandbox'])
            page = browser.new_page(viewport={'width': 1280, 'height': 800})
            page.set_default_timeout(600000)
            page.add_init_script(WATCH)
            page.goto(url)
            waits = press_keys(page)
            start = time.perf_counter()
            n_groups = page.evaluate(
                "async () => (await (await fetch('view/duplicates')).json()).groups.length")
            seconds = time.perf_counter() - start
            status = pathlib.Path(f'/proc/{process.pid}/status').read_text(encoding='ascii')
            first = page.evaluate('window.firstPaint')
            browser.close()
        finally:
            process.kill()
            process.communicate()
    peak = int(re.search(r'VmHWM:\s+(\d+)', status)[1]) / 1024
    print('| | |\n|---|---|\n'
          f'| start of rate.py -> its address | {served:.2f} s |\n'
          f'| address -> first picture painted | {first / 1000:.2f} s |\n'
          f'| key -> next picture painted, median of {len(waits)} | '
          f'{statistics.median(waits):.0f} ms |\n'
          f'| ... and the slowest of ten | {np.quantile(waits, .9):.0f} ms |\n'
          f'| near-duplicates | {seconds:.1f} s, {n_groups} groups |\n'
          f'| peak of rate.py | {peak:.0f} MB |')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', choices=['people', 'faces', 'page'])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--work', type=pathlib.Path, default=pathlib.Path(
        tempfile.gettempdir()) / 'bench_rating', help='where what is seen of pictures is kept')
    parser.add_argument('--seeds', type=int, nargs=2, metavar=('FROM', 'TO'))
    parser.add_argument('--n', type=int, default=20000, help='pictures of the page')
    args = parser.parse_args()
    print(f'{datetime.date.today()}, {cores.usable()} cores, load {os.getloadavg()[0]:.1f}')
    if args.what == 'page':
        measure_page(args)
    else:
        print_orders(list(each_person(args) if args.what == 'people' else each_split(args)))


if __name__ == '__main__':
    main()
