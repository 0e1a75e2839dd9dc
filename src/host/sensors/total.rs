//! Which rails or counters together show a host's whole power.
//!
//! Rails of a board feed each other, so their sum may hold power twice. What feeds what is known for the
//! boards in [`TREES`], from NVIDIA's documents; on another board the rails are reported one by one and no
//! total is given. A rail of a known board that is not named there is a part of one that is, or outside the
//! module.

use crate::bundle::format::{Quantity, Sensor};

/// Rails that do not feed each other and through which all power of a board flows, with the document that
/// says so. A host is the first board all of whose rails it has.
const TREES: &[&[&str]] = &[
    // Jetson AGX Thor: the INA238 measures the input of module and carrier board, which feeds all other
    // rails. Jetson Linux Developer Guide r38, Jetson Thor, System Power Measurement; NVIDIA in developer
    // forum topic 366461.
    &["VIN"],
    // Jetson AGX Orin: VIN_SYS_5V0 includes VDDQ_VDD2_1V8AO. Jetson Linux Developer Guide r35 and r36, Jetson
    // Orin, Software-Based Power Consumption Modeling.
    &["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"],
    // Jetson AGX Xavier: six supplies, each measured at its own input. Jetson AGX Xavier Product Design Guide
    // DG-09840-001, Power Monitor.
    &["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"],
    // Jetson Orin NX, Orin Nano, Xavier NX, TX2 and TX1: the input of the module. Jetson Linux Developer
    // Guide r32, r35 and r36, the same section; NVIDIA in developer forum topic 200883. Rails of the carrier
    // board (VDD_MUX and those it feeds) are outside.
    &["VDD_IN"],
    // Jetson Nano: the input of the board. NVIDIA in developer forum topic 73608.
    &["POM_5V_IN"],
];

/// Indices of the rails or counters whose sum is the host's whole power.
///
/// # Errors
/// There are none, or it is not known which; the reason, for a person.
pub(crate) fn total_of(sensors: &[&Sensor]) -> Result<Vec<usize>, String> {
    let rails: Vec<usize> =
        (0..sensors.len()).filter(|&index| sensors[index].quantity == Quantity::Power).collect();
    let counters: Vec<usize> =
        (0..sensors.len()).filter(|&index| sensors[index].quantity == Quantity::Energy).collect();
    let named = |name: &str| rails.iter().copied().find(|&index| sensors[index].name == name);
    let of_tree = |tree: &&[&str]| tree.iter().map(|name| named(name)).collect::<Option<Vec<usize>>>();
    if let Some(whole) = TREES.iter().find_map(of_tree) {
        return Ok(whole);
    }
    match (rails.is_empty(), counters.is_empty()) {
        (true, true) => Err("this host has no sensor of power or energy".to_owned()),
        // Counters of processor packages and of their memory, which count apart.
        (true, false) => Ok(counters),
        (false, _) => {
            let names: Vec<&str> = rails.iter().map(|&index| sensors[index].name.as_str()).collect();
            Err(format!(
                "it is not known which rails of this board feed others, so they are not added up: {}",
                names.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rail(name: &str) -> Sensor {
        Sensor {
            name: name.to_owned(),
            quantity: Quantity::Power,
            path: String::new(),
            trip_celsius: None,
            wraps_at_joules: None,
            unobservable: None,
        }
    }

    /// Names of the rails that make the total, or why there is none.
    fn total(names: &[&str]) -> Result<String, String> {
        let sensors: Vec<Sensor> = names.iter().map(|name| rail(name)).collect();
        let sensors: Vec<&Sensor> = sensors.iter().collect();
        let total = total_of(&sensors)?;
        Ok(total.iter().map(|&index| sensors[index].name.as_str()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn rail_that_another_feeds_is_not_added_on_any_board() {
        for (rails, expected) in [
            ("VIN VDD_GPU VDD_CPU_SOC_MSS VIN_SYS_5V0", "VIN"),
            ("VDD_GPU_SOC VDD_CPU_CV VIN_SYS_5V0 VDDQ_VDD2_1V8AO", "VDD_GPU_SOC VDD_CPU_CV VIN_SYS_5V0"),
            ("GPU CPU SOC CV VDDRQ SYS5V", "GPU CPU SOC CV VDDRQ SYS5V"),
            ("VDD_IN VDD_CPU_GPU_CV VDD_SOC", "VDD_IN"),
            ("VDD_SYS_GPU VDD_SYS_SOC VDD_4V0_WIFI VDD_IN VDD_SYS_CPU VDD_SYS_DDR VDD_MUX", "VDD_IN"),
            ("VDD_IN VDD_GPU VDD_CPU", "VDD_IN"),
            ("POM_5V_IN POM_5V_GPU POM_5V_CPU", "POM_5V_IN"),
        ] {
            let names: Vec<&str> = rails.split(' ').collect();
            assert_eq!(total(&names).as_deref(), Ok(expected), "{rails}");
        }
    }

    #[test]
    fn parts_of_a_board_alone_have_no_total() {
        for rails in [
            "VDD_GPU VDD_CPU_SOC_MSS VIN_SYS_5V0",
            "VDD_GPU_SOC VDD_CPU_CV VDDQ_VDD2_1V8AO",
            "GPU CPU SOC CV VDDRQ",
            "VDD_CPU_GPU_CV VDD_SOC",
            "VDD_MUX VDD_5V0_IO_SYS",
            "POM_5V_GPU POM_5V_CPU",
        ] {
            let names: Vec<&str> = rails.split(' ').collect();
            assert!(total(&names).is_err(), "{rails}");
        }
    }

    #[test]
    fn unknown_board_has_no_total_and_the_reason_names_its_rails() {
        assert_eq!(
            total(&["main", "vdd_core"]).unwrap_err(),
            "it is not known which rails of this board feed others, so they are not added up: main, vdd_core"
        );
        assert_eq!(total(&[]).unwrap_err(), "this host has no sensor of power or energy");
    }
}
