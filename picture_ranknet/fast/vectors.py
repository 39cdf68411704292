"""Vectors that stay in the processor's registers, for loops that Numba compiles.

How well LLVM vectorises a plain loop over ``array[i:i + n]`` depends on its
version and on details of the loop; the result can be eight times slower than the
processor allows.  So the inner loops of :mod:`kernels` are written with
:class:`Lanes`, a block of numbers in registers, and with intrinsics that load,
multiply and store one; each emits the same few instructions every time.

There is no bounds checking.  Arrays are C-contiguous, aligned and float32.
"""
import math

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

OFF = 4  # the winner of a pooling window where ReLU lets none of its four values through


def _has_avx512():
    try:
        return binding.get_host_cpu_features().get('avx512vl', False)
    except RuntimeError:  # LLVM does not know this processor
        return False


# The largest useful block: four of them as sums should fit the processor's 32 or 16 registers.
MOST_LANES = 32 if _has_avx512() else 24

VECTOR = ir.VectorType(ir.FloatType(), 8)
BYTES = ir.VectorType(ir.IntType(8), 8)
INT32, INT64 = ir.IntType(32), ir.IntType(64)


class Lanes(types.Type):

    """The type of ``n >= 8`` float32 numbers in registers, 8 to a vector.

    If ``n`` is not a multiple of 8, the last vector overlaps the one before, so
    nothing is padded and nothing beyond the ``n`` numbers is read or written.
    """

    def __init__(self, n):
        if n < 8:
            raise ValueError(f'Lanes hold at least 8 numbers, got {n}')
        super().__init__(f'Lanes({n})')
        self.n = n
        self.starts = [min(start, n - 8) for start in range(0, n, 8)]


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):

    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.ArrayType(VECTOR, len(lanes.starts)))


@intrinsic(prefer_literal=True)
def load(typingctx, array, i, n):
    """``array[i:i + n]`` as :class:`Lanes`.

    ``n`` is a constant, or a tuple that stands for 8 numbers an element: a
    function that is given the tuple is then compiled once for each length.
    """
    if isinstance(n, types.IntegerLiteral):
        lanes = Lanes(n.literal_value)
    elif isinstance(n, types.BaseTuple):
        lanes = Lanes(8 * len(n))
    else:
        return None

    def generate(context, builder, signature, args):
        return _join(builder, [
            builder.load(_pointer(context, builder, signature, args, start, VECTOR), align=4)
            for start in lanes.starts])
    return lanes(array, types.int64, n), generate


@intrinsic
def store(typingctx, array, i, v):
    """``array[i:i + n] = v``."""
    def generate(context, builder, signature, args):
        for start, vector in zip(v.starts, _split(builder, args[2])):
            pointer = _pointer(context, builder, signature, args, start, VECTOR)
            builder.store(vector, pointer, align=4)
    return types.void(array, types.int64, v), generate


@intrinsic(prefer_literal=True)
def prefetch(typingctx, array, i, n):
    """Prefetch ``array[i:i + n]``, ``n`` as for :func:`load`; may be beyond the end."""
    count = n.literal_value if isinstance(n, types.IntegerLiteral) else 8 * len(n)
    byte_pointer = ir.IntType(8).as_pointer()

    def generate(context, builder, signature, args):
        fetch = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer] + [INT32] * 3),
            'llvm.prefetch.p0')
        for start in range(0, count, 16):  # a line of the cache
            pointer = builder.bitcast(
                _pointer(context, builder, signature, args, start), byte_pointer)
            builder.call(fetch, [pointer, *(ir.Constant(INT32, number) for number in (0, 3, 1))])
    return types.void(array, types.int64, n), generate


@intrinsic
def at(typingctx, array, i):
    """``array[i]``; negative indices are not supported."""
    def generate(context, builder, signature, args):
        return builder.load(_pointer(context, builder, signature, args, 0))
    return array.dtype(array, types.int64), generate


@intrinsic
def stack(typingctx, a, b, c, d):
    """Four blocks side by side, as one of four times the size."""
    def generate(context, builder, signature, args):
        return _join(builder, [vector for arg in args for vector in _split(builder, arg)])
    return Lanes(4 * a.n)(a, a, a, a), generate


