//! The pictures of passages, kept while they are used.

use std::collections::HashMap;
use std::sync::Arc;

use egui::epaint::FontColorTransferFunction;
use egui::mutex::Mutex;
use egui::{ColorImage, Context, Id, Mesh, Pos2, Rect, TextureHandle, TextureOptions, Vec2, pos2, vec2};

use super::layout::{Laid, Request, Typesetter};
use super::passage::Strip;

/// Bytes of pictures that are kept; the ones unused for longest go first.
const ROOM: usize = 64 << 20;
/// Rows of pixels in one texture.
const BAND: usize = 2048;

/// A passage and its picture.
pub(super) struct Printed {
    pub laid: Laid,
    /// Around the text, for glyphs that hang over, pixels.
    pub margin: Vec2,
    pub bands: Vec<Band>,
}

/// A slice of the picture.
pub(super) struct Band {
    pub texture: TextureHandle,
    /// In pixels, where the text begins at zero.
    rect: Rect,
}

impl Band {
    /// Adds the part of a strip that is in this band.
    pub(super) fn add(&self, mesh: &mut Mesh, strip: &Strip, place: impl Fn(f32, f32) -> Pos2) {
        let part = Rect::from_min_max(strip.min.to_pos2(), strip.max.to_pos2()).intersect(self.rect);
        if part.is_positive() {
            let uv = |p: Pos2| ((p - self.rect.min) / self.rect.size()).to_pos2();
            let screen = Rect::from_min_max(place(part.min.x, part.min.y), place(part.max.x, part.max.y));
            mesh.add_rect_with_uv(screen, Rect::from_min_max(uv(part.min), uv(part.max)), strip.color);
        }
    }
}

struct Entry {
    printed: Arc<Printed>,
    bytes: usize,
    used: u64,
}

/// The typesetter and what it has printed; one for each egui context.
pub(super) struct Shelf {
    typesetter: Typesetter,
    transfer: FontColorTransferFunction,
    entries: HashMap<Request, Entry>,
    bytes: usize,
    clock: u64,
}

impl Shelf {
    pub(super) fn of(ctx: &Context) -> Arc<Mutex<Self>> {
        ctx.data_mut(|data| {
            data.get_temp_mut_or_insert_with(Id::unique("passages"), || Arc::new(Mutex::new(Self::new()))).clone()
        })
    }

    fn new() -> Self {
        Self {
            typesetter: Typesetter::new(),
            transfer: FontColorTransferFunction::default(),
            entries: HashMap::new(),
            bytes: 0,
            clock: 0,
        }
    }

    /// The picture of a passage, from the shelf where it is there.
    pub(super) fn print(&mut self, ctx: &Context, request: &Request) -> Arc<Printed> {
        // egui's own text is lightened in dark mode; passages look the same.
        let transfer = ctx.global_style().visuals.text_options.color_transfer_function;
        if transfer != self.transfer {
            self.transfer = transfer;
            self.entries.clear();
            self.bytes = 0;
        }
        self.clock += 1;
        if let Some(entry) = self.entries.get_mut(request) {
            entry.used = self.clock;
            return entry.printed.clone();
        }
        let (printed, bytes) = self.draw(ctx, request);
        let printed = Arc::new(printed);
        self.make_room(bytes);
        self.bytes += bytes;
        self.entries.insert(request.clone(), Entry { printed: printed.clone(), bytes, used: self.clock });
        printed
    }

    fn make_room(&mut self, bytes: usize) {
        while self.bytes + bytes > ROOM {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(request, _)| request.clone());
            let Some(gone) = oldest.and_then(|request| self.entries.remove(&request)) else { return };
            self.bytes -= gone.bytes;
        }
    }

    fn draw(&mut self, ctx: &Context, request: &Request) -> (Printed, usize) {
        let laid = self.typesetter.lay_out(request);
        let margin = (f32::from_bits(request.size) * 0.5).ceil() as usize;
        let coverage = laid.picture(margin);
        let mut bands = Vec::new();
        for (at, rows) in coverage.alpha.chunks((coverage.width * BAND).max(1)).enumerate() {
            let height = rows.len() / coverage.width.max(1);
            let pixels = rows.iter().map(|&alpha| self.transfer.color_from_coverage(alpha)).collect();
            let image = ColorImage::new([coverage.width, height], pixels);
            let top = (at * BAND) as f32 - margin as f32;
            bands.push(Band {
                texture: ctx.load_texture("passage", image, TextureOptions::NEAREST),
                rect: Rect::from_min_size(pos2(-(margin as f32), top), vec2(coverage.width as f32, height as f32)),
            });
        }
        let margin = Vec2::splat(margin as f32);
        (Printed { laid, margin, bands }, coverage.alpha.len() * 4)
    }
}
