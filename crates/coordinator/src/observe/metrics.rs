//! The metrics by their names (docs/metrics.md), in Prometheus' text format. They are read off at each scrape; nothing is
//! kept for them.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use taugrid_process::usage::Usage;
use taugrid_wire::RELEASE;

use super::{Observed, Phase};

/// A registry with all of them.
pub(super) fn registry(observed: Observed) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(observed));
    registry
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.who(&mut sheet)?;
        self.gauges(&mut sheet)?;
        self.counters(&mut sheet)?;
        Usage::now().map_or(Ok(()), |usage| process(&mut sheet, usage))
    }
}

impl Observed {
    fn who(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        sheet.labelled("taugrid_build_info", "The release", &[(&[("version", RELEASE)], 1)])?;
        let labels: &[_] = &[("name", self.name.as_str()), ("sweep", self.sweep.as_str())];
        sheet.labelled("taugrid_sweep_info", "The sweep's name, and the hash of its physics", &[(labels, 1)])?;
        let now = self.phase().name();
        let phases = Phase::NAMES.map(|name| ([("phase", name)], u64::from(name == now)));
        let phases = phases.each_ref().map(|(labels, value)| (labels.as_slice(), *value));
        sheet.labelled("taugrid_phase", "1 for the phase that the coordinator is in", &phases)
    }

    fn gauges(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let standing = self.progress().standing;
        let open = standing.trials.saturating_sub(standing.received + standing.leased + standing.quarantined);
        let trials: [(&[_], _); 4] = [
            (&[("state", "open")], open),
            (&[("state", "leased")], standing.leased),
            (&[("state", "received")], standing.received),
            (&[("state", "quarantined")], standing.quarantined),
        ];
        sheet.labelled("taugrid_trials", "Trials of all cells, as far as is known", &trials)?;
        let cells: [(&[_], _); 2] = [
            (&[("state", "open")], standing.cells.saturating_sub(standing.cells_done)),
            (&[("state", "done")], standing.cells_done),
        ];
        sheet.labelled("taugrid_cells", "Cells", &cells)?;
        sheet.gauge("taugrid_workers", "Workers that are connected", standing.workers as f64)?;
        sheet.gauge("taugrid_worker_threads", "Their threads", standing.threads as f64)?;
        sheet.gauge("taugrid_leases", "Leases that they hold", standing.leases as f64)?;
        sheet.gauge("taugrid_unwritten_rows", "Rows that have come and are not durable", standing.unwritten as f64)?;
        sheet.gauge("taugrid_paused", "1 if nothing is leased because somebody said so", f64::from(standing.paused))?;
        if let Some(remaining) = standing.remaining {
            let help = "Thread time that the trials to come should take; absent until it is known";
            sheet.gauge("taugrid_remaining_thread_seconds", help, remaining.as_secs_f64())?;
        }
        Ok(())
    }

    fn counters(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let progress = self.progress();
        let counts = progress.counts;
        sheet.count("taugrid_rows_received", "Rows that were taken from workers", counts.rows_received)?;
        sheet.count("taugrid_exits", "Those of them that left D", progress.exits)?;
        sheet.count("taugrid_rows_written", "Rows that were made durable", counts.rows_written)?;
        sheet.count("taugrid_parts_written", "Parts that were written", counts.parts_written)?;
        sheet.count("taugrid_written_bytes", "Their bytes", counts.bytes_written)?;
        sheet.time("taugrid_write_seconds", "Time spent on writing them", counts.write_time)?;
        sheet.count("taugrid_leases_given", "Leases that were given", counts.leases_given)?;
        sheet.count("taugrid_leases_finished", "Leases that workers finished", counts.leases_finished)?;
        sheet.time("taugrid_busy_thread_seconds", "Thread time spent on those", counts.busy_time)?;
        sheet.time("taugrid_thread_seconds", "Thread time that workers were here for", counts.thread_time)?;
        sheet.count("taugrid_checkpoints", "States of trials that were made durable", counts.checkpoints)?;
        sheet.count("taugrid_kernel_failures", "Leases at which a kernel failed", counts.kernel_failures)?;
        sheet.count("taugrid_workers_joined", "Streams of workers that came", counts.workers_joined)?;
        let help = "Streams that ended: in order, without a word, or because the worker was sent away";
        sheet.counts(
            "taugrid_workers_left",
            help,
            "how",
            &[("orderly", counts.workers_left), ("lost", counts.workers_lost), ("dismissed", counts.workers_dismissed)],
        )
    }
}

/// By the names that every Prometheus client gives them.
fn process(sheet: &mut Sheet<'_>, usage: Usage) -> fmt::Result {
    sheet.time("process_cpu_seconds", "Time on processors", usage.cpu)?;
    sheet.gauge("process_resident_memory_bytes", "Memory in use", usage.resident as f64)?;
    sheet.gauge("process_open_fds", "Open file descriptors", usage.descriptors as f64)?;
    sheet.gauge("process_start_time_seconds", "When it started, since 1970", usage.started.as_secs_f64())
}

/// What metrics are written on. The format ends counters' names in `_total`.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn labelled(&mut self, name: &str, help: &str, values: &[(&[(&str, &str)], u64)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(*value as f64).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn count(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn time(&mut self, name: &str, help: &str, value: Duration) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value.as_secs_f64()).encode(metric)
    }

    fn counts(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (is, value) in values {
            ConstCounter::new(*value).encode(family.encode_family(&[(label, *is)])?)?;
        }
        Ok(())
    }
}
