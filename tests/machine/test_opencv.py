"""OpenCV is imported when it is needed, and what is wrong with it is one line."""
import os
import subprocess
import sys

import numpy as np
import pytest

from picture_ranknet.machine.opencv import check_opencv, cv2


def test_opencv_is_passed_on():
    check_opencv()
    assert cv2.resize(np.zeros((4, 4), np.uint8), (2, 3)).shape == (3, 2)
    assert issubclass(cv2.error, Exception) and not hasattr(cv2, 'nothing')


def python(root, script, *folders):
    path = os.pathsep.join(map(str, [*folders, root]))
    return subprocess.run([sys.executable, '-c', script], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=path))


def test_opencv_is_not_imported_before_it_is_needed(root):
    done = python(root, 'import sys\nfrom picture_ranknet.machine.opencv import cv2\n'
                        'assert "cv2" not in sys.modules\ncv2.resize\nassert "cv2" in sys.modules')
    assert (done.returncode, done.stderr) == (0, '')


COMMAND = ('from picture_ranknet.console.command import command\n'
           'from picture_ranknet.machine.opencv import check_opencv, cv2\n'
           '@command\ndef main(argv):\n    {}\nmain()')


@pytest.mark.parametrize('use', ['check_opencv()', 'cv2.resize', 'cv2.error'])
@pytest.mark.parametrize('content, words', [
    ('raise ImportError("libGL.so.1: cannot open shared object file")',
     'OpenCV cannot be imported (libGL.so.1: cannot open shared object file); install the build '
     'that needs no system libraries: python -m pip install --force-reinstall --no-deps '
     '"opencv-python-headless>='),
    ('raise ModuleNotFoundError("No module named \'cv2\'", name="cv2")',
     'OpenCV is not installed; python -m pip install "opencv-python>='),
    ('import nothing_of_this_name', 'OpenCV cannot be imported (No module named'),
])
def test_what_is_wrong_with_opencv_is_one_line(root, tmp_path, content, words, use):
    (tmp_path / 'cv2.py').write_text(content)
    done = python(root, COMMAND.format(use), tmp_path)
    line, = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith('-c: error: ' + words)


def test_its_versions_are_those_of_setup_py(root):
    from picture_ranknet.machine import opencv

    assert f"'opencv-python{opencv.VERSIONS}'" in (root / 'setup.py').read_text(encoding='utf-8')
