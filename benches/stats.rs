//! Medians, which a busy machine moves least, and Welch's t.

/// The least, the middle and the greatest of some samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// `None` of no samples.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().filter(|sample| sample.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2)?;
        Some(Self { least: *sorted.first()?, median: *median, greatest: *sorted.last()? })
    }
}

/// Welch's t of two classes of samples, without those above `limit`: interrupts are not what is measured.
pub(crate) fn welch(left: &[f64], right: &[f64], limit: f64) -> f64 {
    let (left_mean, left_error, _) = moments(left, limit);
    let (right_mean, right_error, _) = moments(right, limit);
    (left_mean - right_mean) / (left_error + right_error).sqrt()
}

/// Mean, squared standard error and count of the samples up to `limit`.
fn moments(samples: &[f64], limit: f64) -> (f64, f64, f64) {
    let kept = || samples.iter().filter(|sample| **sample <= limit);
    let count = kept().fold(0.0, |count, _| count + 1.0);
    let mean = kept().sum::<f64>() / count;
    let variance = kept().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count, count)
}

/// The sample below which `share` of them lie.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX)) * share).floor();
    // Between 0 and the length, because `share` is between 0 and 1.
    sorted.get(place as usize).or(sorted.last()).copied().unwrap_or(f64::NAN)
}
