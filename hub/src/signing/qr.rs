//! Text as squares that a telephone reads. The one door to `qrcodegen`.

use qrcodegen::{QrCode, QrCodeEcc};

/// The rows of a QR code, each of `1` for a dark square and `0` for a light one, without the light border of
/// four squares; none when the text is too long for one.
#[must_use]
pub fn rows(text: &str) -> Option<Vec<String>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let square = |x, y| if code.get_module(x, y) { '1' } else { '0' };
    let row = |y| (0..code.size()).map(|x| square(x, y)).collect();
    Some((0..code.size()).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_and_has_its_three_corners() {
        let rows = rows("otpauth://totp/Varco:a.rossi?secret=AAAA&issuer=Varco").unwrap();
        let size = rows.len();
        assert!(rows.iter().all(|row| row.len() == size), "{rows:?}");
        for (x, y) in [(0, 0), (size - 7, 0), (0, size - 7)] {
            assert_eq!(&rows[y][x..x + 7], "1111111");
            assert_eq!(&rows[y + 1][x..x + 7], "1000001");
        }
        assert_eq!(super::rows(&"x".repeat(5000)), None);
    }
}
