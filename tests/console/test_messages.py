import io
import subprocess
import sys

from picture_ranknet.console import messages


def test_a_note_stands_above_the_progress_bar(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr('sys.stderr', terminal)
    with messages.progress(3, 'frames'):
        messages.note('skipped a.png')
        above, _, below = terminal.getvalue().partition('\n')
    drawn, erased, note = above.rsplit('\r', 2)
    assert '0/3' in drawn and erased.isspace() and note == 'skipped a.png'
    assert '0/3' in below


def test_a_note_goes_to_standard_error(capsys):
    messages.note('skipped a.png')
    assert capsys.readouterr() == ('', 'skipped a.png\n')


def test_there_is_no_progress_bar_where_standard_error_is_redirected(root):
    script = ('from picture_ranknet.console import messages\n'
              'with messages.progress(3, "frames", "reading") as bar:\n'
              '    bar.update()\n'
              '    messages.note("skipped")\n')
    done = subprocess.run([sys.executable, '-c', script], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', 'skipped\n')
