//! The instructions: whether they are there, and the inner loops over tiles.

use std::{
    arch::{asm, x86_64::__cpuid_count},
    sync::LazyLock,
};

use super::{BLOCK, Line, PART};

/// Whether the processor has the units and the system lets us use them.
pub(crate) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
        __cpuid_count(7, 0).edx & BF16_AND_TILE == BF16_AND_TILE && permitted()
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
pub(super) struct Registers(());

impl Registers {
    pub(super) fn take() -> Self {
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
        #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
        // SAFETY: the units are there; the instruction reads the 64 bytes of `shape`.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const shape, options(nostack, readonly));
        }
        Self(())
    }

    /// `sums += x w^T` over the steps of `x` (`x_parts` parts) and `w` (`w_parts` parts); from zero unless `go_on`.
    ///
    /// # Panics
    /// When the lengths are not whole steps of a pair of parts that there is a loop for.
    pub(super) fn multiply(&self, x: &[Line], w: &[Line], parts: (usize, usize), sums: &mut Sums, go_on: bool) {
        let count = x.len() / (parts.0 * PART);
        assert!(count > 0 && x.len() == count * parts.0 * PART && w.len() == count * parts.1 * PART);
        match parts {
            (1, 1) => one_one(x, w, sums, count, go_on),
            (2, 2) => two_two(x, w, sums, count, go_on),
            (3, 1) => three_one(x, w, sums, count, go_on),
            (3, 2) => three_two(x, w, sums, count, go_on),
            (3, 3) => three_three(x, w, sums, count, go_on),
            other => panic!("no loop for {other:?} parts"),
        }
    }
}

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

/// A function that walks the steps, multiplying the parts of each in the order given.
macro_rules! walk {
    ($name:ident, $x_parts:literal, $w_parts:literal, $(($x:tt, $w:tt)),+) => {
        fn $name(x: &[Line], w: &[Line], sums: &mut Sums, count: usize, go_on: bool) {
            assert!(x.len() == count * $x_parts * PART && w.len() == count * $w_parts * PART && count > 0);
            #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
            // SAFETY: the lengths were checked just now; the loop reads `count` steps of both and the four tiles of `sums`.
            unsafe {
                asm!(
                    "test {go_on:e}, {go_on:e}",
                    "jne 3f",
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "jmp 2f",
                    "3:",
                    "tileloadd tmm0, [{y} + {wide} * 1]", "tileloadd tmm1, [{y} + {wide} * 1 + 64]",
                    "tileloadd tmm2, [{y} + {wide} * 1 + 2048]", "tileloadd tmm3, [{y} + {wide} * 1 + 2112]",
                    "2:",
                    $(four!($x, $w),)+
                    concat!("add {x}, 2048 * ", $x_parts),
                    concat!("add {w}, 2048 * ", $w_parts),
                    "dec {count}",
                    "jnz 2b",
                    "tilestored [{y} + {wide} * 1], tmm0", "tilestored [{y} + {wide} * 1 + 64], tmm1",
                    "tilestored [{y} + {wide} * 1 + 2048], tmm2", "tilestored [{y} + {wide} * 1 + 2112], tmm3",
                    x = inout(reg) x.as_ptr() => _,
                    w = inout(reg) w.as_ptr() => _,
                    y = in(reg) sums.0.as_mut_ptr(),
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

walk!(one_one, 1, 1, (1, 1));
walk!(two_two, 2, 2, (2, 2), (1, _), (2, 1), (1, _));
walk!(three_one, 3, 1, (3, 1), (2, _), (1, _));
walk!(three_two, 3, 2, (2, 2), (1, _), (3, 1), (2, _), (1, _));
walk!(three_three, 3, 3, (1, 3), (_, 2), (2, _), (3, 1), (2, _), (1, _));
