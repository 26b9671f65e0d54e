//! The job scripts. What `taugrid slurm submit` submits is what `taugrid slurm render` prints.

use std::fmt::Write as _;
use std::path::Path;

use crate::order::Order;
use crate::quote::{pattern, word};
use crate::time;

/// Ahead of the coordinator's time limit it is asked to end, in seconds.
const COORDINATOR_LEAD: u64 = 120;
/// Ahead of a worker's, if that is not short.
const WORKER_LEAD: u64 = 60;

/// A script in the making.
struct Script(String);

impl Script {
    fn new(about: &str) -> Self {
        let about: String = about.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
        Self(format!("#!/bin/bash\n{about}\n"))
    }

    fn option(&mut self, name: &str, value: &str) {
        // A String takes all that is written to it.
        let _ = writeln!(self.0, "#SBATCH --{name}={}", word(value));
    }

    fn maybe(&mut self, name: &str, value: Option<&String>) {
        value.into_iter().for_each(|value| self.option(name, value));
    }

    fn lines(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

/// The coordinator's script.
pub fn coordinator(order: &Order) -> String {
    let (sweep, out) = (shell(&order.sweep), shell(&order.out));
    let mut script = Script::new(
        "A sweep's coordinator as a Slurm job, written by `taugrid slurm render`. It simulates nothing: one core is plenty.\n\
         It finds its workers' jobs by their name, replaces those that end as long as there is work, and takes back those\n\
         that still wait when the sweep has ended. Submitted again it resumes: after a time limit, a lost node, anything.",
    );
    common(&mut script, order, &order.names().coordinator, "coordinator-%j.log");
    script.maybe("partition", order.coordinator.partition.as_ref().or(order.partition.as_ref()));
    script.maybe("time", order.coordinator.time.as_ref());
    script.option("ntasks", "1");
    script.option("cpus-per-task", "1");
    script.option("mem", "2G");
    script.lines(&format!(
        "# Ahead of the time limit, time to end in order. B: this script gets it, which is the coordinator (exec).\n\
         #SBATCH --signal=B:TERM@{COORDINATOR_LEAD}\n\
         # After a lost node it resumes elsewhere, and the workers read the new access file.\n\
         #SBATCH --requeue\n\
         #SBATCH --open-mode=append\n\n\
         set -euo pipefail\n\
         PATH={}:$PATH\n\n",
        shell(&order.programs)
    ));
    match &order.coordinator.listen {
        Some(listen) => script.lines(&format!("listen={}\n", word(listen))),
        None => script.lines(FIND_ADDRESS),
    }
    script.lines(&format!("\nexec taugrid slurm coordinate {sweep} --out {out} --listen \"$listen\"\n"));
    script.0
}

/// The script of an array of workers. `array` is what `--array` says; it may be said on the command line instead.
pub fn workers(order: &Order, array: &str) -> String {
    let place = |name: &str| shell(&order.out.join("provenance").join(name));
    let mut script = Script::new(
        "A sweep's workers as a Slurm job array, one task a worker, written by `taugrid slurm render`. They may come before\n\
         the coordinator and after it, stop, be killed or be preempted: what a lost worker held goes to the others.",
    );
    common(&mut script, order, &order.names().workers, "worker-%A_%a.log");
    script.option("array", array);
    script.maybe("partition", order.partition.as_ref());
    script.maybe("time", order.time.as_ref());
    script.option("ntasks", "1");
    script.option("cpus-per-task", &order.cpus_per_worker.to_string());
    script.option("mem-per-cpu", &order.mem_per_cpu);
    let limit = order.time.as_deref().and_then(time::parse_limit);
    let lead = limit.map_or(WORKER_LEAD, |limit| WORKER_LEAD.min(limit.as_secs() / 4));
    script.lines(&format!(
        "# Ahead of the time limit, and at once when preempted: within its grace (25 s; see the cluster's KillWait and GraceTime)\n\
         # the worker hands over the rows it has and the states of the trials it is at, and leaves. B: this script gets the\n\
         # signal, which is the worker (exec).\n\
         #SBATCH --signal=B:TERM@{lead}\n\
         # After a lost node Slurm runs the task again elsewhere.\n\
         #SBATCH --requeue\n\
         #SBATCH --open-mode=append\n"
    ));
    if !order.sbatch.is_empty() {
        let options: Vec<String> = order.sbatch.iter().map(|option| word(option)).collect();
        script.lines(&format!("#SBATCH {}\n", options.join(" ")));
    }
    script.lines(&format!(
        "\nset -euo pipefail\n\
         PATH={}:$PATH\n\n\
         # Those that come when the sweep has ended have nothing to do.\n\
         if [[ -e {} ]]; then exit 0; fi\n\n\
         # The worker leaves ahead of this, and asks for no more cores than these. Older releases of Slurm do not say when the\n\
         # job ends, but to who asks.\n\
         if [[ -z ${{SLURM_JOB_END_TIME:-}} ]]; then\n  \
           job=$(SLURM_TIME_FORMAT=%s scontrol -o show job \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\") || true\n  \
           if [[ $job =~ \\ EndTime=([0-9]+) ]]; then export SLURM_JOB_END_TIME=${{BASH_REMATCH[1]}}; fi\n\
         fi\n\n\
         exec taugrid-worker --access-file {} --spill {} \\\n  \
           --name \"$SLURMD_NODENAME:${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\"\n",
        shell(&order.programs),
        place("slurm-end"),
        place("access.json"),
        place("spill"),
    ));
    script.0
}

/// What both have.
fn common(script: &mut Script, order: &Order, name: &str, log: &str) {
    let out = order.out.display().to_string();
    script.option("job-name", name);
    script.option("chdir", &out);
    script.option("output", &format!("{}/provenance/slurm/{log}", pattern(&out)));
    script.maybe("account", order.account.as_ref());
    script.maybe("qos", order.qos.as_ref());
}

fn shell(path: &Path) -> String {
    word(&path.display().to_string())
}

const FIND_ADDRESS: &str = r#"# The address at which the other nodes know this one: what Slurm itself calls it, as a number.
name=$(scontrol -o show node "$SLURMD_NODENAME" | grep -o ' NodeAddr=[^ ]*')
name=${name#*=}
address=$(getent ahostsv4 "$name" | awk 'NR == 1 { print $1 }')
# Many a node's /etc/hosts says that its own name is loopback, where no other node can reach it.
if [[ -z $address || ($address == 127.* && $name != 127.*) ]]; then
  echo "$name is ${address:-nowhere} as seen from itself: submit with --listen 0.0.0.0:0, if other nodes know its name, or IP:0" >&2
  exit 2
fi
listen=$address:0
"#;

/// The ranges of array indices, for `--array`, in which `workers` tasks are submitted where an array has at most
/// `most` of them.
pub fn arrays(workers: u32, most: u32) -> Vec<(u32, String)> {
    let most = most.max(1);
    let mut left = workers;
    let mut arrays = Vec::new();
    while left > 0 {
        let tasks = left.min(most);
        arrays.push((tasks, if tasks == 1 { "1".to_owned() } else { format!("1-{tasks}") }));
        left -= tasks;
    }
    arrays
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Site, example};

    /// `deploy/slurm` has what the example's order is rendered to. `TAUGRID_ACCEPT=1` writes it there.
    #[test]
    fn the_examples_are_what_is_rendered() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/slurm");
        for (name, text) in
            [("coordinator.sbatch", coordinator(&example())), ("workers.sbatch", workers(&example(), "1-8"))]
        {
            let path = folder.join(name);
            if std::env::var_os("TAUGRID_ACCEPT").is_some() {
                std::fs::write(&path, &text).expect("written");
            }
            let there = std::fs::read_to_string(&path).expect("an example");
            assert_eq!(there, text, "{}: write it again with TAUGRID_ACCEPT=1", path.display());
        }
    }

    #[test]
    fn all_that_was_asked_for_is_said() {
        let mut order = example();
        order.out = "/shared/50% done/out".into();
        order.partition = Some("spot".to_owned());
        order.account = Some("physics".to_owned());
        order.qos = Some("low".to_owned());
        order.time = Some("2".to_owned());
        order.coordinator.partition = Some("main".to_owned());
        order.coordinator.listen = Some("10.0.0.1:7000".to_owned());
        order.sbatch = ["--constraint", "zen4&avx512", "--exclude=n[1-3]"].map(str::to_owned).to_vec();
        let (coordinator, workers) = (coordinator(&order), workers(&order, "1-5"));
        for line in [
            "#SBATCH --partition=spot",
            "#SBATCH --account=physics",
            "#SBATCH --qos=low",
            "#SBATCH --time=2",
            "#SBATCH --array=1-5",
            "#SBATCH --signal=B:TERM@30",
            "#SBATCH --chdir='/shared/50% done/out'",
            "#SBATCH --output='/shared/50%% done/out/provenance/slurm/worker-%A_%a.log'",
            "#SBATCH --constraint 'zen4&avx512' '--exclude=n[1-3]'",
            "if [[ -e '/shared/50% done/out/provenance/slurm-end' ]]; then exit 0; fi",
        ] {
            assert!(workers.lines().any(|there| there == line), "no {line} in\n{workers}");
        }
        for line in
            ["#SBATCH --partition=main", "#SBATCH --account=physics", "#SBATCH --qos=low", "listen=10.0.0.1:7000"]
        {
            assert!(coordinator.lines().any(|there| there == line), "no {line} in\n{coordinator}");
        }
        assert!(!coordinator.contains("constraint"), "{coordinator}");
        order.coordinator.site = Site::Here;
        assert_eq!(order.problems(), Vec::<String>::new());
    }

    #[test]
    fn no_array_is_larger_than_slurm_takes() {
        assert_eq!(arrays(0, 1000), []);
        assert_eq!(arrays(1, 1000), [(1, "1".to_owned())]);
        let three = arrays(2500, 1000);
        assert_eq!(three.iter().map(|(tasks, _)| *tasks).collect::<Vec<_>>(), [1000, 1000, 500]);
        assert_eq!((three[0].1.as_str(), three[2].1.as_str()), ("1-1000", "1-500"));
        assert_eq!(arrays(3, 0).len(), 3);
    }
}
