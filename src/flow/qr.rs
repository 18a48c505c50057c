//! A link as a QR code: for pages, prints and terminals.

use qrcode::render::{svg, unicode};
use qrcode::{Color, EcLevel, QrCode};

/// White modules around the code: what scanners ask for (ISO/IEC 18004).
const QUIET: usize = 4;
/// Pixels of a module in a picture.
const SCALE: usize = 8;

fn code(link: &str) -> Option<QrCode> {
    QrCode::with_error_correction_level(link, EcLevel::M).ok()
}

/// As SVG, black on white whatever the page's colours; `None`: the link is too long for a code.
pub fn svg(link: &str) -> Option<String> {
    let code = code(link)?;
    let mut pen = code.render();
    pen.min_dimensions(200, 200).dark_color(svg::Color("#000")).light_color(svg::Color("#fff")).quiet_zone(true);
    let drawn = pen.build();
    // Within a page the XML declaration has no place.
    Some(drawn.split_once("?>").map_or(drawn.clone(), |(_, svg)| svg.to_string()))
}

/// For a terminal with light letters on a dark ground.
pub fn terminal(link: &str) -> Option<String> {
    let code = code(link)?;
    let mut pen = code.render::<unicode::Dense1x2>();
    pen.dark_color(unicode::Dense1x2::Light).light_color(unicode::Dense1x2::Dark).quiet_zone(true);
    Some(pen.build())
}

/// As a PNG picture of black and white.
pub fn png(link: &str) -> Option<Vec<u8>> {
    let code = code(link)?;
    let (modules, width) = (code.to_colors(), code.width());
    let side = (width + 2 * QUIET) * SCALE;
    let dark = |x: usize, y: usize| {
        let at = |v: usize| (v / SCALE).checked_sub(QUIET).filter(|m| *m < width);
        at(x).zip(at(y)).is_some_and(|(x, y)| modules.get(y * width + x) == Some(&Color::Dark))
    };
    let pixels: Vec<u8> = (0..side * side).map(|i| if dark(i % side, i / side) { 0 } else { 255 }).collect();
    let mut out = Vec::new();
    let length = u32::try_from(side).ok()?;
    let mut encoder = png::Encoder::new(&mut out, length, length);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_drawn_in_three_ways() {
        let link = "https://notify.example.com/l/AQ81jFa5hZJ4WMc";
        assert!(svg(link).is_some_and(|s| s.trim_start().starts_with("<svg") && s.contains("#fff")));
        assert!(png(link).is_some_and(|p| p.starts_with(&[0x89, b'P', b'N', b'G'])));
        assert!(terminal(link).is_some_and(|t| t.lines().count() > 10));
        assert_eq!(svg(&"x".repeat(5000)), None);
    }
}
