//! Memory for what is walked through in whole.

use memmap2::MmapMut;

use super::Line;

/// Memory straight from the system: zero without being written, and in huge pages where the system gives them, which a
/// walk through gigabytes of weights is 10 % faster for.
pub(super) struct Pages {
    map: MmapMut,
    len: usize,
}

impl Pages {
    pub(super) fn zeroed(len: usize) -> Self {
        let bytes = (len * size_of::<Line>()).max(1);
        let Ok(map) = MmapMut::map_anon(bytes) else {
            // As `Vec` does when the system has no memory left.
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<Line>())
        };
        // Advice that is not taken costs speed, nothing else.
        map.advise(memmap2::Advice::HugePage).ok();
        Self { map, len }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::zeroed(0)
    }
}

impl AsRef<[Line]> for Pages {
    fn as_ref(&self) -> &[Line] {
        #[expect(unsafe_code, reason = "the same memory as lines")]
        // SAFETY: every bit pattern is a line; pages are aligned beyond it.
        let (_, lines, _) = unsafe { self.map.align_to() };
        &lines[..self.len]
    }
}

impl AsMut<[Line]> for Pages {
    fn as_mut(&mut self) -> &mut [Line] {
        #[expect(unsafe_code, reason = "the same memory as lines")]
        // SAFETY: every bit pattern is a line and bytes; pages are aligned beyond it.
        let (_, lines, _) = unsafe { self.map.align_to_mut() };
        &mut lines[..self.len]
    }
}
