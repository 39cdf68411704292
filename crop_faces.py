"""Find the faces in videos and pictures, crop them and save them for training.

``X.npy`` holds one face a row: ``uint8``, shape ``(N, 3, size, size)``, RGB.
``X.csv`` beside it says where each row comes from: ``row`` (from 0),
``source`` (the file), ``frame`` (from 0; 0 for a picture), ``time`` (seconds
since the first frame; empty for a picture), ``x, y, w, h``, the face in
pixels of the frame, before any margin, ``group``, the scene and the track in
it, ``confidence``, the votes of the second look, and ``sharpness``.

A run has three stages: the faces of all frames are found and stored on disk;
of these, the best are chosen; these are written.
"""
import argparse
import collections
import itertools
import os
import re
import shutil
import time
from typing import NamedTuple

import numpy as np

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import shared_command
from picture_ranknet.errors import InputError
from picture_ranknet.faces import face_finder
from picture_ranknet.faces.face_choice import (
    KEPT,
    Fingerprints,
    Rules,
    choose,
    link,
    measure_sharpness,
)
from picture_ranknet.faces.face_finder import DEFAULT_CASCADE, LONG_SIDE
from picture_ranknet.faces.face_store import Face, FaceStore
from picture_ranknet.machine import ranks, threads
from picture_ranknet.pictures import media, plots
from picture_ranknet.pictures.media import (
    cv2,  # None where it cannot be imported: media.check_opencv() says why
)
from picture_ranknet.storage import arrays, atomic, picture_set, ratings_txt, tables
from picture_ranknet.text import count

MAX_ENLARGEMENT = 2.5  # of a face; beyond, little of it can be seen
MIN_SHARPNESS = 15     # grey levels; see face_choice.measure_sharpness()


def build_parser():
    parser = options.parser('crop_faces.py', 'Crop the faces in videos and pictures for rating.')
    parser.add_argument('sources', nargs='*', metavar='source',
                        help='videos, pictures and folders of them')
    parser.add_argument('--output', '-o', default='X.npy', metavar='NPY',
                        type=options.file_ending('.npy'),
                        help='the crops; X.csv beside it says where each one comes from')
    parser.add_argument('--size', type=options.positive_int, default=80,
                        help='side of a crop in pixels')
    sampling = parser.add_mutually_exclusive_group()
    sampling.add_argument('--fps', type=options.positive_float, default=4, metavar='F',
                          help='search F frames of each second of a video')
    sampling.add_argument('--every', type=options.positive_int, metavar='N',
                          help='search every N-th frame of a video instead')
    parser.add_argument('--cascade', metavar='XML',
                        help='the face detector, an OpenCV cascade (default: {} beside this '
                             'command)'.format(DEFAULT_CASCADE))
    parser.add_argument('--long_side', type=options.natural_int, default=LONG_SIDE, metavar='PIXELS',
                        help='shrink larger pictures to this before the search; more finds '
                             'smaller faces and takes longer; 0 never shrinks')
    parser.add_argument('--scale_factor', type=_scale_factor, default=1.1, metavar='S',
                        help='each search is for faces S times the size of the last; nearer to 1 '
                             'finds more and takes longer')
    parser.add_argument('--min_neighbors', type=options.natural_int, default=3, metavar='N',
                        help='findings that must agree on a face; fewer gives more faces, and '
                             'more false ones')
    parser.add_argument('--min_size', type=options.positive_int, default=24, metavar='PIXELS',
                        help='side of the smallest face to look for')
    parser.add_argument('--margin', type=options.natural_float, default=0, metavar='M',
                        help="room on each side of a face, in parts of the face's side; 0.25 "
                             'shows the hair')
    choice = parser.add_argument_group('which of the faces to keep')
    choice.add_argument('--duplicate_bits', type=options.natural_int, default=Rules().duplicate_bits,
                        metavar='BITS',
                        help='pictures of which so many bits of a hash of 144 differ, or fewer, '
                             'are the same, and twice as many in a track; the best is kept')
    choice.add_argument('--keep_duplicates', action='store_true', help='keep all of them')
    choice.add_argument('--per_track', type=options.positive_int, metavar='N',
                        help='keep the N best pictures of a face that is followed through a '
                             'scene; unless said, all')
    choice.add_argument('--max_enlargement', type=options.positive_float, metavar='FACTOR',
                        help='drop faces that are so small that a crop is enlarged by more '
                             '(default: {}; with --no_faces, none)'.format(MAX_ENLARGEMENT))
    choice.add_argument('--min_sharpness', type=options.natural_float, metavar='LEVELS',
                        help='drop what is more blurred, see X.csv (default: {}; with --no_faces, '
                             '0)'.format(MIN_SHARPNESS))
    choice.add_argument('--min_confidence', type=options.natural_float, default=Rules().min_confidence,
                        metavar='VOTES', help='drop what is less sure to be a face; see X.csv')
    choice.add_argument('--dropped', metavar='DIR',
                        help='draw what is dropped, a sheet for each reason')
    parser.add_argument('--crops', metavar='DIR',
                        help='save each crop as a PNG file, too: DIR/00017.png is row 17')
    parser.add_argument('--sheet', metavar='PNG', type=options.file_ending('.png'),
                        help='draw all crops with their row numbers')
    parser.add_argument('--max_pixels', type=options.int_from(1, media.LARGEST),
                        default=media.MAX_PIXELS, metavar='N',
                        help='pass over pictures and videos of which a frame has more pixels: a '
                             'small file may fill the memory')
    parser.add_argument('--no_faces', action='store_true',
                        help='take whole pictures, resized, as for covers and illustrations; '
                             'needs no cascade')
    parser.add_argument('--append', action='store_true',
                        help='add to the set that is there; its rows stay as they are')
    parser.add_argument('--resume', action='store_true',
                        help='go on with a run that has ended early')
    parser.add_argument('--ratings', metavar='TXT',
                        help='ratings of the set, to be kept in step: with --append, lines of nan '
                             'are added; with --drop, lines are removed')
    parser.add_argument('--drop', type=options.row_numbers, metavar='ROWS',
                        help='remove these rows of the set that is there, such as 3,17,20-24')
    parser.add_argument('--review', metavar='PNG', type=options.file_ending('.png'),
                        help='draw the set that is there, with row numbers, to see what to --drop')
    parser.add_argument('--threads', type=options.positive_int,
                        help='threads that search; unless said, OMP_NUM_THREADS or one a core')
    parser.add_argument('--force', action='store_true',
                        help='overwrite what is there; ratings of an overwritten X.npy no longer '
                             'fit its rows')
    return parser


