"""The one module that imports ``numba.cuda``: intrinsics, shuffles, and what stands for them in the
simulator.

Everything here exists twice. On a GPU it is an instruction; in Numba's simulator (``NUMBA_ENABLE_CUDASIM=1``)
it is a plain Python twin of the same meaning, which also checks what hardware would trap: a 128-bit access
that is not aligned or leaves its array. All other modules of this folder take what they need from here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda as _numba_cuda
from numba.core import config as _numba_config

# ``cuda`` must be a plain global of every kernel module: the simulator swaps it there for the running block's
# view.
cuda: Any = _numba_cuda
SIMULATOR = bool(_numba_config.ENABLE_CUDASIM)

if not SIMULATOR:
    from numba.core.errors import NumbaPerformanceWarning

    # A single row is a legitimate batch; Numba would warn of its small grid on every such launch.
    warnings.filterwarnings("ignore", message="Grid size", category=NumbaPerformanceWarning)
    try:
        from numba.cuda.core.errors import NumbaPerformanceWarning as CudaPerformanceWarning

        warnings.filterwarnings("ignore", message="Grid size", category=CudaPerformanceWarning)
    except ImportError:  # older numba-cuda shares Numba's class
        pass

FULL_WARP = 0xFFFFFFFF
WARP = 32


def kernel(function: Callable[..., None]) -> Any:
    """Compile ``function`` as a kernel, once for each set of argument types (Numba keeps the
    specialisations).
    """
    return cuda.jit(function)


def device(function: Callable[..., Any]) -> Any:
    """Mark ``function`` as callable from kernels; always inlined, so that no call spills registers to a
    stack.

    In the simulator it stays a plain function, which is far faster; one that uses ``cuda`` must then live in
    the module of its kernel, where the simulator puts the running block's ``cuda``.
    """
    return function if SIMULATOR else cuda.jit(device=True, forceinline=True)(function)


if SIMULATOR:
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray
    from numba.cuda.simulator.kernel import _get_kernel_context as running_block

    def wrap(array: Any) -> Any:
        """View ``array`` as the simulator's device array, without a copy (addresses keep their alignment)."""
        return array if isinstance(array, FakeCUDAArray) else FakeCUDAArray(array)

    def address(array: Any) -> int:
        """Address of the first element in bytes."""
        return int(array.ctypes.data)

    def _host(array: Any) -> np.ndarray[Any, Any]:
        return array._item._ary  # type: ignore[no-any-return]

    def _check_vector(array: np.ndarray[Any, Any], index: int) -> int:
        count = 16 // array.itemsize
        if index < 0 or index + count > array.size:
            raise IndexError(f"128-bit access at element {index} leaves an array of {array.size}")
        if (array.ctypes.data + index * array.itemsize) % 16:
            raise ValueError(f"128-bit access at element {index} is not aligned to 16 bytes")
        return count

    def load_vector(array: Any, index: int) -> tuple[Any, ...]:
        """128 bits of ``array`` from element ``index``: 4 float32, 2 float64 or 4 words of two uint16."""
        host = _host(array)
        part = host[index : index + _check_vector(host, index)]
        return tuple(part.view(np.uint32)) if host.dtype == np.uint16 else tuple(part)

    load_vector_coherent = load_vector

    def store_vector(array: Any, index: int, values: tuple[Any, ...]) -> None:
        """Write 128 bits to ``array`` from element ``index``; the inverse of `load_vector`."""
        host = _host(array)
        count = _check_vector(host, index)
        stored = np.array(values, np.uint32).view(np.uint16) if host.dtype == np.uint16 else values
        host[index : index + count] = stored

    def exp2_approx(x: np.float32) -> np.float32:
        """2**x in float32; results below the normal range are 0, as in ``ex2.approx.ftz.f32``."""
        result = np.exp2(np.float32(x))
        return np.float32(0) if result < np.finfo(np.float32).tiny else np.float32(result)

    def exp2_double(x: np.float64) -> np.float64:
        """2**x in float64."""
        return np.float64(np.exp2(x))

    def log2(x: Any) -> Any:
        """Base-2 logarithm in the precision of ``x``."""
        return np.log2(x)

    def float_bits(x: Any) -> Any:
        """The bits of a float32 as int32, of a float64 as int64; ordered as the numbers are for x >= 0."""
        return x.view(np.int32 if isinstance(x, np.float32) else np.int64)

    def funnel_right(low: Any, high: Any, bits: Any) -> np.uint32:
        """The low word of ``(high:low) >> bits``, 0 <= bits < 32."""
        return np.uint32(((int(high) << 32 | int(low)) >> int(bits)) & 0xFFFFFFFF)

    def unpack_bfloat16(word: Any) -> tuple[np.float32, np.float32]:
        """The two bfloat16 of a word, low half first."""
        both = np.array([int(word) << 16 & 0xFFFFFFFF, int(word) & 0xFFFF0000], np.uint32).view(np.float32)
        return both[0], both[1]

    def unpack_float16(word: Any) -> tuple[np.float32, np.float32]:
        """The two float16 of a word, low half first."""
        both = np.array([word], np.uint32).view(np.float16).astype(np.float32)
        return both[0], both[1]

    def pack_bfloat16(low: Any, high: Any) -> np.uint32:
        """Two float32 rounded to the nearest bfloat16 (ties to even, NaN stays NaN) in one word."""
        halves = []
        for x in (np.float32(low), np.float32(high)):
            bits = int(x.view(np.uint32))
            halves.append(0x7FC0 if np.isnan(x) else (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
        return np.uint32(halves[1] << 16 | halves[0])

    def pack_float16(low: Any, high: Any) -> np.uint32:
        """Two float32 rounded to the nearest float16 in one word."""
        with np.errstate(over="ignore"):
            return np.array([low, high], np.float32).astype(np.float16).view(np.uint32)[0]  # type: ignore[no-any-return]

    def multiply_high(a: Any, b: Any) -> np.int64:
        """The upper 64 bits of the 128-bit product of two int64."""
        return np.int64(int(a) * int(b) >> 64)

    def shuffle_down4(a: Any, b: Any, c: Any, d: Any, offset: int) -> tuple[Any, Any, Any, Any]:
        """Each value from the lane ``offset`` above in the same warp (beyond its end, the thread's own).

        The simulator has no shuffles: the values pass through shared memory, with the block's barrier in the
        place of the warp's. Hence every thread of the block must call it.
        """
        block = running_block()
        board = block.shared.array((4, 1024), np.float64)
        thread = block.threadIdx.x
        board[0, thread], board[1, thread], board[2, thread], board[3, thread] = a, b, c, d
        block.syncthreads()
        source = thread + offset if thread % WARP + offset < WARP else thread
        kind = type(a)
        values = (
            kind(board[0, source]),
            kind(board[1, source]),
            kind(board[2, source]),
            kind(board[3, source]),
        )
        block.syncthreads()
        return values

else:
    import math

    from llvmlite import ir
    from numba import types
    from numba.cuda import extending

    intrinsic: Callable[[Callable[..., Any]], Any] = extending.intrinsic
    _I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()

    def wrap(array: Any) -> Any:
        """View anything with ``__cuda_array_interface__`` as Numba's device array, without copy or
        synchronisation.
        """
        return cuda.as_cuda_array(array, sync=False)

    def address(array: Any) -> int:
        """Address of the first element in bytes."""
        return int(array.__cuda_array_interface__["data"][0])

    def _global_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
        """Pointer to an element in the global address space: loads are ``ld.global``, not generic."""
        data = context.make_array(array_type)(context, builder, value=array).data
        element = builder.gep(data, [index])
        return builder.addrspacecast(
            element, ir.PointerType(context.get_data_type(array_type.dtype), addrspace=1)
        )

    def _layout(array_type: Any) -> tuple[Any, int, Any, str, str]:
        """(Numba type, count, LLVM type, PTX type, register class) of the 128 bits of an array's elements."""
        if array_type.dtype == types.float32:
            return types.float32, 4, _F32, "v4.f32", "f"
        if array_type.dtype == types.float64:
            return types.float64, 2, ir.DoubleType(), "v2.f64", "d"
        return types.uint32, 4, _I32, "v4.b32", "r"  # two 16-bit numbers in each word

    @intrinsic
    def load_vector(typingctx: Any, array: Any, index: Any) -> Any:
        """128 bits of ``array`` from element ``index``: 4 float32, 2 float64 or 4 words of two uint16.

        The non-coherent load: only for arrays that nothing writes while the kernel runs. ``index`` is int64
        and the address must be a multiple of 16 bytes.
        """
        element, count, llvm_type, ptx_type, register = _layout(array)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _global_pointer(context, builder, signature.args[0], *arguments)
            slots = ",".join(f"${i}" for i in range(count))
            instruction = ir.InlineAsm(
                ir.FunctionType(ir.LiteralStructType([llvm_type] * count), [_I64]),
                f"ld.global.nc.{ptx_type} {{{slots}}}, [${count}];",
                ",".join([f"={register}"] * count + ["l"]),
                side_effect=False,
            )
            loaded = builder.call(instruction, [builder.ptrtoint(pointer, _I64)])
            parts = [builder.extract_value(loaded, i) for i in range(count)]
            return context.make_tuple(builder, signature.return_type, parts)

        return types.UniTuple(element, count)(array, types.int64), codegen

    @intrinsic
    def load_vector_coherent(typingctx: Any, array: Any, index: Any) -> Any:
        """As `load_vector`, for arrays that the same kernel may write (filtering in place)."""
        element, count, llvm_type, _, _ = _layout(array)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _global_pointer(context, builder, signature.args[0], *arguments)
            vector = ir.VectorType(llvm_type, count)
            loaded = builder.load(builder.bitcast(pointer, ir.PointerType(vector, addrspace=1)), align=16)
            parts = [builder.extract_element(loaded, _I32(i)) for i in range(count)]
            return context.make_tuple(builder, signature.return_type, parts)

        return types.UniTuple(element, count)(array, types.int64), codegen

    @intrinsic
    def store_vector(typingctx: Any, array: Any, index: Any, values: Any) -> Any:
        """Write 128 bits to ``array`` from element ``index``; the inverse of `load_vector`."""
        element, count, llvm_type, _, _ = _layout(array)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            target, place, parts = arguments
            pointer = _global_pointer(context, builder, signature.args[0], target, place)
            vector_type = ir.VectorType(llvm_type, count)
            vector = ir.Constant(vector_type, ir.Undefined)
            for i in range(count):
                vector = builder.insert_element(vector, builder.extract_value(parts, i), _I32(i))
            builder.store(
                vector, builder.bitcast(pointer, ir.PointerType(vector_type, addrspace=1)), align=16
            )
            return context.get_dummy_value()

        return types.void(array, types.int64, types.UniTuple(element, count)), codegen

    @intrinsic
    def exp2_approx(typingctx: Any, x: Any) -> Any:
        """2**x in float32 by one special-function instruction; results below the normal range are 0."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = ir.FunctionType(_F32, [_F32])
            return builder.call(ir.InlineAsm(kind, "ex2.approx.ftz.f32 $0, $1;", "=f,f"), arguments)

        return types.float32(types.float32), codegen

    @device
    def exp2_double(x: Any) -> Any:
        """2**x in float64."""
        return cuda.libdevice.exp2(x)

    @device
    def log2(x: Any) -> Any:
        """Base-2 logarithm in the precision of ``x``."""
        return math.log2(x)

    @intrinsic
    def float_bits(typingctx: Any, x: Any) -> Any:
        """The bits of a float32 as int32, of a float64 as int64; ordered as the numbers are for x >= 0."""
        wide = x == types.float64

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], _I64 if wide else _I32)

        return (types.int64 if wide else types.int32)(x), codegen

    @intrinsic
    def funnel_right(typingctx: Any, low: Any, high: Any, bits: Any) -> Any:
        """The low word of ``(high:low) >> bits``, 0 <= bits < 32."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = ir.FunctionType(_I32, [_I32] * 3)
            return builder.call(ir.InlineAsm(kind, "shf.r.wrap.b32 $0, $1, $2, $3;", "=r,r,r,r"), arguments)

        return types.uint32(types.uint32, types.uint32, types.uint32), codegen

    def _unpack(convert: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.make_tuple(builder, signature.return_type, convert(builder, arguments[0]))

        return codegen

    @intrinsic
    def unpack_bfloat16(typingctx: Any, word: Any) -> Any:
        """The two bfloat16 of a word, low half first: a bfloat16 is the upper half of a float32."""

        def convert(builder: Any, bits: Any) -> list[Any]:
            low, high = builder.shl(bits, _I32(16)), builder.and_(bits, _I32(0xFFFF0000))
            return [builder.bitcast(low, _F32), builder.bitcast(high, _F32)]

        return types.UniTuple(types.float32, 2)(types.uint32), _unpack(convert)

    @intrinsic
    def unpack_float16(typingctx: Any, word: Any) -> Any:
        """The two float16 of a word, low half first."""

        def convert(builder: Any, bits: Any) -> list[Any]:
            halves = [builder.trunc(part, ir.IntType(16)) for part in (bits, builder.lshr(bits, _I32(16)))]
            return [builder.fpext(builder.bitcast(half, ir.HalfType()), _F32) for half in halves]

        return types.UniTuple(types.float32, 2)(types.uint32), _unpack(convert)

    @intrinsic
    def pack_bfloat16(typingctx: Any, low: Any, high: Any) -> Any:
        """Two float32 rounded to the nearest bfloat16 (ties to even, NaN stays NaN) in one word.

        In integers: the conversion instruction needs compute capability 8.0.
        """

        def round_up(builder: Any, x: Any) -> Any:
            bits = builder.bitcast(x, _I32)
            odd = builder.and_(builder.lshr(bits, _I32(16)), _I32(1))
            rounded = builder.add(bits, builder.add(odd, _I32(0x7FFF)))
            return builder.select(builder.fcmp_unordered("uno", x, x), _I32(0x7FC00000), rounded)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, second = (round_up(builder, x) for x in arguments)
            return builder.or_(builder.lshr(first, _I32(16)), builder.and_(second, _I32(0xFFFF0000)))

        return types.uint32(types.float32, types.float32), codegen

    @intrinsic
    def pack_float16(typingctx: Any, low: Any, high: Any) -> Any:
        """Two float32 rounded to the nearest float16 in one word."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            halves = [builder.bitcast(builder.fptrunc(x, ir.HalfType()), ir.IntType(16)) for x in arguments]
            first, second = (builder.zext(half, _I32) for half in halves)
            return builder.or_(first, builder.shl(second, _I32(16)))

        return types.uint32(types.float32, types.float32), codegen

    @device
    def multiply_high(a: Any, b: Any) -> Any:
        """The upper 64 bits of the 128-bit product of two int64."""
        return cuda.libdevice.mul64hi(a, b)

    @device
    def shuffle_down4(a: Any, b: Any, c: Any, d: Any, offset: Any) -> Any:
        """Each value from the lane ``offset`` above in the same warp (the thread's own beyond the warp's
        end).
        """
        return (
            cuda.shfl_down_sync(FULL_WARP, a, offset),
            cuda.shfl_down_sync(FULL_WARP, b, offset),
            cuda.shfl_down_sync(FULL_WARP, c, offset),
            cuda.shfl_down_sync(FULL_WARP, d, offset),
        )

    def compile_to_ptx(function: Any, arguments: tuple[Any, ...], target: tuple[int, int]) -> str:
        """The PTX of a kernel for a compute capability. No GPU is needed."""
        from types import SimpleNamespace

        import numba.cuda.dispatcher as dispatcher

        # Numba lowers device functions for "the current device"; here that is the target. The code that it makes
        # of them is for a virtual machine (LLVM), and becomes that of a target with the kernel around it.
        before = dispatcher.get_current_device
        dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=target)
        try:
            text, _ = cuda.compile_ptx(function.py_func, cuda.types.void(*arguments), cc=target)
        finally:
            dispatcher.get_current_device = before
        return str(text)
