//! The values of small constants: those that shapes, axes and scales are made of.

use super::protobuf::FieldValue;
use super::{MOST_VALUES, Payload, elements};

impl Payload<'_> {
    /// How many values it holds, if they are in the file and few.
    fn few(&self) -> Option<u64> {
        elements(&self.shape).filter(|count| !self.is_external && *count <= MOST_VALUES)
    }

    /// The values as whole numbers, where they are whole and few.
    pub(crate) fn integers(&self) -> Option<Vec<i64>> {
        let count = self.few()?;
        let mut values = Vec::new();
        match self.raw {
            Some(raw) => read_integers(raw, self.element_type, &mut values)?,
            None if matches!(self.element_type, 2..=7 | 9 | 12 | 13) => {
                for piece in &self.pieces {
                    piece.integers(&mut values).ok()?;
                }
            }
            None => return None,
        }
        (values.len() as u64 == count).then_some(values)
    }

    /// The values as floating-point numbers, where they are that and few.
    pub(crate) fn floats(&self) -> Option<Vec<f64>> {
        let count = self.few()?;
        let mut values: Vec<f64> = Vec::new();
        match (self.raw, self.element_type) {
            (Some(raw), 1) => {
                values.extend(raw.as_chunks().0.iter().map(|four| f64::from(f32::from_le_bytes(*four))));
            }
            (Some(raw), 11) => {
                values.extend(raw.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)));
            }
            (Some(raw), 10 | 16) => {
                let is_brain = self.element_type == 16;
                values.extend(raw.as_chunks().0.iter().map(|two| narrow(u16::from_le_bytes(*two), is_brain)));
            }
            (None, 1) => {
                let mut singles = Vec::new();
                for piece in &self.pieces {
                    piece.floats(&mut singles).ok()?;
                }
                values.extend(singles.into_iter().map(f64::from));
            }
            (None, 11) => self.pieces.iter().for_each(|piece| doubles(*piece, &mut values)),
            (None, 10 | 16) => {
                let mut codes = Vec::new();
                for piece in &self.pieces {
                    piece.integers(&mut codes).ok()?;
                }
                let is_brain = self.element_type == 16;
                values.extend(codes.into_iter().map(|code| narrow(code as u16, is_brain)));
            }
            _ => return None,
        }
        (values.len() as u64 == count).then_some(values)
    }
}

fn read_integers(raw: &[u8], element_type: i64, values: &mut Vec<i64>) -> Option<()> {
    match element_type {
        2 | 9 => values.extend(raw.iter().map(|byte| i64::from(*byte))),
        3 => values.extend(raw.iter().map(|byte| i64::from(byte.cast_signed()))),
        4 => values.extend(raw.as_chunks().0.iter().map(|two| i64::from(u16::from_le_bytes(*two)))),
        5 => values.extend(raw.as_chunks().0.iter().map(|two| i64::from(i16::from_le_bytes(*two)))),
        6 => values.extend(raw.as_chunks().0.iter().map(|four| i64::from(i32::from_le_bytes(*four)))),
        7 | 13 => values.extend(raw.as_chunks().0.iter().map(|eight| i64::from_le_bytes(*eight))),
        12 => values.extend(raw.as_chunks().0.iter().map(|four| i64::from(u32::from_le_bytes(*four)))),
        _ => return None,
    }
    Some(())
}

fn doubles(piece: FieldValue<'_>, values: &mut Vec<f64>) {
    match piece {
        FieldValue::Fixed64(bits) => values.push(f64::from_bits(bits)),
        FieldValue::Bytes(bytes) => {
            values.extend(bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)));
        }
        FieldValue::Varint(_) | FieldValue::Fixed32(_) => {}
    }
}

/// A number of 16 bits: bfloat16 is the upper half of a float32; float16 is IEEE 754's binary16.
fn narrow(bits: u16, is_brain: bool) -> f64 {
    if is_brain {
        return f64::from(f32::from_bits(u32::from(bits) << 16));
    }
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f64.powi(-24),
        0x1f if fraction == 0.0 => sign * f64::INFINITY,
        0x1f => f64::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_are_read() {
        // Published examples of binary16.
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0400, 6.103_515_625e-5)] {
            assert_eq!(narrow(bits, false), value);
        }
        assert_eq!(narrow(0x0001, false), 2_f64.powi(-24));
        assert_eq!((narrow(0x3fc0, true), narrow(0xc000, true)), (1.5, -2.0));
    }
}