def _scale_factor(text):
    number = options.positive_float(text)
    if number <= 1:
        raise argparse.ArgumentTypeError('must be a number above 1, got {!r}'.format(text))
    return number


def parse_args(argv):
    """Options that go together."""
    parser = build_parser()
    args = parser.parse_args(argv)
    edits = args.drop or args.review
    for is_wrong, message in (
            (edits and args.sources,
             '--drop and --review: are for a set that is there; leave the sources out'),
            (not edits and not args.sources, 'the following arguments are required: source'),
            (args.ratings and not (args.append or args.drop),
             '--ratings: goes with --append or --drop'),
            (args.append and args.force, 'argument --append: not allowed with argument --force')):
        if is_wrong:
            parser.error(message)
    return args


@shared_command
def main(argv=None):
    args = parse_args(argv)
    start = time.monotonic()
    if ranks.is_first():
        picture_set.finish(args.output)
    ranks.tell(None)  # the others wait for it
    if args.drop or args.review:
        if ranks.is_first():
            edit(args.output, args.drop, args.ratings, args.review, args.force)
        return
    media.check_opencv()
    check_outputs(args.output, args.crops, args.sheet, args.dropped, args.force, args.append)
    if args.append and not args.ratings:
        check_no_ratings(args.output, 'move it away')
    old = OldSet.read(args.output, args.size, args.ratings) if args.append else OldSet.empty()
    part = os.path.splitext(args.output)[0] + '.part'
    parts = [part + str(n) for n in range(ranks.size())] if ranks.size() > 1 else [part]
    paths, others = media.find_sources(
        args.sources, leave_out=[args.crops, args.sheet, args.dropped, part, *parts])
    check_inputs(paths, args.crops, args.sheet)
    slot = media.every_nth(args.every) if args.every else media.per_second(args.fps)
    search = [args.cascade, args.scale_factor, args.min_neighbors, args.min_size, args.long_side]
    detector = face_finder.face_detector(*search) if not args.no_faces else None

    def make_detect():
        return face_finder.face_detector(*search) if detector else face_finder.whole_picture

    threads.use(args.threads)
    mine = face_finder.share_out(paths, ranks.size())[ranks.rank()]
    run = {'sources': [[path, media.size_of(path)] for path in mine],
           'sampling': [args.fps, args.every], 'search': search, 'no_faces': args.no_faces,
           'size': args.size, 'margin': args.margin, 'max_pixels': args.max_pixels}
    clock = face_finder.Clock()
    with messages.progress(len(mine), 'frames') as bar, \
            FaceStore(parts[ranks.rank()], run, args.size, args.resume) as store:
        frames = media.FrameReader(mine, slot, args.max_pixels, len(paths), messages.note,
                                   messages.follow(bar))
        shots = face_finder.cut_scenes(frames, clock, find_still=not args.keep_duplicates)
        seen = find_faces(shots, make_detect, store, args.size, args.margin, clock)
    if ranks.size() > 1:
        store = gather(store, seen, part, run, frames, clock)
    if not ranks.is_first():
        return
    if not store.faces:
        store.remove()
        if frames.is_black():
            raise InputError(f'no face in {frames.describe()}: all of it is black')
        raise InputError(
            'no face in {}; try a lower --min_neighbors or --min_size, another --cascade, or '
            '--no_faces for whole pictures'.format(frames.describe()))
    n, dropped = keep_the_best(store, old, make_rules(args), args.output, args.ratings,
                               args.dropped, clock)
    store.remove()
    X = arrays.read_pictures(args.output)
    if args.crops:
        save_crops(X, args.crops)
    if args.sheet:
        save_sheet(X, args.sheet)

    if others:
        messages.note('{} passed over: neither pictures nor videos'.format(count(others, 'file')))
    seconds = time.monotonic() - start
    more = 'more ' * (old.X is not None)
    found = count(n, more + ('picture' if args.no_faces else 'face'))
    written = filter(None, [args.output, tables.table_path(args.output), args.crops, args.sheet,
                            args.dropped, args.ratings])
    print('{} from {} in {:.0f} s -> {}'.format(
        found, frames.describe(), seconds, ', '.join(written)))
    if dropped:
        print('dropped: ' + ', '.join('{:,} {}'.format(n, reason)
                                      for reason, n in sorted(dropped.items())))
    if frames.videos:
        print('{:.0f} frames a second: {}'.format(frames.grabbed / seconds, clock.describe()))


