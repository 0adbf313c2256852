//! The instructions: whether they are there, and the inner loops over tiles.

use std::{
    arch::{asm, x86_64::__cpuid_count},
    sync::LazyLock,
};

use super::{BLOCK, Line, PART};

/// Whether the processor has the units (and the vector instructions that came before them) and the system lets us use them.
pub(crate) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        vectors && __cpuid_count(7, 0).edx & BF16_AND_TILE == BF16_AND_TILE && permitted()
    });
    *AVAILABLE
}

/// Asks Linux for the tile registers, once for the process; kernels that do not know them refuse.
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let refused: i64;
    #[expect(unsafe_code, reason = "the system call has no safe wrapper in std")]
    // SAFETY: arch_prctl with this request reads its two arguments only; a system call destroys rcx and r11.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => refused, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack));
    }
    refused == 0
}

/// A block of `y` while it is summed.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [[f32; BLOCK]; BLOCK]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0.0; BLOCK]; BLOCK]);
}

/// Eight tiles of 16 rows of 64 bytes, for this thread, while it lives.
pub(super) struct Registers {
    /// Rows of `x` that are multiplied: 32, or up to 16.
    rows: usize,
}

impl Registers {
    /// For blocks of `rows` rows; up to 16 take half of the time of more.
    pub(super) fn take(rows: usize) -> Self {
        #[repr(C, align(64))]
        struct Shape {
            palette: u8,
            start: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        assert!(available());
        let mut shape = Shape { palette: 1, start: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        shape.row_bytes[..8].fill(64);
        shape.rows[..8].fill(16);
        if rows <= FEW {
            // The tiles of sums and of `x`: the fewer rows, the sooner an instruction ends.
            shape.rows[..6].fill(rows as u8);
        }
        #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
        // SAFETY: the units are there; the instruction reads the 64 bytes of `shape`.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const shape, options(nostack, readonly));
        }
        Self { rows }
    }

    /// `sums += x w^T` over the steps of `x` (`parts.0` parts) and `w` (`parts.1` parts); from zero unless `go_on`. On the way
    /// the lines at `ahead` are brought into the second-level cache, [`fetched`] lines a step from each.
    ///
    /// # Panics
    /// When the lengths are not whole steps of a pair of parts that there is a loop for.
    pub(super) fn multiply(
        &self,
        x: &[Line],
        w: &[Line],
        parts: (usize, usize),
        sums: &mut Sums,
        go_on: bool,
        ahead: [*const Line; 2],
    ) {
        let count = x.len() / (parts.0 * PART);
        assert!(count > 0 && x.len() == count * parts.0 * PART && w.len() == count * parts.1 * PART);
        if self.rows <= FEW {
            return match parts {
                (1, 1) => few_one_one(x, w, sums, count, go_on, ahead),
                (2, 2) => few_two_two(x, w, sums, count, go_on, ahead),
                (3, 1) => few_three_one(x, w, sums, count, go_on, ahead),
                (3, 2) => few_three_two(x, w, sums, count, go_on, ahead),
                (3, 3) => few_three_three(x, w, sums, count, go_on, ahead),
                other => panic!("no loop for {other:?} parts"),
            };
        }
        match parts {
            (1, 1) => one_one(x, w, sums, count, go_on, ahead),
            (2, 2) => two_two(x, w, sums, count, go_on, ahead),
            (3, 1) => three_one(x, w, sums, count, go_on, ahead),
            (3, 2) => three_two(x, w, sums, count, go_on, ahead),
            (3, 3) => three_three(x, w, sums, count, go_on, ahead),
            other => panic!("no loop for {other:?} parts"),
        }
    }
}

/// Rows that one tile of `x` holds.
pub(super) const FEW: usize = 16;

impl Drop for Registers {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
        // SAFETY: frees the registers that `take` took.
        unsafe {
            asm!("tilerelease", options(nostack, nomem));
        }
    }
}

