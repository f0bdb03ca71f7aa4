"""The typical kernels: cut a row at a mass of tokens in order of |surprisal - entropy|, without sorting.

One block takes a row whose maximum m, mean M of z - m under p, and 1 / sum exp(z - m) are known. The
deviation of a token is d = |z - m - M|, the same number as |-log p - H|, and its mass is an integer in units
of 2**-50. Integer sums do not depend on their order, so atomics on them are deterministic; there is no atomic
on a float.

1. Histogram: the masses and counts of all tokens, in bins of d. A scan over the bins finds the one that
   holds the cut.
2. If that bin holds more tokens than fit in shared memory, its range of d is split into bins again, by the
   bits of d (which order as the numbers do), until they fit or the range is a single number: a tie, which
   is kept whole.
3. Otherwise the tokens of the bin are listed in shared memory and each compares itself with all others.

The filter writes the tokens outside the cut bin in the same pass that lists those inside: three reads of the
row in all with the statistics, and one write.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ._device import WARP, cuda, device, float_bits, kernel, multiply_high
from ._formats import number_format
from ._rows import map_elements, row_reader, row_writer, sum_elements
from .launch import BINS, BINS_PER_NAT, CAPACITY, SELECT_THREADS

THREADS = SELECT_THREADS
CHUNK = BINS // THREADS  # bins that one thread scans

# Slots of the small shared array by which a block agrees on the state of the selection.
LOW = 0  # keys below are kept
HIGH = 1  # keys from here on are cut
MASS = 2  # mass of the keys below LOW
COUNT = 3  # number of the keys below LOW
INSIDE = 4  # number of tokens in [LOW, HIGH)
LISTED = 5  # next free place of the list
CUT = 6  # largest kept key
SLOTS = 8


@device
def scan_block(masses: Any, counts: Any, thread: Any) -> None:
    """Replace the entries of two shared arrays, one of each a thread, by their inclusive prefix sums."""
    offset = 1
    while offset < THREADS:
        mass = np.int64(0)
        count = np.int64(0)
        if thread >= offset:
            mass = masses[thread - offset]
            count = counts[thread - offset]
        cuda.syncthreads()
        masses[thread] += mass
        counts[thread] += count
        cuda.syncthreads()
        offset = offset << 1


@cache
def _selection(name: str) -> tuple[Any, Any, Any]:
    """Build the device functions ``measure``, ``select`` and ``resolve`` for one number format."""
    form = number_format(name)
    real, exp2, mass_of = form.real, form.exp2, form.mass
    key_type, width = form.key_type, form.width
    read = row_reader(name)
    log2_e = real(1.4426950408889634)
    bins_per_nat, last_bin = real(BINS_PER_NAT), real(BINS - 1)
    infinity = np.int64(np.array(np.inf, real).view(key_type))
    # Keys at which the linear bins of the first histogram begin: the bits of b / BINS_PER_NAT.
    mantissa, bias = (23, 127) if real is np.float32 else (52, 1023)
    mantissa_mask, hidden = np.int64((1 << mantissa) - 1), np.int64(1 << mantissa)
    sub_bits = BINS_PER_NAT.bit_length() - 1

    @device
    def measure(z: Any, peak: Any, mean: Any) -> Any:
        """Deviation of a logit; +inf for a logit of -inf, which is never kept."""
        return abs((z - peak) - mean)

    @device
    def first_key(b: Any) -> Any:
        """Bits of the float b / BINS_PER_NAT for an integer b, made in integers."""
        if b == 0:
            return np.int64(0)
        e = np.int64(0)
        while (b >> (e + 1)) > 0:
            e += 1
        fraction = ((b << (mantissa - e)) | hidden) & mantissa_mask
        return ((e + bias - sub_bits) << mantissa) | fraction

    @device
    def tally_one(z: Any, c: Any, context: Any) -> Any:
        """Add a token whose key is in [low, high) to its bin."""
        peak, mean, inverse, low, high, scale, linear, lows, highs, counts = context
        d = measure(z, peak, mean)
        key = np.int64(float_bits(d))
        if key >= low and key < high:
            b = np.int64(min(d * bins_per_nat, last_bin)) if linear else (key - low) >> scale
            mass = mass_of(exp2((z - peak) * log2_e) * inverse)
            # A 64-bit sum in two native 32-bit atomics: the carry is counted by whoever overflows.
            part = mass & 0xFFFFFFFF
            before = np.int64(cuda.atomic.add(lows, b, np.uint32(part)))
            upper = (mass >> 32) + ((before + part) >> 32)
            if upper > 0:
                cuda.atomic.add(highs, b, np.uint32(upper))
            cuda.atomic.add(counts, b, np.uint32(1))
        return 0

    tally = sum_elements(width, tally_one)

    @device
    def select(
        logits: Any, start: Any, columns: Any, shift: Any, thread: Any,
        peak: Any, mean: Any, inverse: Any, target: Any, least: Any,
        lows: Any, highs: Any, counts: Any, masses: Any, ranks: Any, state: Any,
    ) -> None:  # fmt: skip
        """Narrow [LOW, HIGH) until it holds the cut and at most CAPACITY tokens, or a single key."""
        if thread == 0:
            state[LOW] = 0
            state[HIGH] = infinity
            state[MASS] = 0
            state[COUNT] = 0
            state[INSIDE] = columns
        vectors = (columns + shift + width - 1) // width
        linear = True
        searching = True
        while searching:
            for b in range(thread, BINS, THREADS):
                lows[b] = 0
                highs[b] = 0
                counts[b] = 0
            cuda.syncthreads()
            low = state[LOW]
            high = state[HIGH]
            scale = np.int64(0)
            while ((high - low - 1) >> scale) >= BINS:
                scale += 1

            context = (peak, mean, inverse, low, high, scale, linear, lows, highs, counts)
            for vector in range(thread, vectors, THREADS * 2):  # two vectors in flight
                c = vector * width - shift
                here = read(logits, start, c, columns)
                there = read(logits, start, c + THREADS * width, columns)
                tally(here, 0, c, context)
                tally(there, 0, c, context)
            cuda.syncthreads()

            base_mass = state[MASS]
            base_count = state[COUNT]
            mass = np.int64(0)
            count = np.int64(0)
            for b in range(thread * CHUNK, (thread + 1) * CHUNK):
                mass += (np.int64(highs[b]) << 32) + np.int64(lows[b])
                count += np.int64(counts[b])
            masses[thread] = mass
            ranks[thread] = count
            cuda.syncthreads()
            scan_block(masses, ranks, thread)
            mass_after = base_mass + masses[thread]
            count_after = base_count + ranks[thread]
            mass = mass_after - mass
            count = count_after - count
            found = mass_after >= target and count_after >= least
            if found and not (mass >= target and count >= least):
                # The cut lies in this thread's bins: of all threads, in exactly one's.
                for b in range(thread * CHUNK, (thread + 1) * CHUNK):
                    more_mass = mass + (np.int64(highs[b]) << 32) + np.int64(lows[b])
                    more_count = count + np.int64(counts[b])
                    if more_mass >= target and more_count >= least:
                        state[MASS] = mass
                        state[COUNT] = count
                        state[INSIDE] = np.int64(counts[b])
                        if linear:
                            state[LOW] = first_key(b)
                            state[HIGH] = first_key(b + 1) if b + 1 < BINS else infinity
                        else:
                            state[LOW] = low + (b << scale)
                            state[HIGH] = min(low + ((b + 1) << scale), high)
                        break
                    mass = more_mass
                    count = more_count
            elif thread == THREADS - 1 and not found:
                # Rounding, or fewer tokens than must be kept: all of the range is kept.
                state[MASS] = mass_after
                state[COUNT] = count_after
                state[LOW] = high
                state[HIGH] = high
                state[INSIDE] = 0
            cuda.syncthreads()
            linear = False
            searching = state[INSIDE] > CAPACITY and state[HIGH] - state[LOW] > 1

    @device
    def resolve(thread: Any, target: Any, least: Any, list_keys: Any, list_masses: Any, state: Any) -> None:
        """Find the largest kept key among the listed tokens: the smallest key whose prefix is enough."""
        listed = state[LISTED]
        base_mass = state[MASS]
        base_count = state[COUNT]
        for i in range(thread, listed, THREADS):
            key = list_keys[i]
            mass = base_mass
            count = base_count
            for j in range(listed):
                if list_keys[j] <= key:
                    mass += list_masses[j]
                    count += 1
            if mass >= target and count >= least:
                cuda.atomic.min(state, CUT, np.int64(key))
        cuda.syncthreads()

    return measure, select, resolve


@cache
def filter_kernel(name: str) -> Any:
    """Build the kernel that writes the filtered logits of a row, one block a row."""
    form = number_format(name)
    real, width, key_type = form.real, form.width, form.key_type
    exp2, mass_of = form.exp2, form.mass
    store_one = form.store_one
    measure, select, resolve = _selection(name)
    read = row_reader(name)
    log2_e = real(1.4426950408889634)
    nan = real(np.nan)
    write = row_writer(name)

    @device
    def replace_one(z: Any, c: Any, context: Any) -> Any:
        peak, mean, cut_from, filter_value = context
        return z if np.int64(float_bits(measure(z, peak, mean))) < cut_from else filter_value

    @device
    def list_one(z: Any, c: Any, context: Any) -> Any:
        peak, mean, inverse, keep_below, cut_from, state, list_keys, list_masses, list_columns = context
        key = np.int64(float_bits(measure(z, peak, mean)))
        if key >= keep_below and key < cut_from:
            place = cuda.atomic.add(state, LISTED, 1)
            list_keys[place] = key_type(key)
            list_masses[place] = mass_of(exp2((z - peak) * log2_e) * inverse)
            list_columns[place] = np.int32(c)
        return 0

    replace, enlist = map_elements(width, replace_one), sum_elements(width, list_one)

    def typical_filter(
        logits: Any, out: Any, moments: Any, columns: Any, misalignment: Any, out_misalignment: Any,
        target: Any, least: Any, filter_value: Any,
    ) -> None:  # fmt: skip
        lows = cuda.shared.array(BINS, np.uint32)
        highs = cuda.shared.array(BINS, np.uint32)
        counts = cuda.shared.array(BINS, np.uint32)
        masses = cuda.shared.array(THREADS, np.int64)
        ranks = cuda.shared.array(THREADS, np.int64)
        list_keys = cuda.shared.array(CAPACITY, key_type)
        list_masses = cuda.shared.array(CAPACITY, np.int64)
        list_columns = cuda.shared.array(CAPACITY, np.int32)
        state = cuda.shared.array(SLOTS, np.int64)

        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        wide_stores = shift == (start + out_misalignment) % width
        vectors = (columns + shift + width - 1) // width
        peak = moments[row * 3]
        mean = moments[row * 3 + 1]
        inverse = moments[row * 3 + 2]
        if peak != peak:  # an invalid row: the same for all threads of the block
            for c in range(thread, columns, THREADS):
                store_one(out, start + c, nan)
            return

        select(
            logits, start, columns, shift, thread, peak, mean, inverse, target, least,
            lows, highs, counts, masses, ranks, state,
        )  # fmt: skip
        low = state[LOW]
        # A range of one key is a tie at the cut: all of it is kept and nothing needs listing.
        single = state[HIGH] - low == 1
        keep_below = low + 1 if single else low
        cut_from = state[HIGH]
        cuda.syncthreads()
        if thread == 0:
            state[LISTED] = 0
            state[CUT] = cut_from
        cuda.syncthreads()

        for vector in range(thread, vectors, THREADS):
            c = vector * width - shift
            tile = read(logits, start, c, columns)
            write(
                out, start, c, columns, wide_stores, replace(tile, 0, c, (peak, mean, cut_from, filter_value))
            )
            enlist(
                tile,
                0,
                c,
                (peak, mean, inverse, keep_below, cut_from, state, list_keys, list_masses, list_columns),
            )
        cuda.syncthreads()

        resolve(thread, target, least, list_keys, list_masses, state)
        cut = state[CUT]
        for i in range(thread, state[LISTED], THREADS):
            if np.int64(list_keys[i]) > cut:
                store_one(out, start + np.int64(list_columns[i]), filter_value)

    return kernel(typical_filter)


@device
def _fixed_point_32(bits: Any) -> Any:
    """floor(u * 2**63) of a float32 u in [0, 1) given by its bits."""
    exponent = np.int64(bits) >> 23
    if exponent == 0:
        return np.int64(0)
    mantissa = (np.int64(bits) & 0x7FFFFF) | 0x800000
    up = exponent - 87
    if up >= 0:
        return mantissa << up
    return mantissa >> min(-up, np.int64(63))


@device
def _fixed_point_64(bits: Any) -> Any:
    """floor(u * 2**63) of a float64 u in [0, 1) given by its bits, in integer arithmetic."""
    exponent = bits >> 52
    if exponent == 0:
        return np.int64(0)
    mantissa = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000
    up = exponent - 1012
    if up >= 0:
        return mantissa << up
    return mantissa >> min(-up, np.int64(63))


@cache
def sample_kernel(name: str, uniform_bits: int) -> Any:
    """Build the kernel that draws one token of each row, one block a row, without writing the filtered
    logits.

    Each warp sums the kept mass of its own contiguous part of the row; a scan over the warps tells in which
    part the wanted mass is reached, and the block reads that part once more, a contiguous piece for each
    thread.
    """
    form = number_format(name)
    real, width, key_type = form.real, form.width, form.key_type
    exp2, mass_of, load_one = form.exp2, form.mass, form.load_one
    measure, select, resolve = _selection(name)
    read = row_reader(name)
    fixed_point: Callable[..., Any] = _fixed_point_32 if uniform_bits == 32 else _fixed_point_64
    log2_e = real(1.4426950408889634)
    warps = THREADS // WARP

    @device
    def collect_one(z: Any, c: Any, context: Any) -> Any:
        """Mass of a token that is surely kept; one that may be is listed."""
        peak, mean, inverse, keep_below, cut_from, state, list_keys, list_masses, list_columns = context
        key = np.int64(float_bits(measure(z, peak, mean)))
        sure = np.int64(0)
        if key < cut_from:
            mass = mass_of(exp2((z - peak) * log2_e) * inverse)
            if key < keep_below:
                sure = mass
            else:
                place = cuda.atomic.add(state, LISTED, 1)
                list_keys[place] = key_type(key)
                list_masses[place] = mass
                list_columns[place] = np.int32(c)
        return sure

    collect = sum_elements(width, collect_one)

    def typical_sample(
        logits: Any,
        tokens: Any,
        uniforms: Any,
        moments: Any,
        columns: Any,
        misalignment: Any,
        target: Any,
        least: Any,
    ) -> None:
        lows = cuda.shared.array(BINS, np.uint32)
        highs = cuda.shared.array(BINS, np.uint32)
        counts = cuda.shared.array(BINS, np.uint32)
        masses = cuda.shared.array(THREADS, np.int64)
        ranks = cuda.shared.array(THREADS, np.int64)
        list_keys = cuda.shared.array(CAPACITY, key_type)
        list_masses = cuda.shared.array(CAPACITY, np.int64)
        list_columns = cuda.shared.array(CAPACITY, np.int32)
        state = cuda.shared.array(SLOTS, np.int64)

        thread = np.int64(cuda.threadIdx.x)
        row = np.int64(cuda.blockIdx.x)
        start = row * columns
        shift = (start + misalignment) % width
        vectors = (columns + shift + width - 1) // width
        peak = moments[row * 3]
        mean = moments[row * 3 + 1]
        inverse = moments[row * 3 + 2]
        if peak != peak:  # an invalid row: the same for all threads of the block
            if thread == 0:
                tokens[row] = -1
            return

        select(
            logits, start, columns, shift, thread, peak, mean, inverse, target, least,
            lows, highs, counts, masses, ranks, state,
        )  # fmt: skip
        low = state[LOW]
        single = state[HIGH] - low == 1
        keep_below = low + 1 if single else low
        cut_from = state[HIGH]
        cuda.syncthreads()
        if thread == 0:
            state[LISTED] = 0
            state[CUT] = cut_from
        cuda.syncthreads()

        # Vectors of this warp's part, lane beside lane, and the kept mass of what this thread reads of them.
        share = (vectors + warps - 1) // warps
        part = thread // WARP
        end = min((part + 1) * share, vectors)
        kept = np.int64(0)
        for vector in range(part * share + thread % WARP, end, WARP):
            c = vector * width - shift
            tile = read(logits, start, c, columns)
            kept += collect(
                tile,
                0,
                c,
                (peak, mean, inverse, keep_below, cut_from, state, list_keys, list_masses, list_columns),
            )
        masses[thread] = kept
        ranks[thread] = 0
        cuda.syncthreads()

        resolve(thread, target, least, list_keys, list_masses, state)
        cut = state[CUT] if state[LISTED] > 0 else keep_below - 1
        for i in range(thread, state[LISTED], THREADS):
            if np.int64(list_keys[i]) <= cut:
                owner = (np.int64(list_columns[i]) + shift) // width // share
                cuda.atomic.add(masses, owner * WARP, list_masses[i])
        cuda.syncthreads()
        scan_block(masses, ranks, thread)

        # The token is the first whose cumulative kept mass exceeds this: floor(u * total).
        total = masses[THREADS - 1]
        wanted = multiply_high(fixed_point(uniforms[row]), total << 1)
        part = np.int64(0)
        while part < warps - 1 and masses[part * WARP + WARP - 1] <= wanted:
            part += 1
        before = masses[part * WARP - 1] if part > 0 else np.int64(0)
        cuda.syncthreads()

        first = max(part * share * width - shift, np.int64(0))
        last = min((part + 1) * share * width - shift, columns)
        piece = (last - first + THREADS - 1) // THREADS
        first = first + thread * piece
        last = min(first + piece, last)
        kept = np.int64(0)
        for c in range(first, last):
            z = load_one(logits, start + c)
            if np.int64(float_bits(measure(z, peak, mean))) <= cut:
                kept += mass_of(exp2((z - peak) * log2_e) * inverse)
        masses[thread] = kept
        ranks[thread] = 0
        cuda.syncthreads()
        scan_block(masses, ranks, thread)
        after = before + masses[thread]
        if after > wanted and after - kept <= wanted:  # true for exactly one thread
            passed = after - kept
            c = first
            token = first
            while passed <= wanted:
                z = load_one(logits, start + c)
                if np.int64(float_bits(measure(z, peak, mean))) <= cut:
                    passed += mass_of(exp2((z - peak) * log2_e) * inverse)
                token = c
                c += 1
            tokens[row] = token

    return kernel(typical_sample)