def make_rules(args):
    """What is dropped, by the options; a whole picture is taken as it is unless they say."""
    enlargement = args.max_enlargement or (np.inf if args.no_faces else MAX_ENLARGEMENT)
    sharpness = args.min_sharpness
    if sharpness is None:
        sharpness = 0 if args.no_faces else MIN_SHARPNESS
    return Rules(args.size / enlargement, sharpness, args.min_confidence,
                 -1 if args.keep_duplicates else args.duplicate_bits, args.per_track)


def edit(output, rows, ratings_path, review, force):
    """Remove rows of the set that is there; draw what it is then."""
    if review:
        atomic.check_output(review, [output, tables.table_path(output)])
    if rows:
        if not (ratings_path or force):
            check_no_ratings(output, '--force to leave it as it is')
        picture_set.drop(output, rows, ratings_path)
    X = arrays.read_pictures(output)
    if review:
        save_sheet(X, review)
    print('{}{} -> {}'.format(
        '{} removed, '.format(count(len(rows), 'picture')) if rows else '',
        '{:,} left'.format(len(X)) if rows else count(len(X), 'picture'),
        ', '.join(filter(None, [output * bool(rows), ratings_path, review]))))


def check_no_ratings(output, way_out):
    """Raise :class:`InputError` if ratings beside a set would no longer fit it."""
    path = os.path.join(os.path.dirname(output), 'ratings.txt')
    if os.path.exists(path) and os.path.exists(output):
        n = len(arrays.read_pictures(output))
        try:
            ratings_txt.read_ratings(path, n)
        except InputError:
            return  # of something else
        raise InputError('{}: has a rating of each of the {}, which would no longer fit; '
                               'say --ratings {}, or {}'.format(
                                   path, count(n, 'picture'), path, way_out))


def check_inputs(paths, crops=None, sheet=None):
    """Raise :class:`InputError` if what is read would be written over, even by force."""
    if sheet:
        atomic.check_output(sheet, paths)
    folders = {os.path.dirname(os.path.realpath(path)) for path in paths}
    if crops and os.path.realpath(crops) in folders:
        raise InputError('{}: expected another folder for --crops than that of the pictures '
                               'and videos, which would be replaced'.format(crops))


