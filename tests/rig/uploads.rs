//! The ways in which people drop files into an inbox.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Rig;

impl Rig {
    /// `mv`: written elsewhere on the same file system, then renamed in.
    pub(crate) fn drop_file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let name = name.as_ref();
        fs_err::create_dir_all(self.path("lab/uploads")).unwrap();
        let elsewhere = self.path("lab/uploads").join(name);
        fs_err::write(&elsewhere, content).unwrap();
        fs_err::rename(elsewhere, self.inbox(name)).unwrap();
    }

    /// Wait until the clock of the file system has ticked: only the times of files give an order to those
    /// that arrived unwatched, and files of one tick (some milliseconds) have equal times.
    pub(crate) fn wait_for_clock(&self) {
        let probe = self.path("probe");
        let changed = || {
            fs_err::write(&probe, "").unwrap();
            let stat = fs_err::metadata(&probe).unwrap();
            (stat.ctime(), stat.ctime_nsec())
        };
        let before = changed();
        self.wait_until("the file system's clock to tick", || changed() != before);
    }

    /// `cp`, or `scp` of a small file: written in place, in one go.
    pub(crate) fn copy_in_place(&self, name: &str, content: impl AsRef<[u8]>) {
        fs_err::write(self.inbox(name), content).unwrap();
    }

    /// The begin of an `scp`: the file is there, and open until the answer is dropped.
    pub(crate) fn begin_upload(&self, name: &str) -> Upload {
        let options = { File::options().write(true).create(true).truncate(true).clone() };
        Upload { file: options.open(self.inbox(name)).unwrap() }
    }

    /// `rsync`: under a hidden name in the inbox itself, then renamed.
    pub(crate) fn rsync(&self, name: &str, content: impl AsRef<[u8]>) {
        self.upload_as(&format!(".{name}.Xk3d9A"), name, content);
    }

    /// `sftp` clients: under a temporary name in the inbox itself, then renamed.
    pub(crate) fn upload_as(&self, temporary: &str, name: &str, content: impl AsRef<[u8]>) {
        fs_err::write(self.inbox(temporary), content).unwrap();
        fs_err::rename(self.inbox(temporary), self.inbox(name)).unwrap();
    }

    /// WinSCP: under `name.filepart`, then linked to its name and unlinked.
    pub(crate) fn winscp(&self, name: &str, content: impl AsRef<[u8]>) {
        let temporary = self.inbox(format!("{name}.filepart"));
        fs_err::write(&temporary, content).unwrap();
        fs_err::hard_link(&temporary, self.inbox(name)).unwrap();
        fs_err::remove_file(&temporary).unwrap();
    }
}

/// An upload under way.
#[derive(Debug)]
pub(crate) struct Upload {
    file: File,
}

impl Upload {
    /// A piece arrives.
    pub(crate) fn piece(&mut self, bytes: impl AsRef<[u8]>) {
        self.file.write_all(bytes.as_ref()).unwrap();
    }
}
