//! The wall clock, for what people read; everything that is timed uses `Instant`.

/// Now, RFC 3339, UTC.
pub(crate) fn now_text() -> String {
    jiff::Timestamp::now().to_string()
}