/// `four!(X, W)`: the four products of part X of `x` (in tmm4, tmm5) and part W of `w` (in tmm6, tmm7). A digit loads that part
/// first, `_` goes on with what is loaded; products of small parts come first.
macro_rules! four {
    (_, _) => {
        concat!(
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tdpbf16ps tmm3, tmm5, tmm7\n"
        )
    };
    ($x:tt, _) => {
        concat!(
            "tileloadd tmm4, [{x} + {s} * 1 + 2048 * (",
            $x,
            " - 1)]\n",
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tileloadd tmm5, [{x} + {s} * 1 + 2048 * (",
            $x,
            " - 1) + 1024]\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tdpbf16ps tmm3, tmm5, tmm7\n"
        )
    };
    (_, $w:tt) => {
        concat!(
            "tileloadd tmm6, [{w} + {s} * 1 + 2048 * (",
            $w,
            " - 1)]\n",
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tileloadd tmm7, [{w} + {s} * 1 + 2048 * (",
            $w,
            " - 1) + 1024]\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tdpbf16ps tmm3, tmm5, tmm7\n"
        )
    };
    ($x:tt, $w:tt) => {
        concat!(
            "tileloadd tmm6, [{w} + {s} * 1 + 2048 * (",
            $w,
            " - 1)]\n",
            "tileloadd tmm4, [{x} + {s} * 1 + 2048 * (",
            $x,
            " - 1)]\n",
            "tdpbf16ps tmm0, tmm4, tmm6\n",
            "tileloadd tmm7, [{w} + {s} * 1 + 2048 * (",
            $w,
            " - 1) + 1024]\n",
            "tdpbf16ps tmm1, tmm4, tmm7\n",
            "tileloadd tmm5, [{x} + {s} * 1 + 2048 * (",
            $x,
            " - 1) + 1024]\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            "tdpbf16ps tmm3, tmm5, tmm7\n"
        )
    };
}

/// Lines that a step fetches ahead of `x` and of the weights: a block of rows passes some eight blocks of columns, so that an
/// eighth of the next block a step is enough, and a panel of weights passes some 32 blocks of rows.
pub(super) fn fetched(x_parts: usize) -> [usize; 2] {
    [4 * x_parts, 1]
}

/// As many lines as [`fetched`] says.
macro_rules! fetch {
    (1) => {
        concat!(fetch!(@ "0"), "add {ahead}, 256\n", fetch!(@ w))
    };
    (2) => {
        concat!(fetch!(@ "0"), fetch!(@ "256"), "add {ahead}, 512\n", fetch!(@ w))
    };
    (3) => {
        concat!(fetch!(@ "0"), fetch!(@ "256"), fetch!(@ "512"), "add {ahead}, 768\n", fetch!(@ w))
    };
    (@ w) => {
        "prefetcht1 [{ahead_w}]\nadd {ahead_w}, 64\n"
    };
    (@ $at:literal) => {
        concat!(
            "prefetcht1 [{ahead} + ", $at, "]\n", "prefetcht1 [{ahead} + ", $at, " + 64]\n",
            "prefetcht1 [{ahead} + ", $at, " + 128]\n", "prefetcht1 [{ahead} + ", $at, " + 192]\n"
        )
    };
}

/// `two!(X, W)`: as `four!` for rows that fill one tile of `x` (tmm4) and two of sums.
macro_rules! two {
    (_, _) => {
        "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7\n"
    };
    ($x:tt, _) => {
        concat!("tileloadd tmm4, [{x} + {s} * 1 + 2048 * (", $x, " - 1)]\n", two!(_, _))
    };
    (_, $w:tt) => {
        concat!(
            "tileloadd tmm6, [{w} + {s} * 1 + 2048 * (",
            $w,
            " - 1)]\n",
            "tileloadd tmm7, [{w} + {s} * 1 + 2048 * (",
            $w,
            " - 1) + 1024]\n",
            two!(_, _)
        )
    };
    ($x:tt, $w:tt) => {
        concat!("tileloadd tmm4, [{x} + {s} * 1 + 2048 * (", $x, " - 1)]\n", two!(_, $w))
    };
}

/// With few rows the weights come straight from memory: what a later step needs is asked for in time, two tiles a step.
macro_rules! fetch_weights {
    () => {
        concat!(fetch_weights!(@ "0"), fetch_weights!(@ "512"), fetch_weights!(@ "1024"), fetch_weights!(@ "1536"),
            "add {ahead_w}, 2048\n/* {ahead} */")
    };
    (@ $at:literal) => {
        concat!(
            "prefetcht0 [{ahead_w} + ", $at, "]\n", "prefetcht0 [{ahead_w} + ", $at, " + 64]\n",
            "prefetcht0 [{ahead_w} + ", $at, " + 128]\n", "prefetcht0 [{ahead_w} + ", $at, " + 192]\n",
            "prefetcht0 [{ahead_w} + ", $at, " + 256]\n", "prefetcht0 [{ahead_w} + ", $at, " + 320]\n",
            "prefetcht0 [{ahead_w} + ", $at, " + 384]\n", "prefetcht0 [{ahead_w} + ", $at, " + 448]\n"
        )
    };
}

/// Functions that walk the steps, multiplying the parts of each in the order given: for blocks of 32 rows, and for up to 16.
macro_rules! walk {
    ($name:ident, $few:ident, $x_parts:tt, $w_parts:tt, $(($x:tt, $w:tt)),+) => {
        walk!(
            @ $name, $x_parts, $w_parts, concat!($(four!($x, $w),)+ fetch!($x_parts)),
            concat!("tileloadd tmm2, [{y} + {wide} * 1 + 2048]\n", "tileloadd tmm3, [{y} + {wide} * 1 + 2112]\n"),
            concat!("tilestored [{y} + {wide} * 1 + 2048], tmm2\n", "tilestored [{y} + {wide} * 1 + 2112], tmm3\n")
        );
        walk!(@ $few, $x_parts, $w_parts, concat!($(two!($x, $w),)+ fetch_weights!()), "", "");
    };
    (@ $name:ident, $x_parts:tt, $w_parts:tt, $step:expr, $load:expr, $store:expr) => {
        fn $name(x: &[Line], w: &[Line], sums: &mut Sums, count: usize, go_on: bool, ahead: [*const Line; 2]) {
            assert!(x.len() == count * $x_parts * PART && w.len() == count * $w_parts * PART && count > 0);
            #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
            // SAFETY: the lengths were checked just now; the loop reads `count` steps of both and the four tiles of `sums`;
            // a prefetch never faults.
            unsafe {
                asm!(
                    "test {go_on:e}, {go_on:e}",
                    "jne 3f",
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "jmp 2f",
                    "3:",
                    "tileloadd tmm0, [{y} + {wide} * 1]", "tileloadd tmm1, [{y} + {wide} * 1 + 64]",
                    $load,
                    "2:",
                    $step,
                    concat!("add {x}, 2048 * ", $x_parts),
                    concat!("add {w}, 2048 * ", $w_parts),
                    "dec {count}",
                    "jnz 2b",
                    "tilestored [{y} + {wide} * 1], tmm0", "tilestored [{y} + {wide} * 1 + 64], tmm1",
                    $store,
                    x = inout(reg) x.as_ptr() => _,
                    w = inout(reg) w.as_ptr() => _,
                    y = in(reg) sums.0.as_mut_ptr(),
                    ahead = inout(reg) ahead[0] => _,
                    ahead_w = inout(reg) ahead[1] => _,
                    s = in(reg) 64usize,
                    wide = in(reg) 128usize,
                    count = inout(reg) count => _,
                    go_on = in(reg) u32::from(go_on),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    };
}

walk!(one_one, few_one_one, 1, 1, (1, 1));
walk!(two_two, few_two_two, 2, 2, (2, 2), (1, _), (2, 1), (1, _));
walk!(three_one, few_three_one, 3, 1, (3, 1), (2, _), (1, _));
walk!(three_two, few_three_two, 3, 2, (2, 2), (1, _), (3, 1), (2, _), (1, _));
walk!(three_three, few_three_three, 3, 3, (1, 3), (_, 2), (2, _), (3, 1), (2, _), (1, _));
