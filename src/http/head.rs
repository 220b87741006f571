//! Finds the end of a request's head, and refuses the bytes that HTTP parsers disagree about (T12).
//!
//! One pass from left to right, one verdict a byte. So the verdict on a prefix is the verdict on everything that starts
//! with it, however the bytes are cut into reads.

use super::refusal::Refusal;
use super::request::{HEAD_LIMIT_BYTES, HEADER_LIMIT};

/// How far a head has been scanned. Each byte is looked at once, also when they arrive one by one.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    scanned_bytes: usize,
    lines_ended: usize,
    line_bytes: usize,
    after_carriage_return: bool,
    ended: bool,
}

impl HeadScan {
    /// Scans what is new in `bytes`, which starts where it started last time. Returns the head's length once it is
    /// complete, its empty line included.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let limit_bytes = bytes.len().min(HEAD_LIMIT_BYTES);
        let mut rest = bytes.get(self.scanned_bytes..limit_bytes).unwrap_or_default();
        while let Some((byte, later)) = rest.split_first().filter(|_| !self.ended) {
            self.step(*byte)?;
            // What comes next within a line is plain for the most part, and needs no step for each byte.
            let within_line = self.line_bytes > 0 && !self.after_carriage_return;
            let plain = if within_line { plain_bytes(later) } else { 0 };
            self.line_bytes = self.line_bytes.saturating_add(plain);
            self.scanned_bytes = self.scanned_bytes.saturating_add(1).saturating_add(plain);
            rest = later.get(plain..).unwrap_or_default();
        }
        if self.ended {
            return Ok(Some(self.scanned_bytes));
        }
        if self.scanned_bytes >= HEAD_LIMIT_BYTES {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(None)
    }

    /// One byte. Changes nothing when it refuses, so that asking again refuses again.
    fn step(&mut self, byte: u8) -> Result<(), Refusal> {
        let in_request_line = self.lines_ended == 0;
        let at_line_start = self.line_bytes == 0;
        if self.after_carriage_return {
            if byte != b'\n' {
                return Err(Refusal::BareCarriageReturn);
            }
            self.ended = at_line_start;
            self.lines_ended = self.lines_ended.saturating_add(1);
            self.line_bytes = 0;
            self.after_carriage_return = false;
            return Ok(());
        }
        match byte {
            b'\r' if in_request_line && at_line_start => Err(Refusal::LeadingEmptyLine),
            b'\r' => {
                self.after_carriage_return = true;
                Ok(())
            }
            b'\n' => Err(Refusal::BareLineFeed),
            // The first byte of every TLS record that opens a handshake.
            0x16 if in_request_line && at_line_start => Err(Refusal::Tls),
            b' ' | b'\t' if at_line_start && !in_request_line => Err(Refusal::FoldedHeader),
            0x00..=0x1f | 0x7f => Err(Refusal::ControlByte),
            0x80.. => Err(Refusal::NonAscii),
            _ if at_line_start && self.lines_ended > HEADER_LIMIT => Err(Refusal::TooManyHeaders),
            _ => {
                self.line_bytes = self.line_bytes.saturating_add(1);
                Ok(())
            }
        }
    }
}

/// How many bytes at the start may stand anywhere within a line.
fn plain_bytes(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !matches!(byte, b' '..=b'~')).unwrap_or(bytes.len())
}
