//! What is observed, asked for as Prometheus, Kubernetes and KEDA ask: over real sockets, on loopback.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use taugrid_wire::externalscaler::external_scaler_client::ExternalScalerClient;
use taugrid_wire::externalscaler::{GetMetricsRequest, ScaledObjectRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::counts::Counts;
use crate::machine::Standing;

const RUNNING: fn() -> Phase = || Phase::Running { since: Instant::now() };

/// A coordinator that is none, observed.
struct Stage {
    phase: watch::Sender<Phase>,
    progress: watch::Sender<Progress>,
    http: SocketAddr,
    scaler: SocketAddr,
}

impl Stage {
    async fn new() -> Self {
        let (progress, watched) = watch::channel(Progress::default());
        let (phase, observed) = Observed::new("a \"name\"".to_owned(), "0123".to_owned(), watched);
        let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let posts = ObserveArguments { http: any, scaler: any }.open(&observed).await.unwrap();
        Self { phase, progress, http: posts.http.unwrap(), scaler: posts.scaler.unwrap() }
    }

    /// So many trials to come, on so many threads, of which each takes an hour.
    fn has(&self, trials: u64, threads: u64) {
        let remaining = Some(Duration::from_secs(3600 * trials));
        let standing = Standing { trials: 1000 + trials, received: 1000, threads, remaining, ..Standing::default() };
        self.progress.send_replace(Progress { standing, ..Progress::default() });
    }

    async fn keda(&self) -> ExternalScalerClient<Channel> {
        ExternalScalerClient::connect(format!("http://{}", self.scaler)).await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn health(&self, address: SocketAddr, service: &str) -> Result<ServingStatus, Code> {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut client = HealthClient::new(channel);
        let answer = client.check(HealthCheckRequest { service: service.to_owned() }).await;
        answer.map(|answer| answer.into_inner().status()).map_err(|error| error.code())
    }
}

fn scaled(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    ScaledObjectRef {
        name: "taugrid-worker".to_owned(),
        namespace: "taugrid".to_owned(),
        scaler_metadata: metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

/// What KEDA does of it: the replicas it wants.
async fn replicas(keda: &mut ExternalScalerClient<Channel>, scaled: &ScaledObjectRef) -> f64 {
    let spec = keda.get_metric_spec(scaled.clone()).await.unwrap().into_inner().metric_specs.remove(0);
    let request = GetMetricsRequest { scaled_object_ref: Some(scaled.clone()), metric_name: spec.metric_name.clone() };
    let value = keda.get_metrics(request).await.unwrap().into_inner().metric_values.remove(0);
    assert_eq!(value.metric_name, spec.metric_name);
    // Old ones read the whole numbers, new ones the others.
    assert_eq!(value.metric_value as f64, value.metric_value_float);
    assert_eq!(spec.target_size as f64, spec.target_size_float);
    (value.metric_value_float / spec.target_size_float).ceil()
}

#[tokio::test]
async fn keda_wants_as_many_workers_as_the_work_is_worth_and_none_at_the_end() {
    let stage = Stage::new().await;
    let mut keda = stage.keda().await;
    let four = scaled(&[("scalerAddress", "a:1"), ("slotsPerWorker", "4")]);
    let active = |keda: &ExternalScalerClient<Channel>| {
        let (mut keda, four) = (keda.clone(), four.clone());
        async move { keda.is_active(four).await.unwrap().into_inner().result }
    };
    // Before and after, whatever the numbers say.
    stage.has(10, 0);
    assert_eq!((active(&keda).await, replicas(&mut keda, &four).await), (false, 0.0));
    stage.phase.send_replace(RUNNING());
    assert_eq!((active(&keda).await, replicas(&mut keda, &four).await), (true, 3.0));
    // An hour for each slot is worth it, two are not.
    let choosy = scaled(&[("slotsPerWorker", "1"), ("worthSeconds", "7200")]);
    assert_eq!(replicas(&mut keda, &choosy).await, 5.0);
    stage.has(0, 12);
    assert_eq!((active(&keda).await, replicas(&mut keda, &four).await), (false, 0.0));
    stage.has(10, 12);
    stage.phase.send_replace(Phase::Finished);
    assert_eq!((active(&keda).await, replicas(&mut keda, &four).await), (false, 0.0));
}

#[tokio::test]
async fn keda_is_told_at_once_when_there_is_work_and_when_there_is_none() {
    let stage = Stage::new().await;
    let mut stream =
        stage.keda().await.stream_is_active(scaled(&[("slotsPerWorker", "1")])).await.unwrap().into_inner();
    let mut said = async || stream.message().await.unwrap().map(|answer| answer.result);
    assert_eq!(said().await, Some(false));
    stage.has(10, 0);
    stage.phase.send_replace(RUNNING());
    assert_eq!(said().await, Some(true));
    // More of the same is not said again.
    stage.has(9, 4);
    stage.progress.send_modify(|progress| progress.standing.paused = true);
    assert_eq!(said().await, Some(false));
    stage.progress.send_modify(|progress| progress.standing.paused = false);
    assert_eq!(said().await, Some(true));
    // The coordinator ends, and the stream with it.
    drop((stage.phase, stage.progress));
    assert_eq!(said().await, None);
}

#[tokio::test]
async fn a_trigger_that_says_it_wrong_is_told_what_is_right() {
    let stage = Stage::new().await;
    let mut keda = stage.keda().await;
    let slots = "slotsPerWorker";
    for (metadata, key) in [
        (vec![], slots),
        (vec![(slots, "0")], slots),
        (vec![(slots, "four")], slots),
        (vec![(slots, "4"), ("worthSeconds", "-1")], "worthSeconds"),
        (vec![(slots, "4"), ("worthSeconds", "1m")], "worthSeconds"),
    ] {
        let scaled = scaled(&metadata);
        let request = GetMetricsRequest {
            scaled_object_ref: Some(scaled.clone()),
            metric_name: "s0-taugrid-useful-slots".to_owned(),
        };
        for error in [
            keda.is_active(scaled.clone()).await.unwrap_err(),
            keda.stream_is_active(scaled.clone()).await.unwrap_err(),
            keda.get_metric_spec(scaled.clone()).await.unwrap_err(),
            keda.get_metrics(request).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), Code::InvalidArgument, "{metadata:?}");
            assert!(error.message().contains(key), "{metadata:?}: {error}");
        }
    }
    let other = GetMetricsRequest { scaled_object_ref: Some(scaled(&[(slots, "4")])), metric_name: "load".to_owned() };
    assert!(keda.get_metrics(other).await.unwrap_err().message().contains("taugrid-useful-slots"));
}

#[tokio::test]
async fn probes_follow_the_coordinator() {
    const DISPATCH: &str = "taugrid.v1.Dispatch";
    let stage = Stage::new().await;
    let stuck = Phase::Running { since: Instant::now().checked_sub(2 * STUCK).unwrap() };
    for (phase, alive, ready) in [
        (Phase::Preparing, true, false),
        (RUNNING(), true, true),
        (stuck, false, false),
        (Phase::Finishing, true, false),
        (Phase::Finished, true, true),
        (Phase::Incomplete, true, true),
    ] {
        stage.phase.send_replace(phase);
        for (path, well) in [("/healthz", alive), ("/readyz", ready)] {
            let answer = stage.get(path).await;
            let wanted = if well { "HTTP/1.1 200 OK\r\n" } else { "HTTP/1.1 503 " };
            assert!(
                answer.starts_with(wanted) && answer.ends_with(&format!("{}\n", phase.name())),
                "{phase:?}: {answer}"
            );
        }
        for address in [stage.http, stage.scaler] {
            for (service, well) in [("", alive), (DISPATCH, ready)] {
                let wanted = if well { ServingStatus::Serving } else { ServingStatus::NotServing };
                // What follows is a moment behind.
                while stage.health(address, service).await != Ok(wanted) {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    assert_eq!(stage.health(stage.scaler, "externalscaler.ExternalScaler").await, Ok(ServingStatus::Serving));
    assert_eq!(stage.health(stage.http, "externalscaler.ExternalScaler").await, Err(Code::NotFound));
}

#[tokio::test]
async fn metrics_are_what_the_coordinator_says() {
    let stage = Stage::new().await;
    stage.phase.send_replace(RUNNING());
    let standing = Standing {
        trials: 100,
        received: 60,
        leased: 25,
        leases: 3,
        quarantined: 5,
        workers: 2,
        ..Standing::default()
    };
    let counts =
        Counts { rows_received: 61, workers_lost: 7, busy_time: Duration::from_millis(1500), ..Counts::default() };
    stage.progress.send_replace(Progress { standing, exits: 59, counts, uptime: Duration::ZERO });
    let answer = stage.get("/metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    for line in [
        r#"taugrid_sweep_info{name="a \"name\"",sweep="0123"} 1"#,
        r#"taugrid_phase{phase="preparing"} 0"#,
        r#"taugrid_phase{phase="running"} 1"#,
        r#"taugrid_trials{state="open"} 10"#,
        r#"taugrid_trials{state="quarantined"} 5"#,
        "# TYPE taugrid_leases gauge",
        "taugrid_workers 2",
        "# TYPE taugrid_rows_received_total counter",
        "taugrid_rows_received_total 61",
        "taugrid_exits_total 59",
        "taugrid_busy_thread_seconds_total 1.5",
        r#"taugrid_workers_left_total{how="lost"} 7"#,
    ] {
        assert!(answer.lines().any(|is| is == line || is.strip_suffix(".0") == Some(line)), "no {line} in\n{answer}");
    }
    assert!(!answer.contains("taugrid_remaining_thread_seconds"), "{answer}");
    stage.has(10, 4);
    assert!(stage.get("/metrics").await.contains("\ntaugrid_remaining_thread_seconds 36000"));
    // Those who were here at the end are not here after it.
    stage.phase.send_replace(Phase::Finished);
    assert!(stage.get("/metrics").await.contains("\ntaugrid_worker_threads 0"));
    assert!(stage.get("/").await.starts_with("HTTP/1.1 404 "));
    // Nothing is taken here.
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    stream.write_all(b"POST /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut refused = String::new();
    stream.read_to_string(&mut refused).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
}
