"""Atomic counters, for compiled loops that share out work among threads."""
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def take(typingctx, counters, i):
    """Atomic ``counters[i] += 1``; returns the previous value."""
    def generate(context, builder, signature, args):
        pointer = _pointer(context, builder, signature, args)
        return builder.atomic_rmw('add', pointer, ir.Constant(ir.IntType(64), 1), 'seq_cst')
    return types.int64(counters, types.int64), generate


@intrinsic
def look(typingctx, counters, i):
    """Atomic read of ``counters[i]``; what other threads wrote before it becomes visible, too."""
    def generate(context, builder, signature, args):
        return builder.load_atomic(_pointer(context, builder, signature, args), 'seq_cst', 8)
    return types.int64(counters, types.int64), generate


def _pointer(context, builder, signature, args):
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]])
