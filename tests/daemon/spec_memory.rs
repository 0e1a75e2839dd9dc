//! What refusing a hostile job file costs. In a process of its own, because the kernel counts memory by
//! process.

use std::time::{Duration, Instant};

use backbone::spec::{MAXIMUM_SPEC_BYTES, resolve};

use crate::hostile::alias_bomb;
use crate::rig::alone::in_own_process;

/// Promised for every input, the program's own pages included.
const LIMIT_KIB: u64 = 32 * 1024;

/// Far above what any of them takes (tens of milliseconds without optimisation), far below a stalled queue.
const LIMIT: Duration = Duration::from_secs(10);

fn peak_kib() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").expect("procfs is mounted");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// A file of the largest size: `open`, then `unit` repeated.
fn filled(open: &str, unit: &str) -> String {
    format!("{open}{}", unit.repeat((MAXIMUM_SPEC_BYTES - open.len()) / unit.len()))
}

#[test]
fn refusing_any_file_stays_within_the_memory_limit() {
    in_own_process(|| {
        let units = [
            "[",
            "{",
            "- ",
            "? ",
            ": ",
            "a:\n",
            "a: ",
            "a: 1\n",
            "[a,",
            "a,",
            ",",
            "[]",
            "{},",
            "\"\",",
            "'",
            "\"",
            "&a ",
            "*a ",
            "!a ",
            "%TAG !a! b\n",
            "---\n",
            "|\n",
            "#\n",
            "#a",
            "\n",
            "\t",
            " ",
            "\\",
            "ä",
            "é: 1\n",
            "a b ",
            "{a: ",
            "- - - a\n",
            "k",
        ];
        let continued = [
            "a,", "\"\",", "[],", "{}, ", "a: b, ", "? ", ": ", "*a, ", "&a b, ", "a #\n", "\\x41",
            ",\n# ,\n",
        ];
        for unit in units {
            refuse(unit, &filled("", unit));
        }
        for open in ["[", "{", "a: \""] {
            for unit in continued {
                refuse(unit, &filled(open, unit));
            }
        }
        refuse("alias bomb", &alias_bomb());
        refuse("giant text", &filled("backbone: 1\nmodel: ", "m"));
        refuse("giant quoted text", &format!("{}\"", filled("backbone: 1\nname: \"", "\\u0041")));
        refuse("giant label", &filled("backbone: 1\nmodel: a.onnx\nlabels:\n  a: ", "é"));
        refuse("different keys", &(0..90_000).map(|index| format!("k{index}: 1\n")).collect::<String>());
        refuse("few different keys", &(0..4_900).map(|index| format!("k{index}: 1\n")).collect::<String>());
        let binary: Vec<u8> = (0..MAXIMUM_SPEC_BYTES).map(|index| (index % 251) as u8).collect();
        resolve::job(&binary, "hostile.yaml").expect_err("binary");
        let peak = peak_kib();
        assert!(peak < LIMIT_KIB, "the peak was {peak} KiB");
        println!("peak {peak} KiB");
    });
}

fn refuse(what: &str, text: &str) {
    let start = Instant::now();
    let read = resolve::job(text.as_bytes(), "hostile.yaml");
    let took = start.elapsed();
    assert!(read.is_err_and(|mistakes| !mistakes.is_empty()), "{what} was not refused");
    assert!(took < LIMIT, "{what} took {took:?}");
}
