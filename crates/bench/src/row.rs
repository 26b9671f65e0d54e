//! One measurement, as JSON or as a line of a table.

use std::fmt::{self, Write};

use serde::Serialize;

/// One measurement: a workload of one size, or a peak of the machine. As JSON, what does not apply is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `W1`…`W4`, or `peak`.
    pub workload: &'static str,
    /// Of a peak, what of: `generator`, `fma` or `memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'static str>,
    /// d, the dimension (W1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d: Option<u64>,
    /// B, the batch size (W2–W4).
    #[serde(rename = "B", skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u64>,
    /// What the state is kept in, `f32` or `f64`; of a peak, what its numbers are.
    pub dtype: &'static str,
    /// The threads it ran on.
    pub threads: usize,
    /// Trials of one repetition (workloads).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chains: Option<u64>,
    /// Of the rates.
    pub unit: &'static str,
    /// The median rate of all repetitions.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How many there were.
    pub repetitions: usize,
    /// The instruction set of the kernels.
    pub isa: &'static str,
    /// The resource that bounds it (workloads).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak: Option<&'static str>,
    /// The median rate against the greatest rate of that resource on as many threads, from 0 to 1 (workloads).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_fraction: Option<f64>,
    /// What must be known beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

impl Row {
    /// The line above all [`Display`](fmt::Display)ed rows.
    pub fn header() -> String {
        line(["workload", "size", "dtype", "threads", "chains", "median", "min", "max", "runs", "unit"], "of peak")
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match (self.d, self.batch_size, self.resource) {
            (Some(d), _, _) => format!("d={d}"),
            (_, Some(batch_size), _) => format!("B={batch_size}"),
            (_, _, Some(resource)) => resource.to_owned(),
            _ => String::new(),
        };
        let mut last = match (self.peak, self.peak_fraction) {
            (Some(peak), Some(fraction)) => format!("{:5.1} % {peak}", 100.0 * fraction),
            _ => String::new(),
        };
        if let Some(note) = self.note {
            write!(last, "  ({note})")?;
        }
        let rate = |rate: f64| format!("{rate:.3e}");
        let cells = [
            self.workload,
            &size,
            self.dtype,
            &self.threads.to_string(),
            &self.chains.map_or(String::new(), |chains| chains.to_string()),
            &rate(self.median),
            &rate(self.min),
            &rate(self.max),
            &self.repetitions.to_string(),
            self.unit,
        ];
        f.write_str(&line(cells, &last))
    }
}

fn line(cells: [&str; 10], last: &str) -> String {
    let [workload, size, dtype, threads, chains, median, min, max, runs, unit] = cells;
    let line = format!(
        "{workload:8} {size:9} {dtype:5} {threads:>7} {chains:>6} {median:>9} {min:>9} {max:>9} {runs:>4}  {unit:16} {last}"
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            workload: "W2",
            resource: None,
            d: None,
            batch_size: Some(50),
            dtype: "f32",
            threads: 2,
            chains: Some(2),
            unit: "steps/s",
            median: 1234.5,
            min: 1200.0,
            max: 1300.0,
            repetitions: 5,
            isa: "avx2",
            peak: Some("fma"),
            peak_fraction: Some(0.625),
            note: None,
        }
    }

    #[test]
    fn json_has_the_promised_keys() {
        let json = serde_json::to_string(&row()).expect("it is plain data");
        assert_eq!(
            json,
            "{\"workload\":\"W2\",\"B\":50,\"dtype\":\"f32\",\"threads\":2,\"chains\":2,\"unit\":\"steps/s\",\
             \"median\":1234.5,\"min\":1200.0,\"max\":1300.0,\"repetitions\":5,\"isa\":\"avx2\",\"peak\":\"fma\",\
             \"peak_fraction\":0.625}"
        );
    }

    #[test]
    fn columns_stand_under_their_names() {
        let (header, line) = (Row::header(), row().to_string());
        assert_eq!(header.find("unit"), line.find("steps/s"));
        assert_eq!(header.find("size"), line.find("B=50"));
        assert!(line.ends_with("62.5 % fma"), "{line}");
    }
}
