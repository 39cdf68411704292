"""The modules of rate.py's page, as text."""
import graphlib
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parents[2] / 'picture_ranknet' / 'rating' / 'page'


def imports_of(path):
    return set(re.findall(r"^(?:import|export) .*?from '\./(\w+\.js)'", path.read_text('utf-8'),
                          re.MULTILINE | re.DOTALL))


def test_modules_have_no_circles_and_all_are_used():
    graph = {path.name: imports_of(path) for path in PAGE.glob('*.js')}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert order[-1] == 'page.js' and set(order) == set(graph)


def test_sizes_follow_the_font_of_the_reader():
    style = (PAGE / 'page.css').read_text('utf-8')
    assert re.findall(r'font(?:-size)?:[^;]*\dpx', style) == ['font-size: 10.5px']  # of a drawing