def check_outputs(output, crops=None, sheet=None, dropped=None, force=False, append=False):
    """Raise :class:`InputError` if an output cannot or must not be written."""
    table = tables.table_path(output)
    for path, option in (output, '--output'), (table, '--output'), (sheet, '--sheet'):
        if path:
            atomic.check_output(path)
            if os.path.exists(path) and not (force or append and path != sheet):
                raise InputError(
                    '{} is there already{}; choose another name with {}, or overwrite it with '
                    '--force'.format(path, '' if path == sheet else
                                     ', and ratings may refer to its rows', option))
    if crops and not os.path.isdir(crops):
        if os.path.exists(crops):
            raise InputError('{}: expected a folder for --crops, got a file'.format(crops))
        atomic.check_output(crops)
    elif crops and _numbered(crops) and not force:
        raise InputError('{}: there are crops of an earlier run in it; choose another '
                               'folder with --crops, or replace them with --force'.format(crops))


# Finding and choosing

class OldSet(NamedTuple):
    """The set that is added to: ``X``, its table without ``row``, the text of its ratings."""

    X: np.ndarray
    table: list
    ratings: str

    @classmethod
    def empty(cls):
        return cls(None, [picture_set.COLUMNS[1:]], '')

    @classmethod
    def read(cls, path, size, ratings_path=None):
        """Read the set at a path; if there is none, an empty one."""
        if not os.path.exists(path):
            return cls.empty()
        X = arrays.read_pictures(path, (size, size))
        if X.dtype != np.uint8:
            raise InputError('{}: expected uint8 pictures to --append to, got {}; save '
                                   "X.astype('uint8')".format(path, X.dtype))
        ratings = ratings_txt.drop_ratings(ratings_path, len(X), ()) if ratings_path else ''
        return cls(X, picture_set.read_table(path, len(X)), ratings)

    @property
    def n(self):
        """How many pictures it has."""
        return len(self.table) - 1

    def pictures(self):
        """One after the other."""
        return arrays.walk([] if self.X is None else self.X)

    def next_scene(self):
        """The number of a scene that is not in the table yet."""
        columns, *rows = self.table
        if 'group' not in columns:
            return 0
        groups = [row[columns.index('group')].split('.')[0] for row in rows]
        return 1 + max((int(scene) for scene in groups if scene.isdecimal()), default=-1)


def find_faces(shots, make_detect, store, size, margin, clock):
    """Find the faces in frames and store them.

    Args:
        shots (iterable): Of :class:`face_finder.Shot`.
        make_detect (callable): Makes a detector for a thread.
        store (FaceStore): Where they go; frames that it knows are passed over.
        size (int): Side of a crop.
        margin (float): Room on each side of a box, in parts of its side.
        clock (face_finder.Clock): Told how long each stage takes.

    Returns:
        tuple: How many sources, scenes and looks there were.

    Raises:
        KeyboardInterrupt: Says how to go on.
    """
    seen = 0, 0, 0

    def count():
        nonlocal seen
        for shot in shots:
            seen = shot.number + 1, shot.scene + 1, shot.look + 1
            yield shot

    try:
        for shot, findings in face_finder.search(count(), make_detect, store.is_past, clock):
            with clock('writing'):
                crops = [crop_box(shot.frame.img, found.box, size, margin) for found in findings]
                store.add([
                    Face(shot.number, _relative(shot.frame.source), shot.frame.index,
                         shot.frame.seconds, shot.scene, shot.look, *found.box, found.confidence,
                         measure_sharpness(crop))
                    for found, crop in zip(findings, crops)], crops)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('interrupted; to go on, say the same again with --resume') from None
    return seen


def gather(store, seen, part, run, frames, clock):
    """Put what all processes have found together, for the first one to choose from.

    Args:
        store (FaceStore): What this one has found.
        seen (tuple of int): How many sources, scenes and looks it has seen.
        part (str): The folder to put it in.
        run (dict): Of the store that this makes.
        frames (media.FrameReader), clock (face_finder.Clock): What it has
            read, and how long that took; in the first process, all then.

    Returns:
        FaceStore: ``None`` in the others.

    Raises:
        InputError: If no file could be read.
    """
    counts = {name: getattr(frames, name) for name in frames.COUNTS}
    everything = ranks.collect((store.folder, store.faces, seen, counts, clock.seconds))
    messages.pass_notes_on()
    if not ranks.is_first():
        return None
    folders, faces, seen, counts, seconds = zip(*everything)
    for name in frames.COUNTS:
        setattr(frames, name, sum(of_one[name] for of_one in counts))
    clock.seconds = sum(seconds, collections.Counter())
    media.sum_up(frames.unreadable, frames.n_files, messages.note)
    before = np.cumsum([(0, 0, 0), *seen], axis=0).tolist()
    with FaceStore(part, run, store.shape[1]) as whole:
        for parts in zip(folders, faces, before):
            whole.add_store(*parts)
    return whole


