//! SVG to PNG, with the fonts that are built in and no others: the same picture on every machine.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Subsets of Inter; see `assets/LICENSE-Inter.txt`.
/// A text with an italic part takes all of it from a fallback if the italic subset lacks one of its characters: usvg
/// replaces fonts by the text, not by the character.
const FONTS: [&[u8]; 3] = [
    include_bytes!("../assets/Inter-Regular.otf"),
    include_bytes!("../assets/Inter-Italic.otf"),
    include_bytes!("../assets/Inter-SemiBold.otf"),
];

/// A drawing that could not be made into a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RasterError {
    /// The SVG does not parse.
    #[error("the drawing is not valid SVG")]
    Svg(#[from] resvg::usvg::Error),
    /// The picture has no size, or one beyond what fits into memory.
    #[error("a picture of {width} by {height} pixels cannot be made")]
    Size {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// The PNG encoder refused.
    #[error("the picture could not be encoded as PNG: {0}")]
    Encode(String),
}

/// `svg` as a PNG at `scale` pixels per px.
pub(crate) fn png(svg: &str, scale: f32) -> Result<Vec<u8>, RasterError> {
    let mut options = Options { font_family: "Inter".to_owned(), ..Options::default() };
    for font in FONTS {
        options.fontdb_mut().load_font_data(font.to_vec());
    }
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size();
    let (width, height) = ((size.width() * scale).ceil() as u32, (size.height() * scale).ceil() as u32);
    let mut pixmap = Pixmap::new(width, height).ok_or(RasterError::Size { width, height })?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| RasterError::Encode(error.to_string()))
}
