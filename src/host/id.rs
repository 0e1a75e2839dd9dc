//! The id of a host, which is not its name: names are changed and repeated, and a rack is cloned from one
//! image.
//!
//! It is made once, at the daemon's first start, and kept in the state folder together with what identifies
//! the machine: serial numbers of board and product, permanent addresses of its network devices, and the
//! machine-id(5). If these are another machine's at a start, the folder came with a copied image, and the id
//! is made anew: two ids of one host do less harm than one id of two hosts. The hardware decides; the
//! machine-id, which a new installation changes, only where nothing of the hardware can be read.
//!
//! Only digests are kept, because machine-id(5) asks for that. What cannot be read is unknown, and says
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::root::HostRoot;
use crate::guarded::{self, Synced, random_letters};

/// The file in the state folder.
pub(crate) const FILE: &str = "host-id.json";

/// More than the file ever has.
const LARGEST_BYTES: u64 = 64 << 10;

/// Letters of an id: 32^12 ids.
const ID_LETTERS: usize = 12;

/// Bytes kept of a digest: enough to tell machines apart.
const DIGEST_BYTES: usize = 16;

/// Files whose value belongs to one machine. Not the serial number of a chassis, which a rack may share.
const SERIALS: &[(&str, &str)] = &[
    ("device_tree_serial", "/proc/device-tree/serial-number"),
    ("product_uuid", "/sys/class/dmi/id/product_uuid"),
    ("product_serial", "/sys/class/dmi/id/product_serial"),
];

/// What firmware says if its maker wrote nothing, in lower case. All boards of a series say the same.
const PLACEHOLDERS: &[&str] = &[
    "to be filled by o.e.m.",
    "default string",
    "system serial number",
    "not specified",
    "not applicable",
    "none",
    "123456789",
    "0123456789",
    "03000200-0400-0500-0006-000700080009",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "00000000-0000-0000-0000-000000000000",
];

/// Where network devices are.
const NETWORK: &str = "/sys/class/net";

/// Addresses kept; adapters that come and go must not let the file grow.
const KEPT_ADDRESSES: usize = 16;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptId {
    id: String,
    /// What the machine was when the id was made.
    machine: Fingerprint,
}

/// What identifies a machine, as digests. What is unknown is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Fingerprint {
    /// By their names in [`SERIALS`].
    serials: BTreeMap<String, String>,
    addresses: BTreeSet<String>,
    machine_id: Option<String>,
}

/// A host's id at a start.
#[derive(Debug)]
pub(crate) struct HostId {
    record: KeptId,
    /// The id of the machine that the state folder came from.
    copied_from: Option<String>,
    is_kept: bool,
    /// Was something read that the file does not have?
    has_news: bool,
}

impl HostId {
    /// The id that is kept in this state folder, or a new one, which is not kept yet.
    ///
    /// # Errors
    /// The file is there and cannot be read, or there are no random numbers.
    pub(crate) fn find(root: &HostRoot, state: &Path) -> io::Result<Self> {
        let machine = Fingerprint::of(root);
        let new = |machine| Ok::<_, io::Error>(KeptId { id: random_letters(ID_LETTERS)?, machine });
        let Some(kept) = kept(state)? else {
            return Ok(Self { record: new(machine)?, copied_from: None, is_kept: false, has_news: true });
        };
        if kept.machine.is_another_than(&machine) {
            let copied_from = Some(kept.id);
            return Ok(Self { record: new(machine)?, copied_from, is_kept: false, has_news: true });
        }
        let machine = kept.machine.clone().extended_by(machine);
        let has_news = machine != kept.machine;
        Ok(Self { record: KeptId { id: kept.id, machine }, copied_from: None, is_kept: true, has_news })
    }

    /// The id.
    pub(crate) fn id(&self) -> &str {
        &self.record.id
    }

    /// Was it there, and is it this machine's?
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// The id of the machine that the state folder was copied from, if it was.
    pub(crate) fn copied_from(&self) -> Option<&str> {
        self.copied_from.as_deref()
    }

    /// Keep it, durably.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub(crate) fn keep(&self, state: &Path) -> io::Result<()> {
        if !self.has_news {
            return Ok(());
        }
        let mut text = serde_json::to_vec_pretty(&self.record)?;
        text.push(b'\n');
        guarded::write(state, FILE, &text, Synced::Yes)
    }
}