def _relative(path):
    try:
        return os.path.relpath(path)
    except ValueError:  # on another drive of Windows
        return path


def keep_the_best(store, old, rules, output, ratings_path, dropped_folder, clock):
    """Choose among the faces of a store, and write those behind the set that is there.

    Returns:
        tuple: How many were kept, and how many dropped for each reason.

    Raises:
        InputError: If none is kept.
    """
    crops, first_scene = store.crops(), old.next_scene()
    with clock('choosing'):
        tracks = link(store.faces)
        fingerprints = Fingerprints(itertools.chain(old.pictures(), arrays.walk(crops)))
        reasons = choose(store.faces, tracks, fingerprints, rules, old.n)
    kept = [i for i, reason in enumerate(reasons) if reason == KEPT]
    counts = {reason: reasons.count(reason) for reason in set(reasons) - {KEPT}}
    if dropped_folder:
        draw_dropped(dropped_folder, crops, reasons)
    if not kept:
        raise InputError('none of the {} is kept: {}'.format(
            count(len(reasons), 'face'), ', '.join(
                '{:,} {}'.format(n, reason) for reason, n in sorted(counts.items()))))
    columns, *rows = old.table
    for i in kept:
        values = dict(store.faces[i]._asdict(), group='{}.{}'.format(
            first_scene + tracks[i][0], tracks[i][1]), time=store.faces[i].seconds)
        rows.append([_format(column, values.get(column)) for column in columns])
    ratings = None
    if ratings_path and old.ratings:
        ratings = ratings_path, old.ratings + '\n' * (old.ratings[-1] != '\n') + (
            'nan\n' * len(kept))
    with clock('writing'):
        picture_set.write(
            output, itertools.chain(old.pictures(), arrays.walk(crops, kept)),
            [columns, *rows], ratings)
    return len(kept), counts


def _format(column, value):
    if value is None:
        return ''
    digits = {'time': 3, 'confidence': 2, 'sharpness': 1}.get(column)
    return value if digits is None else '{:.{}f}'.format(value, digits)


def draw_dropped(folder, crops, reasons):
    """Draw what is dropped, a sheet for each reason."""
    os.makedirs(folder, exist_ok=True)
    for reason in set(reasons) - {KEPT}:
        rows = [i for i, other in enumerate(reasons) if other == reason]
        plots.draw_sheet(os.path.join(folder, reason.replace(' ', '_') + '.png'), crops, rows)


def crop_box(img, box, size, margin=0):
    """Cut a box with a margin out of a frame and resize it.

    A box that would reach over the border is moved inside, and has less of a
    margin where the frame is too small for it: a crop shows nothing that is
    not in the frame.  Only a box that is no square is stretched to be one.

    Returns:
        numpy.ndarray: CHW, RGB, ``uint8``, shape ``(3, size, size)``.
    """
    x, y, w, h = box
    height, width = img.shape[:2]
    scale = min(1 + 2 * margin, width / w, height / h)
    crop_w, crop_h = round(w * scale), round(h * scale)
    left = min(max(round(x + (w - crop_w) / 2), 0), width - crop_w)
    top = min(max(round(y + (h - crop_h) / 2), 0), height - crop_h)
    crop = img[top:top + crop_h, left:left + crop_w]
    shrinks = crop_w * crop_h > size * size
    crop = cv2.resize(crop, (size, size),
                      interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return crop[:, :, ::-1].transpose(2, 0, 1)  # HWC -> CHW, BGR -> RGB


# Writing

def save_crops(X, folder):
    """Save each picture as a PNG file named by its row, in place of earlier ones."""
    digits = max(5, len(str(len(X) - 1)))
    is_new = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    part = atomic.part_of(os.path.join(folder, 'crops'))
    try:
        os.mkdir(part)
        for row, img in enumerate(arrays.walk(X)):
            name = '{:0{}}.png'.format(row, digits)
            plots.to_image(img).save(os.path.join(part, name))
        for name in _numbered(folder):
            os.remove(os.path.join(folder, name))
        for name in os.listdir(part):
            os.replace(os.path.join(part, name), os.path.join(folder, name))
        is_new = False
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if is_new:
            os.rmdir(folder)


def _numbered(folder):
    return [name for name in os.listdir(folder) if re.fullmatch(r'[0-9]{5,}\.png', name)]


def save_sheet(X, path):
    """Draw all crops with their row numbers; say so if the sheet has no room for all."""
    step = plots.draw_sheet(path, X)
    if step > 1:
        messages.note('{}: shows one of {} crops; there are {:,}'.format(path, step, len(X)))


if __name__ == '__main__':
    main()
