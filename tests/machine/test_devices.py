import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.machine import devices


@pytest.mark.parametrize('specifier', ['-1', '@numpy'])
def test_the_cpu_is_always_there(specifier):
    assert devices.use_device(specifier).name == '@numpy'


@pytest.mark.parametrize('specifier', ['@nothing', 'what:0', '99'])
def test_a_missing_device_is_said_in_one_line(specifier):
    with pytest.raises(InputError, match=f'--device {specifier}: .*; -1 is the CPU'):
        devices.use_device(specifier)
