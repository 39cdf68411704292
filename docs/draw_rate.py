"""Draw rate.png, the page of rate.py with the demo's faces; `make demo` makes these.

    python docs/draw_rate.py demo/X.npy demo/ratings.txt docs/rate.png

It needs Playwright and a browser: Debian's chromium, or what the variable CHROMIUM names.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parent.parent
BROWSER = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser')
N_RATED = 60
WIDTH, HEIGHT = 1080, 720
PAUSE = 900  # ms; a person's pace
READY = '''former => {
    const {ready} = document.querySelector('#stage').dataset;
    return ready !== former && ready;
}'''


def rate(page, ratings):
    """Rate as many pictures as the drawing shows, each by its key."""
    row = page.wait_for_function(READY, arg='').json_value()
    for _ in range(N_RATED):
        page.wait_for_timeout(PAUSE)
        rating = ratings[int(row)]
        page.keyboard.press('x' if np.isnan(rating) else str(int(rating)))
        row = page.wait_for_function(READY, arg=row).json_value()


def main():
    X_path, ratings_path, out = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / 'rate.py'), X_path, os.path.join(folder, 'ratings.txt'),
             '--no_browser'], stdout=subprocess.PIPE, encoding='utf-8')
        try:
            browser = p.chromium.launch(executable_path=BROWSER, args=['--no-sandbox'])
            page = browser.new_page(viewport={'width': WIDTH, 'height': HEIGHT})
            page.goto(process.stdout.readline().strip())
            rate(page, np.loadtxt(ratings_path))
            page.wait_for_timeout(5000)  # how well they predict follows a little later
            page.screenshot(path=out)
            browser.close()
        finally:
            process.kill()
            process.communicate()
    Image.open(out).convert('RGB').save(out, optimize=True)


if __name__ == '__main__':
    main()
