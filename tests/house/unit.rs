//! What the units say, against the versions of systemd that first understood it. The oldest that people have
//! is 237 (Ubuntu 18.04, JetPack 4); it logs and ignores what it does not know.

use std::collections::BTreeSet;

use crate::scan::root;

/// Of Ubuntu 18.04 and JetPack 4.
const OLDEST: u32 = 237;

/// Directives, and the version of systemd that first had each; 0 for those from before 200.
/// Sources: the NEWS of systemd, and "Added in version" in its man pages.
#[rustfmt::skip]
const FIRST: &[(&str, u32)] = &[
    // [Unit], [Install]
    ("After", 0), ("Before", 0), ("BindsTo", 0), ("ConditionPathExists", 0), ("Description", 0), ("Documentation", 0),
    ("OnFailure", 0), ("PartOf", 0), ("Requires", 0), ("RequiresMountsFor", 201), ("StartLimitBurst", 230),
    ("StartLimitIntervalSec", 230), ("WantedBy", 0), ("Wants", 0),
    // [Timer]
    ("AccuracySec", 209), ("FixedRandomDelay", 247), ("OnBootSec", 0), ("OnCalendar", 0), ("OnUnitActiveSec", 0),
    ("OnUnitInactiveSec", 0), ("Persistent", 212), ("RandomizedDelaySec", 229), ("Unit", 0),
    // [Service]
    ("AmbientCapabilities", 229), ("CacheDirectory", 235), ("CapabilityBoundingSet", 0), ("CPUSchedulingPolicy", 0), ("Delegate", 205),
    ("Environment", 0), ("EnvironmentFile", 0), ("ExecCondition", 243), ("ExecStart", 0), ("ExecStartPre", 0),
    ("ExecStopPost", 0), ("Group", 0), ("IOSchedulingClass", 0), ("IPAddressDeny", 235), ("KillMode", 209),
    ("LimitCORE", 0), ("LimitMEMLOCK", 0), ("LimitNICE", 0), ("LoadCredential", 247), ("LockPersonality", 235),
    ("MemoryDenyWriteExecute", 231), ("Nice", 0), ("NoNewPrivileges", 0), ("OOMScoreAdjust", 0), ("PrivateDevices", 209),
    ("PrivateTmp", 0), ("PrivateUsers", 232), ("ProcSubset", 247), ("ProtectClock", 245), ("ProtectControlGroups", 232),
    ("ProtectHome", 214), ("ProtectHostname", 242), ("ProtectKernelLogs", 244), ("ProtectKernelModules", 232),
    ("ProtectKernelTunables", 232), ("ProtectProc", 247), ("ProtectSystem", 214), ("ReadOnlyPaths", 231),
    ("ReadWritePaths", 231), ("RemoveIPC", 232), ("Restart", 0), ("RestartPreventExitStatus", 0), ("RestartSec", 0),
    ("RestrictAddressFamilies", 211), ("RestrictNamespaces", 233), ("RestrictRealtime", 231), ("RestrictSUIDSGID", 242),
    ("RuntimeDirectory", 211), ("RuntimeMaxSec", 229), ("StandardError", 0), ("StandardOutput", 0),
    ("StateDirectory", 235), ("SupplementaryGroups", 0), ("SyslogIdentifier", 0), ("SystemCallArchitectures", 209),
    ("SystemCallErrorNumber", 209), ("SystemCallFilter", 0), ("TimeoutStartSec", 0), ("TimeoutStopSec", 0), ("Type", 0),
    ("UMask", 0), ("User", 0), ("WatchdogSec", 0), ("WorkingDirectory", 0),
];

/// Values that came later than their directive.
const FIRST_VALUES: &[(&str, u32)] = &[
    ("ProtectSystem=strict", 232),
    ("ProtectHome=tmpfs", 238),
    ("Type=exec", 240),
    ("Type=notify-reload", 253),
    ("KillMode=mixed", 209),
    ("Restart=on-success", 0),
];

/// Groups of system calls that 237 has.
const FILTER_GROUPS: &[&str] = &[
    "@aio",
    "@basic-io",
    "@chown",
    "@clock",
    "@cpu-emulation",
    "@debug",
    "@default",
    "@file-system",
    "@io-event",
    "@ipc",
    "@keyring",
    "@memlock",
    "@module",
    "@mount",
    "@network-io",
    "@obsolete",
    "@privileged",
    "@process",
    "@raw-io",
    "@reboot",
    "@resources",
    "@setuid",
    "@signal",
    "@swap",
    "@sync",
    "@timer",
];

/// Files of units and their drop-ins in the repository, and what is in them.
fn units() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["systemd", "systemd/push", "packaging/drop-ins"] {
        for entry in fs_err::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if [".service", ".timer", ".conf"].iter().any(|end| name.ends_with(end)) {
                found.push((format!("{folder}/{name}"), fs_err::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

fn directives(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut continues = false;
    // A line that continues another is a part of its value.
    let begins = move |line: &&str| {
        let is_value = std::mem::replace(&mut continues, line.ends_with('\\') && !line.starts_with('#'));
        !is_value && !line.starts_with(['#', ';', '['])
    };
    text.lines().filter(begins).filter_map(|line| line.split_once('='))
}

fn first(directive: &str) -> Option<u32> {
    FIRST.iter().find(|(name, _)| *name == directive).map(|(_, version)| *version)
}

#[test]
fn every_directive_is_known_and_those_that_old_systems_ignore_are_documented() {
    let mut newer = BTreeSet::new();
    let mut seen = 0;
    for (file, text) in units() {
        for (directive, value) in directives(&text) {
            seen += 1;
            let since = first(directive);
            let since = since.unwrap_or_else(|| panic!("{file}: since which systemd is there {directive}=?"));
            if since > OLDEST {
                newer.insert(directive.to_owned());
            }
            let assignment = format!("{directive}={value}");
            let value_since = FIRST_VALUES.iter().find(|(value, _)| *value == assignment);
            assert!(
                value_since.is_none_or(|(_, since)| *since <= OLDEST),
                "{file}: {assignment} is newer than {OLDEST}"
            );
            if directive == "SystemCallFilter" {
                for group in value.trim_start_matches('~').split(' ') {
                    assert!(FILTER_GROUPS.contains(&group), "{file}: systemd {OLDEST} has no group {group}");
                }
            }
        }
    }
    assert!(seen > 40, "found only {seen} directives");
    let operating = fs_err::read_to_string(root().join("docs/OPERATING.md")).unwrap();
    let section =
        operating.split("### On systemd older than").nth(1).expect("a section on old versions of systemd");
    let section = section.split("\n## ").next().unwrap();
    let documented: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("=`"))
        .map(|(directive, _)| directive.to_owned())
        .collect();
    assert_eq!(documented, newer, "docs/OPERATING.md lists what older versions ignore, and nothing else");
    for directive in &newer {
        let version = format!("| `{directive}=` | {} |", first(directive).unwrap());
        assert!(section.contains(&version), "docs/OPERATING.md gives another version for {directive}=");
    }
}
