"""How tests look at expected failures."""
import pytest

from picture_ranknet.errors import InputError


def error_of(function, *args):
    """The message, of one line, with which a call fails."""
    with pytest.raises(InputError) as e:
        function(*args)
    assert '\n' not in str(e.value)
    return str(e.value)
