import shutil
import subprocess
import sys
import zipfile


def test_a_wheel_holds_all_modules_and_the_cascade(root, tmp_path):
    source = tmp_path / 'source'
    source.mkdir()
    for path in [*root.glob('*.py'), *root.glob('*.xml'), *root.glob('*.toml'), root / 'README.md']:
        shutil.copy(path, source)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation',
                    '--no-index', '-q', '-w', tmp_path, source], check=True)
    wheel, = tmp_path.glob('*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {path.name for path in root.glob('*.py')} - {'setup.py'}
    assert names >= expected | {'lbpcascade_animefice.xml'}
    assert {name for name in names if name.endswith('.py')} == expected
