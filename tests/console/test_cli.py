import argparse
import io

import numpy as np
import pytest

from picture_ranknet.console import messages, options
from picture_ranknet.console.command import command
from picture_ranknet.errors import InputError
from picture_ranknet.machine import devices
from picture_ranknet.models import checks
from picture_ranknet.text import count


def failing(error):
    @command
    def main(argv):
        raise error
    return main


@pytest.mark.parametrize('error, line, status', [
    (InputError('X.npy: expected this'), 'X.npy: expected this', 1),
    (FileNotFoundError(2, 'No such file or directory', 'X.npy'),
     'X.npy: No such file or directory', 1),
    (OSError(28, 'No space left on device', 'X.npy'),
     'X.npy: No space left on device; make room on that disk, or choose another one', 1),
    (OSError(27, 'File too large'),
     'File too large; no file may be so large here, see ulimit -f', 1),
    (MemoryError(), 'there is not enough memory; close other programs, or give it less at once: '
     'fewer or smaller pictures, --threads 1', 1),
    (MemoryError('Unable to allocate 9. GiB'), 'there is not enough memory (Unable to allocate 9. '
     'GiB); close other programs, or give it less at once: fewer or smaller pictures, --threads 1',
     1),
    (KeyboardInterrupt(), 'interrupted', 130),
    (KeyboardInterrupt('interrupted at step 3'), 'interrupted at step 3', 130),
])
def test_expected_failures_end_in_one_line(capsys, monkeypatch, error, line, status):
    monkeypatch.setattr('sys.argv', ['/somewhere/train.py'])
    with pytest.raises(SystemExit) as e:
        failing(error)([])
    assert e.value.code == status
    assert capsys.readouterr().err == 'train.py: error: {}\n'.format(line)


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())([])


def test_a_note_stands_above_the_progress_bar(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr('sys.stderr', terminal)
    with messages.progress(3, 'frames'):
        messages.note('passed over a.png')
        above, _, below = terminal.getvalue().partition('\n')
    drawn, erased, note = above.rsplit('\r', 2)
    assert '0/3' in drawn and erased.isspace() and note == 'passed over a.png'
    assert '0/3' in below


@pytest.mark.parametrize('n, words', [
    (0, '0 faces'), (1, '1 face'), (2, '2 faces'), (1234, '1,234 faces')])
def test_things_are_counted_in_words(n, words):
    assert count(n, 'face') == words


@pytest.mark.parametrize('kind, text, value', [
    (options.positive_int, '12', 12), (options.natural_int, '0', 0), (options.positive_float, '1/255', 1 / 255),
    (options.positive_float, '2e-3', .002), (options.natural_float, '0', 0), (options.ratio, '0.2', .2),
])
def test_option_values(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize('kind, texts', [
    (options.positive_int, ['0', '-1', '1.5', '', 'a']),
    (options.natural_int, ['-1', '1.5', 'a']),
    (options.positive_float, ['0', '-1', 'inf', 'nan', 'a', '1/0', '1/']),
    (options.natural_float, ['-1', 'inf', 'nan', 'a']),
    (options.ratio, ['0', '1', '1.2', '-.1', 'nan', 'a']),
])
def test_other_option_values_are_refused_and_shown(kind, texts):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as e:
            kind(text)
        assert 'must be' in str(e.value) and repr(text) in str(e.value)


@pytest.mark.parametrize('specifier', ['-1', '@numpy'])
def test_the_cpu_is_always_there(specifier):
    assert devices.use_device(specifier).name == '@numpy'


@pytest.mark.parametrize('specifier', ['@nothing', 'what:0', '99'])
def test_a_missing_device_is_said_in_one_line(specifier):
    with pytest.raises(InputError, match='--device {}: .*; -1 is the CPU'.format(specifier)):
        devices.use_device(specifier)


@pytest.mark.parametrize('words, device', [
    ([], '-1'), (['-d', '@numpy'], '@numpy'), (['--gpu'], 0), (['-g', '1'], 1)])
def test_gpu_is_the_old_way_to_say_device(words, device):
    parser = options.parser('train.py', '')
    options.add_device_arguments(parser)
    assert parser.parse_args(words).device == device


@pytest.mark.parametrize('scores, warned', [
    ([1, 1, 1], True), ([1e4, 1e4, 1e4 + 1e-3], True), ([1, 1.1, 1], False), ([1], False)])
def test_scores_that_say_nothing_are_noted(capsys, scores, warned):
    checks.note_if_collapsed(np.array(scores), messages.note)
    assert ('same score' in capsys.readouterr().err) == warned


@pytest.mark.parametrize('factor, scale, warned', [
    (1, 1 / 255, False), (1, 1, True), (1 / 255, 1, False), (1 / 255, 1 / 255, True)])
def test_a_scale_that_does_not_fit_is_noted(capsys, pictures, factor, scale, warned):
    checks.note_if_odd_scale('X.npy', pictures * factor, scale, messages.note)
    assert ('--image_scale' in capsys.readouterr().err) == warned


def test_file_endings():
    assert options.file_ending('.png')('a.PNG') == 'a.PNG'
    with pytest.raises(argparse.ArgumentTypeError, match="must end in .png, got 'a.jpg'"):
        options.file_ending('.png')('a.jpg')


@pytest.mark.parametrize('text, right', [('0', True), ('4294967295', True), ('4294967296', False),
                                         ('-1', False), ('a', False)])
def test_seeds_are_what_numpy_takes(text, right):
    if right:
        np.random.RandomState(options.seed(text))
    else:
        with pytest.raises(argparse.ArgumentTypeError, match='from 0 to 4294967295'):
            options.seed(text)