@intrinsic
def fma(typingctx, v, w, s):
    """``v + w * s``, as a fused multiply-add where the processor has one.

    ``s`` is a number, or a block of 8 by which each vector of ``w`` is multiplied.
    """
    def generate(context, builder, signature, args):
        multiply_add = _multiply_add(builder)
        if isinstance(s, Lanes):
            factor, = _split(builder, args[2])
        else:
            factor = _spread(builder, args[2])
        return _join(builder, [builder.call(multiply_add, [b, factor, a]) for a, b in zip(
            _split(builder, args[0]), _split(builder, args[1]))])
    return v(v, w, s if isinstance(s, Lanes) else types.float32), generate


@intrinsic
def store_planes(typingctx, array, i, v, plane):
    """``array[i + k * plane:][:8] = vector`` for the vectors ``k = 0, 1, ...`` of ``v``."""
    def generate(context, builder, signature, args):
        data, i, lanes, plane = args
        for vector in _split(builder, lanes):
            pointer = _pointer(context, builder, signature, (data, i), 0, VECTOR)
            builder.store(vector, pointer, align=4)
            i = builder.add(i, plane)
    return types.void(array, types.int64, v, types.int64), generate


@intrinsic
def correlate(typingctx, v, taps, array, i, row):
    """``v`` plus the sum over a window of 8 numbers a pixel, times its taps.

    ``taps`` are 8 * k * k numbers for a window of k x k whose top left pixel
    begins at ``array[i]``; ``row`` is the step from one row to the next.  Rows have
    their own sums, up to three: in a single chain of 25, each would wait for the last.
    """
    side = math.isqrt(len(taps.starts))

    def generate(context, builder, signature, args):
        v, taps, data, i, row = args
        address = types.void(signature.args[2], types.int64)
        taps, sums = _split(builder, taps), _split(builder, v) + [None] * 2
        rows = [i]
        for _ in range(side - 1):
            rows.append(builder.add(rows[-1], row))
        for column in range(side):
            for k, start in enumerate(rows):
                pixel = builder.load(
                    _pointer(context, builder, address, (data, start), 8 * column, VECTOR), align=4)
                tap, total = taps[k * side + column], sums[k % 3]
                sums[k % 3] = (builder.call(_multiply_add(builder), [pixel, tap, total])
                               if total else builder.fmul(pixel, tap))
        return _join(builder, [builder.fadd(builder.fadd(sums[0], sums[1]), sums[2])])
    return v(v, taps, array, types.int64, types.int64), generate


@intrinsic
def relu6(typingctx, v):
    """``min(max(v, 0), 6)``; NaN stays NaN."""
    def generate(context, builder, signature, args):
        zero, six = (ir.Constant(VECTOR, [number] * 8) for number in (0., 6.))
        clipped = []
        for vector in _split(builder, args[0]):
            vector = builder.select(builder.fcmp_ordered('<', vector, zero), zero, vector)
            vector = builder.select(builder.fcmp_ordered('>', vector, six), six, vector)
            clipped.append(vector)
        return _join(builder, clipped)
    return v(v), generate


@intrinsic
def store_sums(typingctx, array, i, v):
    """``array[i + k] = sum(vector)`` for each of the vectors of ``v``."""
    def generate(context, builder, signature, args):
        for k, vector in enumerate(_split(builder, args[2])):
            for width in 4, 2, 1:  # add its halves
                vector = builder.fadd(*(builder.shuffle_vector(vector, vector, ir.Constant(
                    ir.VectorType(INT32, width), list(range(start, start + width))))
                    for start in (0, width)))
            total = builder.extract_element(vector, ir.Constant(INT32, 0))
            builder.store(total, _pointer(context, builder, signature, args, k))
    return types.void(array, types.int64, v), generate


@intrinsic
def pool(typingctx, a, b, c, d):
    """Elementwise maximum of four blocks and 0; NaN where one of them is NaN."""
    def generate(context, builder, signature, args):
        pooled = []
        for four in zip(*(_split(builder, arg) for arg in args)):
            best, _ = _best(builder, four)  # loses NaN: no comparison with it is true
            has_nan = builder.or_(builder.fcmp_unordered('uno', four[0], four[1]),
                                  builder.fcmp_unordered('uno', four[2], four[3]))
            pooled.append(builder.select(has_nan, ir.Constant(VECTOR, [math.nan] * 8), best))
        return _join(builder, pooled)
    return a(a, a, a, a), generate


