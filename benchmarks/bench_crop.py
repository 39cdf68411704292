"""Speed of face detection in a video: crop_faces.py against a plain loop over its frames.

    python benchmarks/bench_crop.py [--data DIR] [--video FILE] [--times 4] [--rounds 3]
                                    [--against CHECKOUT]

The plain loop is what tutorials show: it reads every frame and runs OpenCV's
``detectMultiScale`` at full size, on a grey picture with an equalised
histogram, with scaleFactor 1.1, minNeighbors 5 and minSize (24, 24), on as
many frames per second as ``crop_faces.py`` searches by default.  It runs with
the classic cascade and with ours.  All take turns, each in a process of its
own, start-up included.  ``--against`` takes the crop_faces.py of another
checkout (``git worktree add``) instead of the plain loop.  A face of the
plain loop is lost if ``crop_faces.py`` has none in that frame that overlaps it
by half.
"""
import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from picture_ranknet.faces.boxes import share_of_smaller
from picture_ranknet.machine import threads

FPS = 4
CLASSIC = 'lbpcascade_animeface.xml'
OURS = 'lbpcascade_animefice.xml'


def plain_loop(cascade, videos):
    """The boxes that the plain loop finds, by video and frame, as JSON on standard output."""
    import cv2

    detector = cv2.CascadeClassifier(cascade)
    found = []
    for number, video in enumerate(videos):
        capture = cv2.VideoCapture(video)
        step = capture.get(cv2.CAP_PROP_FPS) / FPS
        index, taken = 0, 0
        while True:
            ok, img = capture.read()
            if not ok:
                break
            if index >= taken * step - 1e-3:
                taken += 1
                gray = cv2.equalizeHist(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY))
                boxes = detector.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=5,
                                                  minSize=(24, 24))
                found += [(number, index, *map(int, box)) for box in boxes]
            index += 1
    print(json.dumps(found))


def measure(command, folder):
    """Seconds, seconds of computing on all cores, and standard output of a command."""
    start, before = time.perf_counter(), os.times()
    done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, encoding='utf-8',
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    after = os.times()
    computing = sum(after[2:4]) - sum(before[2:4])  # of children, on POSIX
    return time.perf_counter() - start, computing, done.stdout


def peak_memory(command, folder):
    """Peak memory of a command in MB."""
    script = ('import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, '
              'stdout=subprocess.DEVNULL); '
              'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)')
    *_, out = measure(['-c', script, sys.executable, *command], folder)
    return int(out) / (2 ** 20 if sys.platform == 'darwin' else 1024)


def read_boxes(path, n_videos):
    """Boxes of an ``X.csv``, as the plain loop has them: a video is over when frames go back."""
    found, number, last = [], 0, -1
    with open(path, newline='', encoding='utf-8') as f:
        for row in csv.DictReader(f):
            frame = int(row['frame'])
            number += frame < last
            last = frame
            found.append((number, frame, *(int(row[side]) for side in 'xywh')))
    if number >= n_videos:
        raise ValueError(f'expected faces of {n_videos} videos, got {number + 1}')
    return found


def is_found(box, others):
    """Whether one of the other boxes, of the same frame, overlaps a box by half."""
    near = np.array([other[2:] for other in others if tuple(other[:2]) == tuple(box[:2])])
    return len(near) > 0 and bool((share_of_smaller(near, np.array(box[2:])) >= .5).any())


def main():
    if sys.argv[1:2] == ['--plain']:
        plain_loop(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('RANKNET_DATA', ROOT.parent / 'shared' / 'data')))
    parser.add_argument('--video', type=pathlib.Path)
    parser.add_argument('--times', type=int, default=4, help='how often the video is repeated')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--against', type=pathlib.Path, help='another checkout to compare with')
    args = parser.parse_args()

    import cv2

    video = (args.video or args.data / 'clips' / 'anime_1080p.mp4').resolve()
    capture = cv2.VideoCapture(str(video))
    n_frames = capture.get(cv2.CAP_PROP_FRAME_COUNT) * args.times
    length = n_frames / capture.get(cv2.CAP_PROP_FPS)
    videos = [video] * args.times
    crop = [ROOT / 'crop_faces.py', '--force', *videos]
    commands = {'crop_faces.py': crop}
    if args.against:
        other = args.against.resolve() / 'crop_faces.py'
        commands[str(args.against)] = [other, *crop[1:]]
    else:
        plain = {'classic': args.data / CLASSIC, 'our': ROOT / OURS}
        commands.update((f'plain loop, {name} cascade', [__file__, '--plain', path, *videos])
                        for name, path in plain.items())
    seconds, computing = ({name: [] for name in commands} for _ in range(2))
    outputs = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for name, command in commands.items():
                spent, on_cores, outputs[name] = measure(command, folder)
                seconds[name].append(spent)
                computing[name].append(on_cores)
                print(f'# {name}: {spent:.1f} s, {on_cores:.1f} s of computing', flush=True)
        measure([*crop, '--keep_duplicates', '--min_sharpness', 0], folder)
        ours = read_boxes(os.path.join(folder, 'X.csv'), args.times)

        print(f'\n{video.name}: {n_frames:.0f} frames, {length:.0f} s, {threads.count()} threads\n')
        print('| | seconds | frames a second | times real time | our time as a share | our '
              'computing as a share | its faces | lost by us |\n' + 8 * '|---' + '|')
        for name in commands:
            spent = np.median(seconds[name])
            time_share, share = (np.median(spent['crop_faces.py']) / np.median(spent[name])
                                 for spent in (seconds, computing))
            found = '', ''
            if not args.against:
                boxes = ours if name == 'crop_faces.py' else json.loads(outputs[name])
                found = len(boxes), sum(not is_found(box, ours) for box in boxes)
            print(f'| {name} | {spent:.1f} | {n_frames / spent:.0f} | {length / spent:.1f} | '
                  f'{time_share:.2f} | {share:.2f} | {found[0]} | {found[1]} |')
        print('\n' + outputs['crop_faces.py'].splitlines()[-1] + '\n')
        print('| repeated | peak MB |\n|---|---|')
        for times in sorted({1, args.times, 4 * args.times}):
            peak = peak_memory([ROOT / 'crop_faces.py', '--force', *[video] * times], folder)
            print(f'| {times} | {peak:.0f} |', flush=True)


if __name__ == '__main__':
    main()
