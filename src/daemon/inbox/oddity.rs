//! What the status says of entries in the inbox that are neither jobs nor models, or not yet.

use crate::daemon::status::Attention;
use crate::spool::plan::{Oddity, OddityKind};

/// The line for one entry.
pub(crate) fn attention(oddity: Oddity) -> Attention {
    let (code, why) = match oddity.what {
        OddityKind::Folder => {
            ("folder_in_inbox", "folders are not entered; drop files directly into the inbox")
        }
        OddityKind::Special => {
            ("not_a_regular_file", "links, FIFOs and devices are not opened; drop the file itself")
        }
        OddityKind::Unfinished => ("unfinished_upload", "upload not finished"),
        OddityKind::Temporary => {
            ("temporary_name", "an upload under way, or one that was abandoned; it is never touched")
        }
    };
    let what = oddity.name.to_string_lossy().escape_debug().to_string();
    Attention { code: code.to_owned(), what, why: why.to_owned() }
}
