//! A finished figure, as SVG and as PNG.

use crate::raster::{self, RasterError};

/// Pixels per px of the PNG.
const PNG_SCALE: f32 = 2.0;

/// A finished figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    svg: String,
}

impl Figure {
    pub(crate) fn new(svg: String) -> Self {
        Self { svg }
    }

    /// The figure as SVG 1.1; its text is text, in Inter or what the viewer has.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The figure as PNG, two pixels per px of the SVG, on white.
    ///
    /// # Errors
    /// If the picture is too large for memory, or the encoder fails.
    pub fn png(&self) -> Result<Vec<u8>, RasterError> {
        raster::png(&self.svg, PNG_SCALE)
    }
}
