//! The keys `sentinel_every`, `sentinel` and `role`: one fixed network, measured again and again between the
//! configurations of a job, shows how the device drifts meanwhile.

use super::fields::{FORMAT, SENTINEL};
use super::mistakes::Mistakes;
use super::raw::Node;
use super::{JobConfiguration, ModelSource};
use crate::bundle::format::Role;
use crate::network::configuration::{Configuration, RequestedConfiguration};
use crate::runtime::{Options, Runtime};

/// The network of a job that names none: large enough to heat and to be timed well, small enough for every
/// device.
const DEFAULT: RequestedConfiguration<'_> = RequestedConfiguration {
    block: "standard",
    kernel: 3,
    batch: 1,
    input: 224,
    precision: "int8",
    width_percent: 25,
    depths: [3, 4, 6, 3],
};

/// Put a sentinel for each runtime before the first configuration, after each `every` of them, and after the
/// last.
pub(super) fn insert(
    configurations: Vec<JobConfiguration>,
    every: usize,
    network: Option<Configuration>,
    place: Option<&Node>,
    mistakes: &mut Mistakes,
) -> Vec<JobConfiguration> {
    let Some(place) = place.filter(|_| every > 0) else { return configurations };
    let mut sentinels: Vec<JobConfiguration> = Vec::new();
    for one in &configurations {
        let is_known = sentinels
            .iter()
            .any(|known| known.runtime.name == one.runtime.name && known.options == one.options);
        if is_known {
            continue;
        }
        match sentinel_like(one, network) {
            Some(sentinel) => sentinels.push(sentinel),
            None => {
                let message = match network {
                    Some(network) => format!("`{}` cannot run {network} as a sentinel", one.runtime.name),
                    None => {
                        format!("`{}` runs no generated network, so it has no sentinel", one.runtime.name)
                    }
                };
                let hint = "name another network under `sentinel`, or leave `sentinel_every` out";
                mistakes.add(place.position, "sentinel_every", "no_sentinel", message, hint);
                return configurations;
            }
        }
    }
    let mut all = sentinels.clone();
    for stretch in configurations.chunks(every) {
        all.extend_from_slice(stretch);
        all.extend_from_slice(&sentinels);
    }
    all
}

/// The sentinel for a runtime with these options; `None` if it cannot run one.
fn sentinel_like(one: &JobConfiguration, network: Option<Configuration>) -> Option<JobConfiguration> {
    let can_run = |network: &Configuration| {
        (one.runtime.networks)(&one.options).is_some_and(|form| form.length(network).is_ok())
    };
    let default = |precision| Configuration::new(&RequestedConfiguration { precision, ..DEFAULT }).ok();
    let network = match network {
        Some(network) => can_run(&network).then_some(network)?,
        None => ["int8", "fp32"].into_iter().filter_map(default).find(can_run)?,
    };
    Some(JobConfiguration { role: Role::Sentinel, source: ModelSource::Generated(network), ..one.clone() })
}

/// The job that measures the sentinel of a host on a runtime; `None` if that runs no generated network.
pub(crate) fn daily_job(runtime: &'static Runtime) -> Option<String> {
    let source = ModelSource::Dropped(0);
    let plain = JobConfiguration { runtime, options: Options::new(), source, role: Role::Sentinel };
    let ModelSource::Generated(network) = sentinel_like(&plain, None)?.source else { return None };
    Some(format!(
        "backbone: {FORMAT}\nname: sentinel\nrole: {SENTINEL}\nruntime: {}\nnetwork: {{block: {}, kernel: {}, batch: {}, \
         input: {}, precision: {}, width_percent: {}}}\npriority: 100\n",
        runtime.name,
        network.block().name,
        network.kernel(),
        network.batch(),
        network.input(),
        network.precision().name(),
        network.width_percent(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::RUNTIMES;
    use crate::spec::{Job, resolve};

    fn read(text: &str) -> Result<Job, String> {
        let job = resolve::job(format!("backbone: 1\n{text}").as_bytes(), "a.yaml");
        job.map_err(|mistakes| crate::spec::render(&mistakes, "a.yaml"))
    }

    fn roles(job: &Job) -> String {
        let letter = |one: &JobConfiguration| if one.role == Role::Sentinel { 'S' } else { 'c' };
        job.configurations.iter().map(letter).collect()
    }

    const STUDY: &str = "study: {blocks: [standard], kernels: [3, 5, 7], batches: [1], inputs: [32, 64], precisions: [fp32]}\n";

    #[test]
    fn sentinel_is_measured_before_between_and_after_the_configurations_on_each_runtime() {
        let of = |more: &str| roles(&read(&format!("{STUDY}{more}")).unwrap());
        assert_eq!(of(""), "cccccc");
        assert_eq!(of("sentinel_every: 2\n"), "SccSccSccS");
        assert_eq!(of("sentinel_every: 4\norder: random\n"), "SccccSccS");
        assert_eq!(of("sentinel_every: 1000\n"), "SccccccS");
        assert!(
            read(&format!("{STUDY}sentinel_every: 1001\n")).unwrap_err().contains("`1001` is more than 1000")
        );
        assert_eq!(of("sentinel_every: 6\nruntime: [onnxruntime, tflite]\n"), "SSccccccSSccccccSS");
        let job = read(&format!(
            "{STUDY}sentinel_every: 6\nsentinel: {{block: standard, kernel: 5, input: 32, precision: fp32}}\n"
        ));
        let job = job.unwrap();
        assert_eq!(job.configurations[0].model_name(&job), "standard-k5-b1-i32-fp32");
    }

    #[test]
    fn sentinel_that_cannot_be_measured_is_a_mistake() {
        let wrong = [
            "model: net.sim\nsentinel_every: 3\n",
            "network: {block: standard, kernel: 3, input: 32, precision: fp32}\nsentinel: {block: standard, kernel: 4, input: 32, precision: fp32}\n",
            "network: {block: standard, kernel: 3, input: 32, precision: fp32}\nsentinel_every: -1\nrole: sentry\n",
        ];
        let shown: Vec<String> = wrong.iter().map(|text| read(text).unwrap_err()).collect();
        for (shown, parts) in shown.iter().zip([
            &["`sim` runs no generated network", "hint: name another network under `sentinel`"][..],
            &["sentinel.kernel: ", "nothing measures this network", "hint: add `sentinel_every`"],
            &["`-1` is less than 0", "`sentry` is not a valid value here"],
        ]) {
            assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
        }
    }

    #[test]
    fn every_runtime_that_generates_networks_has_a_daily_sentinel_that_is_understood() {
        for runtime in RUNTIMES {
            let has_networks = (runtime.networks)(&Options::new()).is_some();
            let text = daily_job(runtime);
            assert_eq!(text.is_some(), has_networks, "{}", runtime.name);
            let Some(text) = text else { continue };
            let job = resolve::job(text.as_bytes(), "a.yaml").unwrap();
            assert_eq!((roles(&job).as_str(), job.configurations[0].runtime.name), ("S", runtime.name));
        }
    }
}
