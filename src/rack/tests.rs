//! Names and words that come from people and devices. What needs an sshd is in `tests/rack/`.

use std::ffi::OsStr;

use super::host_name::HostNameError;
use super::shell::{quoted, quoted_for_rsync, words};
use super::{HostName, Ssh, Trouble};

#[test]
fn names_of_hosts_are_those_that_ssh_takes_and_never_options_or_commands() {
    for name in ["pi-1", "lab@pi-1.local", "fe80::1%eth0", "[::1]", "ssh://lab@pi-1:2222", "kühlschrank"] {
        assert_eq!(name.parse::<HostName>().unwrap().as_str(), name);
    }
    for name in ["-oProxyCommand=touch /tmp/x", "-Fx", "lab@-oProxyCommand=x", "ssh://-oProxyCommand=x"] {
        assert!(matches!(name.parse::<HostName>(), Err(HostNameError::Option(_))), "{name}");
    }
    for name in
        ["a b", "a;b", "$(a)", "`a`", "a|b", "a\nb", "a'b", "a\"b", "a*", "a\\b", "a{b}", "a&b", "a>b"]
    {
        assert!(matches!(name.parse::<HostName>(), Err(HostNameError::Letter { .. })), "{name}");
    }
    assert_eq!("".parse::<HostName>(), Err(HostNameError::Empty));
}

#[test]
fn words_survive_a_shell_whatever_they_have() {
    for word in ["plain", "a b", "it's", "$(rm -rf /)", "`x`", "a\nb", "\"", "\\", "-rf", "*", ""] {
        let mut line = b"printf %s ".to_vec();
        line.extend(quoted(OsStr::new(word)));
        let line = String::from_utf8(line).unwrap();
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
    }
}

#[test]
fn command_of_ssh_is_split_as_rsync_splits_it() {
    let split = |line: &str| words(line).unwrap_or_else(|| vec!["not closed".to_owned()]);
    assert_eq!(split("ssh -F 'my lab/conf'  -p 22"), ["ssh", "-F", "my lab/conf", "-p", "22"]);
    assert_eq!(split("ssh -o \"User it's\""), ["ssh", "-o", "User it's"]);
    assert_eq!(split("ssh 'open"), ["not closed"]);
    assert_eq!(quoted_for_rsync("it's").as_deref(), Some("\"it's\""));
    assert!(Ssh::of(Some("ssh 'a\"b'\"'\"")).is_none(), "a word with both quotes");
    assert!(Ssh::of(Some("  ")).is_none());
    assert!(Ssh::of(None).is_some());
}

#[test]
fn each_fault_is_known_by_the_words_of_ssh_and_rsync() {
    let code = |stderr: &str| Trouble::of_connection(stderr).code();
    assert_eq!(code("ssh: connect to host pi-1 port 22: Connection refused\n"), "unreachable");
    assert_eq!(code("lab@pi-1: Permission denied (publickey).\n"), "login_denied");
    assert_eq!(
        code(
            "@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@\nHost key verification failed.\n"
        ),
        "host_key_changed"
    );
    let unknown = "No ED25519 host key is known for pi-1 and you have requested strict checking.\n\
                   Host key verification failed.\n";
    assert_eq!(code(unknown), "host_key_unknown");
    let words = |stderr: &str| Trouble::of_words(stderr).map(|trouble| trouble.code());
    assert_eq!(
        words("rsync: [receiver] write failed on \"/x\": No space left on device (28)\n"),
        Some("no_room")
    );
    assert_eq!(words("rsync: mkstemp \"/x/.a.yaml.Xy\" failed: Permission denied (13)\n"), Some("no_rights"));
    assert_eq!(words("sh: 1: rsync: not found\n"), Some("no_rsync"));
    assert_eq!(
        words("rsync: [sender] link_stat \"/x\" failed: No such file or directory (2)\n"),
        Some("no_folder")
    );
    assert_eq!(words("something else\n"), None);
}
