//! Known peaks of a platform, such as its maker's, to draw its roofline with instead of the measured ones.
//!
//! They are written `[PLATFORM[@MODE][/PRECISION]=]OPERATIONS,BYTES`, both per second. A peak is of one chip
//! in one power mode and of one number format, so a report on several needs several. Text comes from users,
//! peaks go to `roofline`.

use std::str::FromStr;

use serde::Serialize;

use crate::analysis::platform::Platform;
use crate::error::Hint;

/// What a platform can do at the most. Both are finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peaks {
    /// Operations per second.
    pub operations_per_second: f64,
    /// Bytes per second.
    pub bytes_per_second: f64,
}

/// Peaks, and the rooflines that they are meant for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GivenPeaks {
    /// Host name, label or id of the platform; `None` for every one.
    pub platform: Option<String>,
    /// Name of the power mode as recorded, or of the governor on hosts without modes; `None` for every one.
    pub mode: Option<String>,
    /// Number format; `None` for every one.
    pub precision: Option<String>,
    /// The peaks.
    pub peaks: Peaks,
}

/// A text that is not a pair of peaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read peaks from `{text}`: {why}")]
pub struct PeaksError {
    text: String,
    why: &'static str,
}

impl Hint for PeaksError {
    fn hint(&self) -> Option<String> {
        Some(
            "write operations and bytes per second, such as `xavier@MAXN/int8=22.8e12,137e9` or `22.8e12,137e9`"
                .to_owned(),
        )
    }
}

impl GivenPeaks {
    /// Whether they apply to that roofline.
    pub(crate) fn are_for(&self, platform: &Platform, precision: Option<&str>) -> bool {
        let names = [
            platform.identity.machine.host.as_deref(),
            Some(platform.label.as_str()),
            Some(platform.id.as_str()),
        ];
        let is_platform = self.platform.as_deref().is_none_or(|wanted| names.contains(&Some(wanted)));
        let power = platform.identity.power.as_ref();
        let is_mode = self.mode.as_ref().is_none_or(|wanted| {
            power.is_some_and(|power| match &power.mode {
                Some(mode) => mode == wanted,
                None => power.governors.contains(wanted),
            })
        });
        is_platform && is_mode && self.precision.as_deref().is_none_or(|wanted| precision == Some(wanted))
    }
}

impl FromStr for GivenPeaks {
    type Err = PeaksError;

    fn from_str(text: &str) -> Result<Self, PeaksError> {
        let error = |why| PeaksError { text: text.to_owned(), why };
        // From the right: a label may hold anything.
        let (meant, numbers) =
            text.rsplit_once('=').map_or((None, text), |(meant, numbers)| (Some(meant), numbers));
        let (operations, bytes) = numbers.split_once(',').ok_or_else(|| error("there is no comma"))?;
        let rate = |text: &str| {
            let rate = text.trim().parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
            rate.ok_or_else(|| error("a peak must be a number above zero"))
        };
        let peaks = Peaks { operations_per_second: rate(operations)?, bytes_per_second: rate(bytes)? };
        let (platform, precision) = match meant {
            None => (None, None),
            Some(meant) => match meant.rsplit_once('/') {
                Some((platform, precision)) => (Some(platform), Some(precision)),
                None => (Some(meant), None),
            },
        };
        let (platform, mode) = match platform.and_then(|platform| platform.rsplit_once('@')) {
            Some((platform, mode)) => (Some(platform), Some(mode)),
            None => (platform, None),
        };
        if [platform, mode, precision].contains(&Some("")) {
            return Err(error("the platform, power mode or number format before `=` is empty"));
        }
        let mode = mode.map(str::to_owned);
        Ok(Self {
            platform: platform.map(str::to_owned),
            mode,
            precision: precision.map(str::to_owned),
            peaks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_read_with_and_without_a_platform() {
        let given: GivenPeaks = "lab x=1, MAXN/int8=22.8e12, 137e9".parse().unwrap();
        assert_eq!(given.platform.as_deref(), Some("lab x=1, MAXN"));
        assert_eq!(given.precision.as_deref(), Some("int8"));
        assert_eq!(given.peaks, Peaks { operations_per_second: 22.8e12, bytes_per_second: 137e9 });
        let given: GivenPeaks = "xavier=1,2".parse().unwrap();
        assert_eq!((given.platform.as_deref(), given.precision), (Some("xavier"), None));
        let given: GivenPeaks = "xavier@MAXN/int8=1,2".parse().unwrap();
        assert_eq!((given.platform.as_deref(), given.mode.as_deref()), (Some("xavier"), Some("MAXN")));
        let given: GivenPeaks = "1,2".parse().unwrap();
        assert_eq!((given.platform, given.precision), (None, None));
    }

    #[test]
    fn what_is_no_pair_of_numbers_above_zero_is_refused_with_a_hint() {
        for text in
            ["", "1", "1,", "0,1", "-1,1", "nan,1", "1,inf", "=1,2", "x@=1,2", "x/=1,2", "/int8=1,2", "1,2,3"]
        {
            let error = text.parse::<GivenPeaks>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")) && error.hint().is_some(), "{text}");
        }
    }
}