/// `None` also for a file that makes no sense: the id is then lost, and a new one must be made.
fn kept(state: &Path) -> io::Result<Option<KeptId>> {
    let text = match guarded::read_path(&state.join(FILE), LARGEST_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let record = serde_json::from_slice::<KeptId>(&text);
    if let Err(error) = &record {
        log::error!("cannot understand {}: {error}; this host gets a new id", state.join(FILE).display());
    }
    Ok(record.ok().filter(|record| !record.id.is_empty()))
}

impl Fingerprint {
    fn of(root: &HostRoot) -> Self {
        let serials = SERIALS.iter().filter_map(|(name, file)| {
            let text = root.read(file).ok()?;
            let serial = text.trim_matches(|end: char| end == '\0' || end.is_whitespace()).to_lowercase();
            let is_serial = serial.len() > 3
                && !PLACEHOLDERS.contains(&serial.as_str())
                && serial.chars().any(|letter| letter != '0');
            is_serial.then(|| ((*name).to_owned(), digest(name, &serial)))
        });
        let machine_id = root.read("/etc/machine-id").ok().map(|text| text.trim().to_owned());
        Self {
            serials: serials.collect(),
            addresses: addresses(root),
            // "uninitialized" is what systemd writes into images.
            machine_id: machine_id.filter(|id| id.len() == 32).map(|id| digest("machine_id", &id)),
        }
    }

    fn is_another_than(&self, present: &Self) -> bool {
        let serials = self.serials.iter().filter_map(|(name, one)| Some(one == present.serials.get(name)?));
        let has_addresses = !self.addresses.is_empty() && !present.addresses.is_empty();
        let addresses = has_addresses.then(|| !self.addresses.is_disjoint(&present.addresses));
        let mut hardware = serials.chain(addresses).peekable();
        if hardware.peek().is_some() {
            return hardware.any(|is_same| !is_same);
        }
        matches!((&self.machine_id, &present.machine_id), (Some(one), Some(other)) if one != other)
    }

    /// The same machine, with what is known of it only now.
    fn extended_by(mut self, present: Self) -> Self {
        self.serials.extend(present.serials);
        self.machine_id = present.machine_id.or(self.machine_id);
        if self.addresses.len() < KEPT_ADDRESSES {
            self.addresses.extend(present.addresses);
        }
        self
    }
}

/// Permanent addresses of real network devices. Bridges, tunnels and containers have none of their own.
fn addresses(root: &HostRoot) -> BTreeSet<String> {
    let is_real = |name: &String| {
        let assigned = root.read(format!("{NETWORK}/{name}/addr_assign_type"));
        root.path(format!("{NETWORK}/{name}/device")).exists()
            && assigned.is_ok_and(|assigned| assigned.trim() == "0")
    };
    let names = root.names_in(NETWORK).into_iter().filter(is_real);
    let addresses = names.filter_map(|name| root.read(format!("{NETWORK}/{name}/address")).ok());
    let addresses = addresses.map(|address| address.trim().to_lowercase());
    addresses
        .filter(|address| address.chars().any(|letter| !matches!(letter, '0' | ':')))
        .map(|address| digest("address", &address))
        .collect()
}

fn digest(kind: &str, value: &str) -> String {
    let digest = Sha256::digest(format!("backbone host id\n{kind}\n{value}\n"));
    HEXLOWER.encode(&digest[..DIGEST_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host with these files.
    struct Lab {
        folder: tempfile::TempDir,
        root: HostRoot,
    }

    impl Lab {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs_err::create_dir(folder.path().join("root")).unwrap();
            fs_err::create_dir(folder.path().join("state")).unwrap();
            let root = HostRoot::new(folder.path().join("root")).unwrap();
            let lab = Self { folder, root };
            files.iter().for_each(|(path, text)| lab.put(path, text));
            lab
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.root.path(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }

        fn network(&self, name: &str, address: &str) {
            self.put(&format!("{NETWORK}/{name}/address"), address);
            self.put(&format!("{NETWORK}/{name}/addr_assign_type"), "0\n");
            self.put(&format!("{NETWORK}/{name}/device/uevent"), "");
        }

        /// The id at a start, and the id that it was copied from.
        fn start(&self) -> (String, Option<String>) {
            let state = self.folder.path().join("state");
            let found = HostId::find(&self.root, &state).unwrap();
            found.keep(&state).unwrap();
            (found.id().to_owned(), found.copied_from().map(str::to_owned))
        }
    }

    const MACHINE_ID: (&str, &str) = ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    const OTHER_MACHINE_ID: (&str, &str) = ("/etc/machine-id", "fedcba9876543210fedcba9876543210\n");

    #[test]
    fn id_stays_over_starts_and_is_no_name() {
        let lab = Lab::new(&[MACHINE_ID, ("/proc/device-tree/serial-number", "1421421012345\0")]);
        let first = lab.start();
        assert_eq!(first.1, None);
        lab.put("/proc/sys/kernel/hostname", "renamed\n");
        // A new installation on the same board that kept the state folder.
        lab.put(OTHER_MACHINE_ID.0, OTHER_MACHINE_ID.1);
        assert_eq!(lab.start(), first);
        let text = fs_err::read_to_string(lab.folder.path().join("state").join(FILE)).unwrap();
        assert!(!text.contains("1421421012345") && !text.contains("fedcba"), "{text}");
    }

    #[test]
    fn copied_image_is_noticed_by_serial_address_or_machine_id() {
        let serial = |number| ("/proc/device-tree/serial-number", number);
        let lab = Lab::new(&[MACHINE_ID, serial("1421421012345\0")]);
        let (first, _) = lab.start();
        lab.put(serial("").0, "1421421099999\0");
        let (second, from) = lab.start();
        assert_ne!(first, second);
        assert_eq!(from, Some(first));
        assert_eq!(lab.start(), (second, None), "said once");

        let lab = Lab::new(&[MACHINE_ID]);
        lab.network("eth0", "00:04:4b:aa:bb:01\n");
        let (first, _) = lab.start();
        lab.network("eth0", "00:04:4b:aa:bb:02\n");
        assert_eq!(lab.start().1, Some(first));

        let lab = Lab::new(&[MACHINE_ID]);
        let (first, _) = lab.start();
        lab.put(OTHER_MACHINE_ID.0, OTHER_MACHINE_ID.1);
        assert_eq!(lab.start().1, Some(first));
    }

    #[test]
    fn adapter_that_comes_or_goes_and_a_file_that_cannot_be_read_change_nothing() {
        let lab = Lab::new(&[MACHINE_ID]);
        let first = lab.start();
        lab.network("eth0", "00:04:4b:aa:bb:01\n");
        assert_eq!(lab.start(), first);
        lab.network("usb0", "00:e0:4c:00:00:01\n");
        assert_eq!(lab.start(), first);
        fs_err::remove_dir_all(lab.root.path(format!("{NETWORK}/eth0"))).unwrap();
        assert_eq!(lab.start(), first);
        fs_err::remove_file(lab.root.path("/etc/machine-id")).unwrap();
        fs_err::remove_dir_all(lab.root.path(NETWORK)).unwrap();
        assert_eq!(lab.start(), first, "what is unknown says nothing");
    }

    #[test]
    fn what_makers_write_instead_of_a_serial_number_is_none() {
        let serial = ("/sys/class/dmi/id/product_serial", "To be filled by O.E.M.\n");
        let lab = Lab::new(&[serial, ("/etc/machine-id", "uninitialized\n")]);
        lab.put(&format!("{NETWORK}/docker0/address"), "02:42:00:00:00:01\n");
        assert_eq!(Fingerprint::of(&lab.root), Fingerprint::default());
    }

    #[test]
    fn damaged_file_gives_a_new_id_and_an_unreadable_one_an_error() {
        let lab = Lab::new(&[MACHINE_ID]);
        let (first, _) = lab.start();
        let file = lab.folder.path().join("state").join(FILE);
        fs_err::write(&file, "{").unwrap();
        assert_ne!(lab.start().0, first);
        fs_err::remove_file(&file).unwrap();
        fs_err::create_dir(&file).unwrap();
        HostId::find(&lab.root, &lab.folder.path().join("state")).unwrap_err();
    }
}
