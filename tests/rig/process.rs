//! Processes under test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::binary;

/// What a process that ended left behind.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr, but for lines that were waited for.
    pub stderr: String,
}

impl Run {
    /// Asserts the exit code, and that stderr holds each of `words`.
    #[track_caller]
    pub fn assert(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "stderr does not say {word:?}:\n{}", self.stderr);
        }
        self
    }
}

/// A running process, killed when dropped.
pub struct Process {
    child: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

impl Process {
    /// Starts a binary of the workspace, with its log at the level of events.
    pub fn start<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(binary(name));
        command.args(arguments);
        Self::spawn(command)
    }

    /// [`Process::start`] with more in its environment.
    pub fn start_in<'a, A: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = A>,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut command = Command::new(binary(name));
        command.args(arguments).envs(environment);
        Self::spawn(command)
    }

    /// Starts any command.
    pub fn spawn(mut command: Command) -> Self {
        if !command.get_envs().any(|(name, _)| name == "TAUGRID_LOG") {
            command.env("TAUGRID_LOG", "info");
        }
        let mut child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        Self { child, stderr, seen: String::new() }
    }

    /// Reads stderr until a line holds `words`, and gives that line. Panics if the process ends before.
    pub fn wait_for(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let bytes = self.stderr.read_line(&mut line).expect("stderr is text");
            self.seen.push_str(&line);
            if line.contains(words) {
                return line;
            }
            assert!(bytes > 0, "the process ended without saying {words:?}:\n{}", self.seen);
        }
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours to kill");
        self.child.wait().expect("it can be waited for");
    }

    /// Sends a signal by name: `INT`, `TERM`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status()
            .expect("kill can be run");
        assert!(status.success());
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> Run {
        let mut rest = Vec::new();
        self.stderr.read_to_end(&mut rest).expect("stderr can be read");
        let mut stdout = Vec::new();
        self.child.stdout.take().expect("stdout is piped").read_to_end(&mut stdout).expect("stdout can be read");
        let status = self.child.wait().expect("it can be waited for");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { code: status.code(), stdout: text(&stdout), stderr: std::mem::take(&mut self.seen) + &text(&rest) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