@intrinsic
def store_winner(typingctx, array, i, a, b, c, d):
    """Store which of four is the largest, 0 to 3, the first of equals; ``OFF`` if none is > 0."""
    def generate(context, builder, signature, args):
        for start, *four in zip(a.starts, *(_split(builder, arg) for arg in args[2:])):
            pointer = _pointer(context, builder, signature, args, start, BYTES)
            builder.store(_best(builder, four)[1], pointer, align=1)
    return types.void(array, types.int64, a, a, a, a), generate


def _best(builder, four):
    """The maximum of four vectors and 0, and which of them it is (``OFF``: none)."""
    best, winner = ir.Constant(VECTOR, [0.] * 8), ir.Constant(BYTES, [OFF] * 8)
    for number, vector in enumerate(four):
        larger = builder.fcmp_ordered('>', vector, best)
        best = builder.select(larger, vector, best)
        winner = builder.select(larger, ir.Constant(BYTES, [number] * 8), winner)
    return best, winner


def _multiply_add(builder):
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), 'llvm.fmuladd.v8f32')


def _pointer(context, builder, signature, args, start, type_=None):
    """The address of ``array[i + start]``; array and ``i`` are an intrinsic's first arguments."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    pointer = builder.gep(data, [builder.add(args[1], ir.Constant(INT64, start))])
    return builder.bitcast(pointer, type_.as_pointer()) if type_ else pointer


def _split(builder, lanes):
    return [builder.extract_value(lanes, i) for i in range(lanes.type.count)]


def _join(builder, vectors):
    lanes = ir.Constant(ir.ArrayType(VECTOR, len(vectors)), ir.Undefined)
    for i, vector in enumerate(vectors):
        lanes = builder.insert_value(lanes, vector, i)
    return lanes


def _spread(builder, number):
    """A vector of eight times the same number."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, 8), [0] * 8))


def compiled(signature):
    """``numba.njit`` for one signature; the machine code is kept on disk if there is a place.

    Numba notices changes to the file that holds a loop, but not changes to this
    file: after editing it, delete ``picture_ranknet/fast/__pycache__``.
    """
    def decorate(function):
        options = {'nogil': True, 'error_model': 'numpy'}
        try:
            return njit(signature, cache=True, **options)(function)
        except RuntimeError as e:
            if 'cannot cache' not in str(e):
                raise
            return njit(signature, **options)(function)
    return decorate


def check():
    """Compile a loop that uses every intrinsic, and compare its results with NumPy's.

    Raises:
        Exception: Of any kind, if the interface of LLVM or Numba differs from
            the one that this module is written for.
        ArithmeticError: If the results are wrong.
    """
    @compiled('(f4[::1], f4[::1], f4[::1], u1[::1])')
    def use_all(x, y, sums, winners):
        a, b, c, d = load(x, 0, 12), load(x, 12, 12), load(x, 24, 12), load(x, 36, 12)
        store(y, 0, fma(pool(a, b, c, d), a, at(x, 1)))
        store_winner(winners, 0, a, b, c, d)
        eight = load(x, 0, 8)
        store_sums(sums, 0, fma(stack(eight, eight, eight, load(x, 8, 8)),
                                stack(eight, eight, eight, eight), eight))

    x = np.cos(np.arange(48)).astype(np.float32)
    y, sums, winners = np.empty(12, 'f'), np.empty(4, 'f'), np.empty(12, np.uint8)
    use_all(x, y, sums, winners)
    four, square = x.reshape(4, 12), x[:8] ** 2
    best = four.max(axis=0)
    expected = [
        np.maximum(best, 0) + x[:12] * x[1],
        [(x[:8] + square).sum()] * 3 + [(x[8:16] + square).sum()],
        np.where(best > 0, four.argmax(axis=0), OFF)]
    for ours, theirs in zip((y, sums, winners), expected):
        if not np.allclose(ours, theirs, atol=1e-5):
            raise ArithmeticError('the compiled code computes wrong values')
