//! Memory for activations: it starts at a page, in huge pages where the system gives them, and is kept between passes.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Numbers that are written before they are read: growing does not keep what was there.
#[derive(Default)]
pub(crate) struct Buffer {
    map: Option<MmapMut>,
}

impl Buffer {
    /// The first `len` numbers, more room made as needed; what they hold is left over from before.
    pub(crate) fn sized(&mut self, len: usize) -> &mut [f32] {
        if self.len() < len {
            let bytes = len * size_of::<f32>();
            self.map = None;
            match MmapMut::map_anon(bytes) {
                Ok(map) => {
                    // Advice that is not taken costs speed, nothing else.
                    #[cfg(target_os = "linux")]
                    map.advise(memmap2::Advice::HugePage).ok();
                    self.map = Some(map);
                }
                // As `Vec` does when the system has no memory left.
                Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<f32>()),
            }
        }
        &mut self[..len]
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let bytes = self.map.as_deref().unwrap_or_default();
        #[expect(unsafe_code, reason = "the same memory as f32")]
        // SAFETY: every bit pattern is an f32; pages are aligned beyond it.
        let (_, numbers, _) = unsafe { bytes.align_to() };
        numbers
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let bytes = self.map.as_deref_mut().unwrap_or_default();
        #[expect(unsafe_code, reason = "the same memory as f32")]
        // SAFETY: every bit pattern is an f32 and four bytes; pages are aligned beyond it.
        let (_, numbers, _) = unsafe { bytes.align_to_mut() };
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn a_buffer_grows_and_stays() {
        let mut buffer = Buffer::default();
        assert!(buffer.is_empty() && buffer.sized(0).is_empty());
        buffer.sized(3).fill(2.0);
        assert_eq!(buffer.sized(2), [2.0, 2.0]);
        assert_eq!(buffer.sized(5000).len(), 5000);
        assert!(buffer.sized(7).as_ptr().addr().is_multiple_of(64));
    }
}
